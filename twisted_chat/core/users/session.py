"""One connected person: name, role, rooms, and the positions in the log up to which they have read."""

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

# How many people are remembered as written to, and how many rooms as those that one is invited to: others give way.
MOST_KNOWN, MOST_KEPT_INVITATIONS = 1000, 100
# The last words to a connection whose place another of the same person has taken.
TAKEN_OVER = "You have come back on another connection."
NONE: frozenset[str] = frozenset()
NOBODY: Mapping[str, str] = MappingProxyType({})
NOWHERE: Mapping[str, int | None] = MappingProxyType({})


class Role(IntEnum):
    """What a person may do, in the room a command is about. Each role may do what the ones before it may."""

    VISITOR = 0  # has given no name yet
    MEMBER = 1
    REGISTERED = 2  # the name is theirs
    MODERATOR = 3  # an operator of the room
    OWNER = 4  # of the room
    OPERATOR = 5  # of the whole server


@dataclass(frozen=True, slots=True)
class Way:
    """How a person has come in."""

    protocol: str
    address: str = ""  # an IP address; empty where there is none
    encrypted: bool = False
    reached: str = ""  # the address of ours they connected to: HOST:PORT
    user: str = ""  # what they say they are called where they come from, if the protocol asks


@dataclass(slots=True)
class Question:
    """What a person was asked: the next line is the last argument of this command. See `core.command_table.prompts`."""

    command: str
    arguments: tuple[str, ...]
    again: str  # asks for it once more
    new: bool = False  # a secret is to be chosen
    refused: int = 0  # how many answers were


class Session:
    """A reader of the log, from the moment a connection opens.

    1. While ``live`` it is handed each batch as it comes, and ``positions`` is empty.
    2. Otherwise ``positions`` holds, for each of its streams, the number up to which it has read; `Hub.read_on` hands
       it what follows, except from the streams in ``held``: there something has to be said first.
    3. ``reading`` is true while a read of the disk is under way for it: only one at a time.
    4. Somebody with several connections has several sessions, of the same key.
    5. Thousands are idle at once: what is usually empty is one empty thing that all of them share.
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
        """A ``program`` is sent every receipt, whatever its settings. ``now`` is in seconds since 1970."""
        self.id = session_id
        self.outlet = outlet
        self.way = way
        self.program = program
        self.since = self.spoke = now
        self.name = ""
        self.key = ""
        self.proof: Proof | None = None  # of the account whose name they have; None for a guest
        self.operator: Proof | None = None  # of an account that is an operator of the server, shown by /oper
        self.proven: Proof | None = None  # of an account whose name they may take without being asked for the password
        self.public_key = ""  # of ssh, as `core.users.public_keys` has it, that has signed on this connection
        self.about = ""  # who they are, in their own words
        self.host = ""  # stands for their address: see `Hub.cloak`
        self.earlier_host = ""  # what stood for it when older masks were made, if that was another
        self.gone = False
        self.secrets: tuple[bytes, ...] = ()  # digests of what this person is known by when they come back as a guest
        self.guessable = False  # the secret that a program has chosen is a short one
        self.code = ""  # one of these secrets, made here: see `resumed_by`
        self._scope = b""  # secret: see `message_key`
        self.token: Token | None = None  # what a script has shown
        self.landing: Mapping[str, int | None] = NOWHERE  # rooms to enter, and where to read on
        self.lands = True  # is put into rooms on coming in, without having asked for any
        self.shows_past = True  # is shown the end of a room's past on coming there
        self.question: Question | None = None
        self.answered = b""  # the last answer that was accepted, hashed, until the next line has come
        self.rooms: dict[str, Room] = {}
        self.inbox: Stream | None = None
        self.current: Room | None = None
        self.person = f"#{session_id}"  # who this is, whatever their name: an account's `person`, or a guest's number
        self.correspondent = ""  # who wrote privately last: for /reply
        self.correspondent_person = ""  # and who that was: the name may be somebody else's by now
        self.ignores: frozenset[str] = NONE
        self.known: frozenset[str] = NONE  # to whom this person has written privately: each a `person`
        self.invited: Mapping[str, str] = NOBODY  # rooms this connection may enter, and who has invited it
        self.away: str | None = None
        self.live = False
        self.reading = False
        self.positions: dict[str, int] = {}
        self.held: frozenset[str] = NONE
        self.awaiting = False  # whether a message of theirs is on its way to disk: see `core.delivery.receipts`
        self.said = 0  # the number of the last one
        self._when_settled: tuple[Callable[[], None], ...] = ()
        self._dialect = dialect
        self.set(settings)

    def speak(self, dialect: Dialect) -> None:
        """Be shown things in another dialect from now on."""
        self._dialect = dialect
        self.set(self.settings)

    def set(self, settings: Settings) -> None:
        """Be shown things according to these settings from now on."""
        self.settings = settings
        self.dialect = self._dialect.styled(settings, self.name)  # for the room plain text goes to, and for answers
        self.aside = self.dialect.aside()  # for the other rooms: it names the room on each line
        self.particular = bool(self.ignores) or self.dialect.alerts

    def change_dialect(self, dialect: Dialect) -> None:
        """Be shown things in another dialect from now on, according to the same settings."""
        if dialect != self._dialect:
            self._dialect = dialect
            self.set(self.settings)

    def ignore(self, keys: frozenset[str]) -> None:
        """Be shown nothing that these people say."""
        self.ignores = keys
        self.set(self.settings)

    @property
    def registered(self) -> bool:
        """Whether the name is that of an account of theirs."""
        return self.proof is not None

    @property
    def streams(self) -> list[Stream]:
        """All that this person reads."""
        return [*self.rooms.values(), self.inbox] if self.inbox else []

    def rename(self, name: str) -> None:
        """Take a name that `core.text.names` allows."""
        self.name = name
        self.key = names.fold(name)
        self.set(self.settings)

    def vouched_in(self, room: Room) -> bool:
        """Whether a token lets this connection speak and read in a room."""
        return self.token is not None and self.token.room == room.key

    def position(self, stream: Stream) -> int:
        """How far this person has read."""
        return stream.delivered if self.live else self.positions.get(stream.key, stream.delivered)

    def rendered(self, batch: Batch, stream: Stream, after: int) -> bytes:
        """The bytes of a batch for this person alone, from ``after`` on: without whom they ignore, and what they typed."""
        dialect = self.dialect_in(stream)
        if dialect.alerts and not batch.concerns(self.key):
            dialect = dialect.unalarmed()
        return batch.for_one(dialect, self.id, after, self.ignores)

    def tell(self, *answers: Answer | RoomEvent) -> None:
        """Say something to this person alone, at once."""
        self.outlet.tell(answers)

    def inform(self, *answers: Answer | RoomEvent) -> None:
        """Say something that this person has not asked for. A connection that is full is not sent it."""
        if not self.outlet.full:
            self.outlet.tell(answers)

    def mask(self, key: str = "") -> str:
        """This person as a folded ``name!user@host``, under a key that may not be theirs yet."""
        return f"{key or self.key}!{self.way.user.casefold()}@{self.host}"

    def masks(self, key: str = "") -> tuple[str, ...]:
        """Return what masks are compared with: `mask`, and the same with the host that older masks know."""
        mask = self.mask(key)
        return (mask, f"{mask.rpartition('@')[0]}@{self.earlier_host}") if self.earlier_host else (mask,)

    def dialect_in(self, stream: Stream) -> Dialect:
        """How this person is shown what happens in a room."""
        return self.dialect if stream is self.current or stream is self.inbox else self.aside

    def pause(self) -> None:
        """Take no more batches as they come: remember how far each stream has been read."""
        if self.live:
            self.live = False
            self.positions = {stream.key: stream.delivered for stream in self.streams}

    def hold(self, stream: Stream, position: int) -> None:
        """Read a stream from ``position`` on, once it is released."""
        self.pause()
        self.positions[stream.key] = position
        self.held |= {stream.key}

    def release(self, key: str) -> None:
        """What had to be said in a stream first has been said."""
        self.held = self.held - {key} or NONE

    def known_by(self, secret: str, purpose: bytes = CLIENT) -> None:
        """Take the secret that a program has chosen, or its token; an empty one is none. Its message ids are its own by it."""
        known = digest(secret.encode("utf-8", "surrogatepass"), purpose) if secret else b""
        self.secrets = (known,) if known else ()
        self.guessable = len(secret) < LONG_ENOUGH
        self._scope = digest(secret.encode("utf-8", "surrogatepass") + purpose, MESSAGE_IDS) if secret else b""

    def resumed_by(self, code: str) -> None:
        """Take a code as one more secret, in the place of an earlier one. None that a program chooses equals one."""
        earlier = digest(self.code.encode("utf-8", "surrogatepass"), RESUME_CODE)
        known = digest(code.encode("utf-8", "surrogatepass"), RESUME_CODE)
        self.code = code
        self.secrets = (*(one for one in self.secrets if one != earlier), known)

    @property
    def scope(self) -> bytes:
        """What a program's message ids are its own by; empty before its first, if it has given no secret."""
        return self._scope

    def message_key(self, message_id: str | None, kind: str, room: str, text: str, author: str = "") -> bytes | None:
        """Return what the log knows a message by, None without an id: see `core.digests`. ``author`` is an earlier name.

        Whoever has given no secret has one made here: nobody else's ids are the same.
        """
        if message_id is None:
            return None
        if not self._scope:
            self._scope = token_bytes(16)
        return message_key(self._scope, message_id, kind, room, author or self.name, text)

    def when_settled(self, call: Callable[[], None]) -> None:
        """Call once every message of this person is on disk, or known not to be; at once if that is so now."""
        if self.awaiting:
            self._when_settled += (call,)
        else:
            call()

    def settled(self) -> None:
        """No message of this person is on its way any more."""
        self.awaiting = False
        calls, self._when_settled = self._when_settled, ()
        for call in calls:
            call()
