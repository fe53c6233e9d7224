"""What the core needs others to be."""

from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from twisted_chat.core.delivery.batch import Batch
from twisted_chat.core.events import Answer, KeptEvent, RoomEvent
from twisted_chat.core.records import Account, Deed, Record


class Outlet(Protocol):
    """Where a session's bytes go. A protocol implements it; the session does not know what is behind it."""

    full: bool
    """True while the connection has more waiting than it should. Then nothing of the log is written to it."""

    def write(self, data: bytes) -> None:
        """Hand over bytes. Never raises and never blocks; after `close` it does nothing."""

    def tell(self, answers: Sequence[Answer | RoomEvent]) -> None:
        """Say something to the person alone, in the session's dialect. Never raises and never blocks."""

    def close(self, last_words: str = "") -> None:
        """Say why, let what was written go out, then end the connection. May be called twice."""


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of the log, oldest first. All of the room up to ``position`` (a sequence number) has been read with it."""

    events: Sequence[RoomEvent]
    position: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What the log knows of a message it was given before under the same key."""

    seq: int
    batch: Batch | None  # None once only the disk knows it


class Reader(Protocol):
    """Who is told of the log's progress: the hub. All calls come on the reactor thread, never from within `append`."""

    def deliver(self, batches: Sequence[Batch]) -> None:
        """These were added in the turn that ends now. Show them."""

    def kept(self, batches: Sequence[Batch], duplicates: dict[int, int]) -> None:
        """These are on disk, in the order of their numbers; earlier ones were reported earlier.

        ``duplicates`` maps the numbers of messages whose key the disk held already to the number it is held under.
        """

    def not_kept(self, batches: Sequence[Batch]) -> None:
        """These were shown but will not be in the history."""

    def history_stopped(self, why: str) -> None:
        """Nothing is kept from here on. Said once, until `history_back`."""

    def history_back(self) -> None:
        """Messages are kept again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is searched for: messages with all of these words, in one of these rooms, or in one of these parts of rooms."""

    words: tuple[str, ...]
    rooms: tuple[str, ...]
    parts: tuple[tuple[str, int, int], ...] = ()  # or in a part of one: its first and its last number
    author: str = ""
    since: float = 0.0  # seconds since 1970
    before: int | None = None  # a sequence number
    limit: int = 20


class MessageLog(Protocol):
    """The order of everything that happens, and the memory of everything that was said.

    1. `append` fixes an event's place at once. `Reader.deliver` follows at the end of the turn, in batches.
    2. Each batch's messages are kept side by side with that; then `Reader.kept` or `Reader.not_kept`, in order.
    3. No number is ever used twice, not even after a crash.
    """

    @property
    def id(self) -> str:
        """Names this log. Numbers of a log with another id mean nothing here."""

    @property
    def newest(self) -> int:
        """The number of the last event; 0 before the first."""

    @property
    def pruned(self) -> int:
        """All messages up to this number have been taken out, as they were too old or too many; 0 if none were."""

    @property
    def congested(self) -> bool:
        """Whether more is said than can be kept: then no more should be taken from those who talk, for a moment."""

    @property
    def settled(self) -> int:
        """All messages up to this number are kept, or will never be."""

    def attach(self, reader: Reader) -> None:
        """Name the reader, before the first `append`."""

    def number(self) -> int:
        """The number for the next event. It has to be appended before another is asked for.

        Raises `NotKept` when the reserved numbers are used up because the disk failed for very long.
        """

    def append(self, event: RoomEvent, text_size: int = 0, key: bytes | None = None) -> None:
        """Add an event that carries `number()`. ``key`` is the message's own id: the disk keeps one message a key."""

    def fresh(self, after: int) -> Sequence[RoomEvent]:
        """The events that were added after this number and are not delivered yet, in their order."""

    def when_delivered(self, call: Callable[[], None]) -> None:
        """Call once everything that was added is delivered; at once if that is so now."""

    def sent(self, key: bytes) -> Sent | None:
        """The message of this key, if memory still knows it."""

    async def find(self, key: bytes) -> Sent | None:
        """The message of this key, from memory or disk. Raises `NotKept` when the disk can't tell."""

    @property
    def remembered(self) -> int:
        """Memory has everything after this number, in every room."""

    def tail(self, room: str, after: int) -> Sequence[Batch]:
        """The delivered batches of a room with events after this number, which is not below `remembered`."""

    async def read_after(self, room: str, after: int, limit: int) -> Page:
        """What was said in a room after a number, oldest first, at most ``limit`` messages; one page of many.

        Its position is never below ``after``, and above it unless nothing follows. Raises `NotKept`.
        """

    async def read_before(self, room: str, before: int, limit: int) -> list[KeptEvent]:
        """The last ``limit`` messages of a room with numbers below ``before``, oldest first. Raises `NotKept`."""

    async def read_since(self, room: str, time: float, limit: int) -> list[KeptEvent]:
        """The first ``limit`` messages of a room that were said at a time or later, oldest first. Raises `NotKept`."""

    async def count_after(self, room: str, after: int, limit: int) -> int:
        """How many messages of a room have numbers above ``after``; at most ``limit``. Raises `NotKept`."""

    async def search(self, query: "Query") -> list[KeptEvent]:
        """The newest messages that fit, oldest first. Raises `NotKept`, also when it takes too long."""

    async def erase(self, seq: int, rooms: Collection[str]) -> KeptEvent | None:
        """Take the text of a message in one of these rooms out of memory and disk. None if there is none. Raises `NotKept`."""

    def close(self) -> object:
        """Keep what waits, then stop. Returns an awaitable; nothing may be appended afterwards."""


# How many deeds are kept: of the server, and of operators of rooms in one room and by one person.
MOST_DEEDS, MOST_DEEDS_IN_ROOM, MOST_DEEDS_BY_ONE = 100_000, 200, 400


class Records(Protocol):
    """Where what is kept besides messages is written. The hub has it all in memory, but for deeds."""

    def load(self) -> Iterable[Record]:
        """All there is, and the last deed. Called once, before anything else; blocks."""

    async def save(self, *records: Record) -> None:
        """Keep records, new or changed, in one transaction. Raises `NotKept`."""

    async def remove(self, *records: Record) -> None:
        """Take records away. Raises `NotKept`."""

    async def deeds(self, limit: int, place: str | None = None) -> list[Deed]:
        """Return the last deeds, oldest first: all, those of the server (an empty place), or those in a room. Raises `NotKept`.

        Of the server `MOST_DEEDS` are kept. Of those of a room's operators, `MOST_DEEDS_IN_ROOM` are kept in one room,
        and `MOST_DEEDS_BY_ONE` by one person: they never take the place of the server's.
        """


class Promise(Protocol):
    """Something to await that happens once."""

    def fire(self) -> None:
        """It has happened. May be called twice."""

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait until it has."""


class Waits(Protocol):
    """How the core waits."""

    def later(self, seconds: float, call: Callable[[], None]) -> object:
        """Call in so many seconds."""

    def promise(self) -> Promise:
        """Return a new one."""


class ClaimDesk(Protocol):
    """Where whoever runs the server gets the codes that operators take their names with: see `core.logins.claims`."""

    def hand_out(self, name: str, code: str, account: Account | None) -> None:
        """A name has a new code. ``account`` is registered under that name, and was not claimed."""

    def take_back(self, name: str) -> None:
        """The code of a name is used up."""


class Accounts(Protocol):
    """Who can prove to be whom. Passwords are hashed here, off the reactor thread, and nowhere else."""

    def hash(self, password: str, source: str) -> Awaitable[str]:
        """A password as it is kept. Raises `BadPassword`, or `Busy` when too many of this source wait."""

    def check(self, key: str, password: str, source: str) -> Awaitable[bool]:
        """Whether this is the password of the account of that key; as slow if there is none. Raises `Busy`.

        Sources take turns (see `core.logins.sources`): many from one don't keep another waiting.
        """

    def code(self) -> str:
        """A new code that nobody can guess, to be typed by people: ``K7QX-2M9P-…``."""

    def digest(self, code: str) -> str:
        """A code as it is kept: who reads that can't tell the code."""
