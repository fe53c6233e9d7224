"""What is kept besides messages: frozen nouns, one class a table. The hub holds them all in memory; a store keeps them.

Names in records are folded keys (`names.fold`) unless they are there to be shown. Times are in seconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

# Of an account: whether it was claimed with a code, or is older than such codes are.
UNCLAIMED, CLAIMED, OLDER = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A registered name."""

    key: str
    name: str  # as it is shown
    password: str  # hashed, with the hash's name and costs: see storage/passwords/portal.py
    created: float
    settings: Mapping[str, str] = field(default_factory=dict)
    ignores: tuple[str, ...] = ()
    known: tuple[str, ...] = ()  # to whom this person has written privately: see `Account.person`
    rooms: tuple[str, ...] = ()  # where they are, or were when they left
    read: Mapping[str, int] = field(default_factory=dict)  # how far they have read: a number for each room, and their inbox
    keys: tuple[str, ...] = ()  # of ssh, each as a line: see core/users/public_keys.py
    sources: tuple[str, ...] = ()  # digests of where it has come from, the latest last: see core/logins/known_sources.py
    id: str = ""  # random: no later account of this name has it; empty for those made before schema 8
    generation: int = 0  # how often the password was changed
    claimed: int = UNCLAIMED  # whether its owner has shown the claim code of an operator: see core/logins/claims.py

    @property
    def person(self) -> str:
        """What stands for its owner: the next owner of the name is another. No name has a space in it."""
        return f"{self.key} {self.id}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Who may come into a room, and do what there."""

    private: bool = False  # nothing about it is told to those outside
    key: str = ""  # has to be given to come in
    invite_only: bool = False
    registered: bool = False  # only for registered names
    encrypted: bool = False  # only for connections that nobody can read on the way
    slow: float = 0.0  # seconds between two messages of one person
    operators: tuple[str, ...] = ()
    invited: tuple[str, ...] = ()
    invited_by: Mapping[str, str] = field(default_factory=dict)  # who has invited each of them, if that is known
    voices: tuple[str, ...] = ()  # registered names that may speak while the room is moderated
    moderated: bool = False  # only operators and those with a voice may speak
    outsiders: bool = False  # who is not in the room may speak there too
    topic_locked: bool = False  # only operators say what it is about
    limit: int = 0  # so many people at the most; 0 is no limit
    excepted: tuple[str, ...] = ()  # masks of whom bans don't hit
    welcome: tuple[str, ...] = ()  # masks of who needs no invitation

    @property
    def closed(self) -> bool:
        """Return True if not everybody may come in, or know what is said."""
        return bool(self.private or self.key or self.invite_only or self.registered or self.encrypted)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRecord:
    """A room that is there also when nobody is in it: one with an owner, the lobby, and one that was ever closed until it ends.

    Of a closed room that has ended a record is left that says where a later room of its name begins: it is neither
    ``closed`` nor has it an ``owner``.
    """

    key: str
    owner: str = ""  # `SERVER`: the operators of the server, as the owner has given their name up
    topic: str = ""
    created: float = 0.0
    policy: Policy = field(default_factory=Policy)
    closed: bool = False  # its policy is closed, or was at any time since the room was made
    begins: int = 0  # what has this sequence number, or a lower one, was said in an earlier room of this name
    shut_out: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)  # see core/rooms/shut_out.py
    guests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # operators without an account: their secrets' digests


# The owner of a room that belongs to the operators of the server. It can be nobody's name.
SERVER = "*"


# The rank of a restriction that was made before schema 8: it binds all operators of its room, and each of them may end it.
UNRANKED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sanction:
    """Somebody may not come in (``ban``) or not speak (``mute``)."""

    id: int
    kind: str
    room: str  # empty: anywhere
    target: str  # a folded name, an address, a network as 192.0.2.0/24, or a folded mask as ann!*@*
    by: str
    at: float
    until: float | None
    reason: str
    rank: int = UNRANKED  # of who made it, in that room: see `Role`. It binds no operator of the room of that rank or above


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A code that lets one guest into a room, once."""

    code: str  # hashed: who reads the file can't use it
    room: str
    by: str
    until: float
    source: str = ""  # whose it counts as: an account, or what stands for a guest's address; empty if made before


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a script shows to speak and read in one room, as a bot."""

    digest: str  # who reads the file can't use it
    name: str  # the bot's, as it is shown
    room: str
    by: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something about the whole server: ``motd``, ``lockdown``."""

    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What an operator did, for ``/audit``. Never changed; the earliest make room."""

    id: int
    at: float
    who: str
    room: str  # empty: the whole server
    what: str
    of_server: bool = True  # done by an operator of the server, or to the whole server; else by an operator of a room


Record: TypeAlias = Account | RoomRecord | Sanction | Invitation | Token | Fact | Deed
