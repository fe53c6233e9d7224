"""Everything that is kept besides messages: frozen dataclasses, one per table. The hub has all in memory; a store keeps them.

Names in records are folded keys (`names.fold`) unless they are there to be shown. Times are in seconds since 1970, UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

# The states of an account's claim: not claimed, claimed with a code, or older than claim codes.
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
    known: tuple[str, ...] = ()  # the people they have written to privately: see `Account.person`
    rooms: tuple[str, ...] = ()  # the rooms they are in, or were in when they left
    read: Mapping[str, int] = field(default_factory=dict)  # the last number read in each room and in their inbox
    keys: tuple[str, ...] = ()  # ssh keys, each as a line: see core/users/public_keys.py
    sources: tuple[str, ...] = ()  # digests of its known sources, the latest last: see core/logins/known_sources.py
    id: str = ""  # random, so that a later account of this name differs; empty for accounts made before schema 8
    generation: int = 0  # the number of password changes
    claimed: int = UNCLAIMED  # whether its owner has shown the claim code of an operator: see core/logins/claims.py

    @property
    def person(self) -> str:
        """The identity of its owner, which differs for a later owner of the name. Names contain no spaces."""
        return f"{self.key} {self.id}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The rules of a room: entry, and permissions inside."""

    private: bool = False  # hidden from people outside
    key: str = ""  # must be given to come in
    invite_only: bool = False
    registered: bool = False  # only for registered names
    encrypted: bool = False  # only for encrypted connections
    slow: float = 0.0  # seconds between two messages of one person
    operators: tuple[str, ...] = ()
    invited: tuple[str, ...] = ()
    invited_by: Mapping[str, str] = field(default_factory=dict)  # the inviter of each of them, if known
    voices: tuple[str, ...] = ()  # registered names that may speak while the room is moderated
    moderated: bool = False  # only operators and those with a voice may speak
    outsiders: bool = False  # people who are not in the room may speak there too
    topic_locked: bool = False  # only operators may set the topic
    limit: int = 0  # the most people allowed in; 0 is no limit
    excepted: tuple[str, ...] = ()  # masks of people exempt from bans
    welcome: tuple[str, ...] = ()  # masks of people who need no invitation

    @property
    def closed(self) -> bool:
        """True if the room is hidden or its entry is restricted."""
        return bool(self.private or self.key or self.invite_only or self.registered or self.encrypted)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRecord:
    """A room that exists while empty: the lobby, a room with an owner, or a room that was ever closed, until it ends.

    After a closed room has ended, a record without ``closed`` and ``owner`` remains. It says where a later room of that
    name begins.
    """

    key: str
    owner: str = ""  # `SERVER`: the operators of the server, after the owner gave their name up
    topic: str = ""
    created: float = 0.0
    policy: Policy = field(default_factory=Policy)
    closed: bool = False  # its policy is closed, or was at any time since the room was made
    begins: int = 0  # messages up to this sequence number belong to an earlier room of this name
    shut_out: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)  # see core/rooms/shut_out.py
    guests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # operators without an account: their secrets' digests


# The owner of a room that belongs to the operators of the server. No person can have this name.
SERVER = "*"


# The rank of a restriction made before schema 8: it binds all operators of its room, and each of them may lift it.
UNRANKED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sanction:
    """A restriction: the target may not come in (``ban``) or may not speak (``mute``)."""

    id: int
    kind: str
    room: str  # empty: anywhere
    target: str  # a folded name, an address, a network such as 192.0.2.0/24, or a folded mask such as ann!*@*
    by: str
    at: float
    until: float | None
    reason: str
    rank: int = UNRANKED  # its maker's `Role` in that room. Operators of the room of that rank or above are exempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A code that lets one guest into a room, once."""

    code: str  # hashed, so that a reader of the file cannot use it
    room: str
    by: str
    until: float
    source: str = ""  # the account, or stand-in for a guest's address, that it counts as; empty if made earlier


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that lets a script speak and read in one room, as a bot."""

    digest: str  # a reader of the file cannot use it
    name: str  # the bot's name, as it is shown
    room: str
    by: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A value of the whole server, such as ``motd`` or ``lockdown``."""

    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """An operator's action, for ``/audit``. Never changed; the earliest are dropped first."""

    id: int
    at: float
    who: str
    room: str  # empty: the whole server
    what: str
    of_server: bool = True  # done by an operator of the server, or to the whole server; else by an operator of a room


Record: TypeAlias = Account | RoomRecord | Sanction | Invitation | Token | Fact | Deed
