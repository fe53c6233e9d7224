"""Keys of ssh: with one of them a registered name is proven without its password."""

from __future__ import annotations

from dataclasses import replace

from twisted_chat.core.builtin.table import table
from twisted_chat.core.commands import Call
from twisted_chat.core.errors import NotAllowed, NotUnderstood
from twisted_chat.core.events import Listing, Remark
from twisted_chat.core.keys import PublicKey
from twisted_chat.core.records import Account
from twisted_chat.core.session import Role

# How many keys a name has: a machine each, and some that were lost.
MOST_KEYS = 20


@table.command("keys", "[add|list|remove] [KEY...]", role=Role.REGISTERED)
async def keys(call: Call, what: str = "list", key: str = "") -> None:
    """List the ssh keys that prove your name; add one (the one you have come in with, or a line of a .pub file); remove one."""
    account = call.hub.registry.accounts[call.me.key]
    match what:
        case "list":
            call.reply(Listing("keys", ("fingerprint", "kind", "called"), tuple(map(_row, account.keys))))
        case "add":
            await _add(call, account, key or call.me.public_key)
        case "remove":
            await _remove(call, account, key)


async def _add(call: Call, account: Account, line: str) -> None:
    if not line:
        raise NotAllowed("You have shown no key on this connection: /keys add ssh-ed25519 AAAA…, as in your file .pub")
    key = PublicKey.from_line(line)
    if key.is_among(account.keys):
        raise NotAllowed("That key is one of yours already.")
    if len(account.keys) >= MOST_KEYS:
        raise NotAllowed(f"You have {MOST_KEYS} keys already. /keys remove takes one away.")
    await _keep(call, replace(account, keys=(*account.keys, str(key))))
    call.reply(Remark(f"The key {key.fingerprint} proves that you are {account.name} now."))


async def _remove(call: Call, account: Account, which: str) -> None:
    """Take a key away that is named by the beginning of its fingerprint, by what it is called, or whole."""
    found = [line for line in account.keys if which and _is_named(PublicKey.from_line(line), which)]
    if len(found) != 1:
        raise NotUnderstood("Which key? /keys list shows their fingerprints: the beginning of one is enough.")
    await _keep(call, replace(account, keys=tuple(line for line in account.keys if line != found[0])))
    call.reply(Remark(f"The key {PublicKey.from_line(found[0]).fingerprint} proves nothing here any more."))


async def _keep(call: Call, account: Account) -> None:
    call.hub.put_account(account)
    await call.hub.records.save(account)


def _row(line: str) -> tuple[str, ...]:
    key = PublicKey.from_line(line)
    return (key.fingerprint, key.kind, key.comment)


def _is_named(key: PublicKey, which: str) -> bool:
    return key.fingerprint.removeprefix("SHA256:").startswith(which.removeprefix("SHA256:")) or which in (key.comment, str(key))
