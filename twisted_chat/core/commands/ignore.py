"""Ignoring people: hiding their messages."""

from __future__ import annotations

from twisted_chat.core.command_table.table import Call, table
from twisted_chat.core.errors import NoSuchPerson, NotAllowed
from twisted_chat.core.events import Listing, Remark
from twisted_chat.core.text import names

# The most people that a person can ignore.
MOST_IGNORED = 100


@table.command("ignore", "NAME")
def ignore(call: Call, name: str) -> None:
    """Be shown nothing that somebody says, in rooms or privately."""
    key = names.fold(name)
    if key == call.me.key:
        raise NotAllowed("You can't ignore yourself.")
    if key not in call.hub.people and key not in call.hub.registry.accounts:
        raise NoSuchPerson(f"Nobody here is called {names.shown(name)}.")
    if len(call.me.ignores) >= MOST_IGNORED:
        raise NotAllowed(f"You ignore {MOST_IGNORED} people already.")
    _set(call, call.me.ignores | {key})
    call.reply(Remark(f"You ignore {names.shown(name)} now."))


@table.command("unignore", "NAME")
def unignore(call: Call, name: str) -> None:
    """Be shown again what somebody says."""
    key = names.fold(name)
    if key not in call.me.ignores:
        raise NoSuchPerson(f"You don't ignore {names.shown(name)}.")
    _set(call, call.me.ignores - {key})
    call.reply(Remark(f"You ignore {names.shown(name)} no longer."))


@table.command("ignores", looks_up=True)
def ignores(call: Call) -> None:
    """List whom you ignore."""
    call.reply(Listing("ignores", ("name",), tuple((name,) for name in sorted(call.me.ignores))))


def _set(call: Call, ignored: frozenset[str]) -> None:
    for session in call.hub.people[call.me.key]:
        session.ignore(ignored)
    call.hub.remember(call.me)
