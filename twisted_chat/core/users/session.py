"""One connected person: name, role, rooms, and reading positions in the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from secrets import token_bytes
from types import MappingProxyType

from twisted_chat.core.delivery.batch import Batch, Dialect
from twisted_chat.core.delivery.stream import Stream
from twisted_chat.core.digests import CLIENT, LONG_ENOUGH, MESSAGE_IDS, RESUME_CODE, digest, message_key
from twisted_chat.core.events import Answer, RoomEvent
from twisted_chat.core.interfaces import Outlet
from twisted_chat.core.logins.proof import Proof
from twisted_chat.core.records import Token
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text import names
from twisted_chat.core.users.settings import Settings

# The most people remembered as written to, and the most rooms remembered as inviting the person: others give way.
MOST_KNOWN, MOST_KEPT_INVITATIONS = 1000, 100
# The last words to a connection that another one of the same person has replaced.
TAKEN_OVER = "You have come back on another connection."
NONE: frozenset[str] = frozenset()
NOBODY: Mapping[str, str] = MappingProxyType({})
NOWHERE: Mapping[str, int | None] = MappingProxyType({})


class Role(IntEnum):
    """The permissions of a person in a command's room. Each role includes the ones before it."""

    VISITOR = 0  # without a name yet
    MEMBER = 1
    REGISTERED = 2  # with a registered name
    MODERATOR = 3  # an operator of the room
    OWNER = 4  # the owner of the room
    OPERATOR = 5  # an operator of the server


@dataclass(frozen=True, slots=True)
class Way:
    """The protocol and the addresses of a connection."""

    protocol: str
    address: str = ""  # an IP address; empty where there is none
    encrypted: bool = False
    reached: str = ""  # the server's address that they connected to: HOST:PORT
    user: str = ""  # the user name on their own machine, as the client states it, if the protocol asks


@dataclass(slots=True)
class Question:
    """A pending prompt: the next line is the last argument of this command. See `core.command_table.prompts`."""

    command: str
    arguments: tuple[str, ...]
    again: str  # the prompt after a refused answer
    new: bool = False  # true if the answer chooses a new secret
    refused: int = 0  # the number of refused answers


class Session:
    """A reader of the log, from the moment a connection opens.

    1. While the session is ``live``, it is sent each batch as it comes, and ``positions`` is empty.
    2. Otherwise ``positions`` holds the last number read in each of its streams. `Hub.read_on` sends the events that follow,
       except from the streams in ``held``: these wait until other lines were sent first.
    3. ``reading`` is true while a read of the disk is under way for it: only one at a time.
    4. A person with several connections has several sessions with the same key.
    5. Thousands are idle at once: attributes that are usually empty share one empty object.
    """

    __slots__ = (
        "_dialect",
        "_scope",
        "_when_settled",
        "about",
        "answered",
        "aside",
        "awaiting",
        "away",
        "code",
        "correspondent",
        "correspondent_person",
        "current",
        "dialect",
        "earlier_host",
        "gone",
        "guessable",
        "held",
        "host",
        "id",
        "ignores",
        "inbox",
        "invited",
        "key",
        "known",
        "landing",
        "lands",
        "live",
        "name",
        "operator",
        "outlet",
        "particular",
        "person",
        "positions",
        "program",
        "proof",
        "proven",
        "public_key",
        "question",
        "reading",
        "rooms",
        "said",
        "secrets",
        "settings",
        "shows_past",
        "since",
        "spoke",
        "token",
        "way",
    )

    def __init__(
        self, session_id: int, outlet: Outlet, dialect: Dialect, settings: Settings, way: Way, now: float, *, program: bool
    ) -> None:
        """``program``: the client is a program, which is sent every receipt. ``now`` is in seconds since 1970."""
        self.id = session_id
        self.outlet = outlet
        self.way = way
        self.program = program
        self.since = self.spoke = now
        self.name = ""
        self.key = ""
        self.proof: Proof | None = None  # for the account whose name they have; None for a guest
        self.operator: Proof | None = None  # for a server operator's account, given with /oper
        self.proven: Proof | None = None  # for an account whose name they may take without a password prompt
        self.public_key = ""  # the ssh key that has signed on this connection, as `core.users.public_keys` has it
        self.about = ""  # their description of themselves
        self.host = ""  # the public stand-in for their address: see `Hub.cloak`
        self.earlier_host = ""  # the host that older masks know, if it differs
        self.gone = False
        self.secrets: tuple[bytes, ...] = ()  # digests of the secrets that prove a guest who comes back
        self.guessable = False  # true if the program's secret is short
        self.code = ""  # one of these secrets, made by the server: see `resumed_by`
        self._scope = b""  # a secret: see `message_key`
        self.token: Token | None = None  # the token that a script has shown
        self.landing: Mapping[str, int | None] = NOWHERE  # rooms to enter, each with its reading position
        self.lands = True  # true if the session is put into rooms on coming in, without asking for any
        self.shows_past = True  # true if the session is shown a room's last messages on joining it
        self.question: Question | None = None
        self.answered = b""  # the hash of the last accepted answer, until the next line comes
        self.rooms: dict[str, Room] = {}
        self.inbox: Stream | None = None
        self.current: Room | None = None
        self.person = f"#{session_id}"  # their identity under any name: an account's `person`, or a guest's number
        self.correspondent = ""  # the author of the last private message: for /reply
        self.correspondent_person = ""  # and that author's `person`: another person may have the name by now
        self.ignores: frozenset[str] = NONE
        self.known: frozenset[str] = NONE  # the people they have written to privately: each a `person`
        self.invited: Mapping[str, str] = NOBODY  # the rooms this connection may enter, each with its inviter
        self.away: str | None = None
        self.live = False
        self.reading = False
        self.positions: dict[str, int] = {}
        self.held: frozenset[str] = NONE
        self.awaiting = False  # true while a message of theirs is on its way to disk: see `core.delivery.receipts`
        self.said = 0  # the number of their last message
        self._when_settled: tuple[Callable[[], None], ...] = ()
        self._dialect = dialect
        self.set(settings)

    def speak(self, dialect: Dialect) -> None:
        """Switch to another dialect."""
        self._dialect = dialect
        self.set(self.settings)

    def set(self, settings: Settings) -> None:
        """Apply these settings."""
        self.settings = settings
        self.dialect = self._dialect.styled(settings, self.name)  # for the current room, and for answers
        self.aside = self.dialect.aside()  # for the other rooms: it names the room on each line
        self.particular = bool(self.ignores) or self.dialect.alerts

    def change_dialect(self, dialect: Dialect) -> None:
        """Switch to another dialect with the same settings, if it differs."""
        if dialect != self._dialect:
            self._dialect = dialect
            self.set(self.settings)

    def ignore(self, keys: frozenset[str]) -> None:
        """Hide the messages of these people."""
        self.ignores = keys
        self.set(self.settings)

    @property
    def registered(self) -> bool:
        """True if they use the name of an account that they have proven."""
        return self.proof is not None

    @property
    def streams(self) -> list[Stream]:
        """The streams that this person reads."""
        return [*self.rooms.values(), self.inbox] if self.inbox else []

    def rename(self, name: str) -> None:
        """Take a name that `core.text.names` allows."""
        self.name = name
        self.key = names.fold(name)
        self.set(self.settings)

    def vouched_in(self, room: Room) -> bool:
        """Return whether a token lets this connection speak and read in a room."""
        return self.token is not None and self.token.room == room.key

    def position(self, stream: Stream) -> int:
        """Return the number of the last event read in a stream."""
        return stream.delivered if self.live else self.positions.get(stream.key, stream.delivered)

    def rendered(self, batch: Batch, stream: Stream, after: int) -> bytes:
        """Return a batch's bytes for this person, from ``after`` on, without ignored people and their own lines."""
        dialect = self.dialect_in(stream)
        if dialect.alerts and not batch.concerns(self.key):
            dialect = dialect.unalarmed()
        return batch.for_one(dialect, self.id, after, self.ignores)

    def tell(self, *answers: Answer | RoomEvent) -> None:
        """Send answers to this person alone, at once."""
        self.outlet.tell(answers)

    def inform(self, *answers: Answer | RoomEvent) -> None:
        """Send this person something unasked. It is dropped if the connection is full."""
        if not self.outlet.full:
            self.outlet.tell(answers)

    def mask(self, key: str = "") -> str:
        """Return this person as a folded ``name!user@host``; ``key`` may be a name that they do not have yet."""
        return f"{key or self.key}!{self.way.user.casefold()}@{self.host}"

    def masks(self, key: str = "") -> tuple[str, ...]:
        """Return the texts to compare with masks: `mask`, and the same with the host that older masks know."""
        mask = self.mask(key)
        return (mask, f"{mask.rpartition('@')[0]}@{self.earlier_host}") if self.earlier_host else (mask,)

    def dialect_in(self, stream: Stream) -> Dialect:
        """Return the dialect in which this person is shown a stream."""
        return self.dialect if stream is self.current or stream is self.inbox else self.aside

    def pause(self) -> None:
        """Stop taking batches as they come; note the position in each stream."""
        if self.live:
            self.live = False
            self.positions = {stream.key: stream.delivered for stream in self.streams}

    def hold(self, stream: Stream, position: int) -> None:
        """Read a stream from ``position`` on, once it is released."""
        self.pause()
        self.positions[stream.key] = position
        self.held |= {stream.key}

    def release(self, key: str) -> None:
        """Release a held stream: the lines before it were sent."""
        self.held = self.held - {key} or NONE

    def known_by(self, secret: str, purpose: bytes = CLIENT) -> None:
        """Set the program's chosen secret, or its token; empty means none. It keeps the program's message ids apart."""
        known = digest(secret.encode("utf-8", "surrogatepass"), purpose) if secret else b""
        self.secrets = (known,) if known else ()
        self.guessable = len(secret) < LONG_ENOUGH
        self._scope = digest(secret.encode("utf-8", "surrogatepass") + purpose, MESSAGE_IDS) if secret else b""

    def resumed_by(self, code: str) -> None:
        """Add a resume code to the secrets, in place of the earlier code. A program's chosen secret never passes for one."""
        earlier = digest(self.code.encode("utf-8", "surrogatepass"), RESUME_CODE)
        known = digest(code.encode("utf-8", "surrogatepass"), RESUME_CODE)
        self.code = code
        self.secrets = (*(one for one in self.secrets if one != earlier), known)

    @property
    def scope(self) -> bytes:
        """The secret that keeps a program's message ids apart; without a secret of its own, empty before its first id."""
        return self._scope

    def message_key(self, message_id: str | None, kind: str, room: str, text: str, author: str = "") -> bytes | None:
        """Return the log's key of a message; None without an id: see `core.digests`. ``author`` is an earlier name.

        A session without a secret is given a random one, so that its ids differ from all others'.
        """
        if message_id is None:
            return None
        if not self._scope:
            self._scope = token_bytes(16)
        return message_key(self._scope, message_id, kind, room, author or self.name, text)

    def when_settled(self, call: Callable[[], None]) -> None:
        """Call once every message of this person is on disk or has failed; at once if none is on its way."""
        if self.awaiting:
            self._when_settled += (call,)
        else:
            call()

    def settled(self) -> None:
        """Make the waiting calls: no message of this person is on its way any more."""
        self.awaiting = False
        calls, self._when_settled = self._when_settled, ()
        for call in calls:
            call()
