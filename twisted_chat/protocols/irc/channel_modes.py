"""Rooms as IRC channels: the mode of each setting of their policy, and the prefixes of their members."""

from __future__ import annotations

from collections.abc import Iterator

from twisted_chat.core.events import Changed
from twisted_chat.core.records import Policy
from twisted_chat.core.rooms import permissions
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.users.session import Role, Session
from twisted_chat.protocols.irc.wire.modes import Change, Kinds

KINDS = Kinds(lists="beI", always="k", setting="l", flags="imnstRz", prefixes=(("o", "@"), ("v", "+")))
# Each flag's word in /room, and the value of that setting without the mode.
FLAGS = {
    "i": ("invite-only", False),
    "m": ("moderated", False),
    "n": ("outsiders", True),
    "s": ("private", False),
    "t": ("topic-locked", False),
    "R": ("registered", False),
    "z": ("encrypted", False),
}
# The mode letter of each setting of a policy, and of bans.
LETTERS = {word.replace("-", "_"): letter for letter, (word, _) in FLAGS.items()} | {
    "key": "k",
    "limit": "l",
    "bans": "b",
    "excepted": "e",
    "welcome": "I",
    "operators": "o",
    "voices": "v",
}
# The placeholder for a key: members know the key, and other clients do not need it.
HIDDEN_KEY = "*"


def mode_changes(event: Changed) -> Iterator[Change]:
    """Yield the changes as modes."""
    for sign, member, value in event.changes:
        letter = LETTERS.get(member)
        if letter is not None:
            adding = (sign == "+") is not FLAGS.get(letter, ("", False))[1]
            yield Change(adding, letter, _argument(letter, value, adding))


def _argument(letter: str, value: str, adding: bool) -> str | None:
    if letter == "b" and "!" not in value:
        return as_mask(value)
    if letter == "k":
        return HIDDEN_KEY
    return value if value and KINDS.takes_word(letter, adding) else None


def as_mask(target: str) -> str:
    """Return the target of a ban as a mask."""
    return target if "!" in target else f"{target}!*@*"


def modes(policy: Policy, *, inside: bool) -> list[Change]:
    """Return a room's modes. Only members (``inside``) get a parameter for the key: `HIDDEN_KEY`."""
    set_ones = [letter for letter, (word, without) in FLAGS.items() if getattr(policy, word.replace("-", "_")) is not without]
    found = [Change(True, letter) for letter in sorted(set_ones)]
    if policy.key:
        found.append(Change(True, "k", HIDDEN_KEY if inside else None))
    if policy.limit:
        found.append(Change(True, "l", str(policy.limit)))
    return found


def prefixes(session: Session, room: Room, *, several: bool = True) -> str:
    """Return the prefixes of a session's nick in a room: all of them, or the highest."""
    found = ("@" if permissions.standing(session, room) >= Role.MODERATOR else "") + (
        "+" if permissions.has_voice(session, room) else ""
    )
    return found if several else found[:1]
