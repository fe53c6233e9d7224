"""The interfaces that the core needs others to implement."""

from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from twisted_chat.core.delivery.batch import Batch
from twisted_chat.core.events import Answer, KeptEvent, RoomEvent
from twisted_chat.core.records import Account, Deed, Record


class Outlet(Protocol):
    """The output side of a connection. Each protocol implements it; the session does not know which."""

    full: bool
    """True while the connection has more waiting than it should. Then nothing of the log is written to it."""

    def write(self, data: bytes) -> None:
        """Send bytes. Never raises and never blocks; after `close` it does nothing."""

    def tell(self, answers: Sequence[Answer | RoomEvent]) -> None:
        """Send answers to this person alone, in the session's dialect. Never raises and never blocks."""

    def close(self, last_words: str = "") -> None:
        """Send the last words, flush, then end the connection. May be called twice."""


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of the log, oldest first. With it, the room has been read up to the sequence number ``position``."""

    events: Sequence[RoomEvent]
    position: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that the log was given before under the same key."""

    seq: int
    batch: Batch | None  # None once only the disk knows it


class Reader(Protocol):
    """The receiver of the log's progress: the hub. All calls come on the reactor thread, never from within `append`."""

    def deliver(self, batches: Sequence[Batch]) -> None:
        """Show the batches that were added in the turn that ends now."""

    def kept(self, batches: Sequence[Batch], duplicates: dict[int, int]) -> None:
        """Note that these batches are on disk. They come in the order of their numbers.

        ``duplicates`` is for messages whose key the disk held already: it maps their numbers to the number of the kept one.
        """

    def not_kept(self, batches: Sequence[Batch]) -> None:
        """Note that these batches were shown but will not be in the history."""

    def history_stopped(self, why: str) -> None:
        """Note that messages are no longer kept. Called once, until `history_back`."""

    def history_back(self) -> None:
        """Note that messages are kept again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search for messages with all of these words, in one of these rooms or parts of rooms."""

    words: tuple[str, ...]
    rooms: tuple[str, ...]
    parts: tuple[tuple[str, int, int], ...] = ()  # parts of rooms: room, first and last number
    author: str = ""
    since: float = 0.0  # seconds since 1970
    before: int | None = None  # a sequence number
    limit: int = 20


class MessageLog(Protocol):
    """The order of all events, and the store of all messages.

    1. `append` fixes an event's place at once. `Reader.deliver` follows at the end of the turn, in batches.
    2. Meanwhile each batch's messages are written to disk. `Reader.kept` or `Reader.not_kept` follows, in order.
    3. A number is never used twice, even after a crash.
    """

    @property
    def id(self) -> str:
        """The name of this log. The numbers of a log with another id mean nothing here."""

    @property
    def newest(self) -> int:
        """The number of the last event; 0 before the first."""

    @property
    def pruned(self) -> int:
        """The number up to which all messages were removed, because they were too old or too many; 0 if none were."""

    @property
    def congested(self) -> bool:
        """True if messages come faster than they can be kept: then the senders should be paused for a moment."""

    @property
    def settled(self) -> int:
        """The number up to which each message is on disk, or will never be."""

    def attach(self, reader: Reader) -> None:
        """Set the reader, before the first `append`."""

    def number(self) -> int:
        """Return the number for the next event, which must be appended before the next call.

        Raises `NotKept` when the reserved numbers are used up because the disk failed for very long.
        """

    def append(self, event: RoomEvent, text_size: int = 0, key: bytes | None = None) -> None:
        """Add an event that carries `number()`. ``key`` is the message's own id: the disk keeps one message per key."""

    def fresh(self, after: int) -> Sequence[RoomEvent]:
        """Return the events after this number that are not delivered yet, in order."""

    def when_delivered(self, call: Callable[[], None]) -> None:
        """Call once all added events are delivered; at once if they are."""

    def sent(self, key: bytes) -> Sent | None:
        """Return the message of this key, if it is in memory."""

    async def find(self, key: bytes) -> Sent | None:
        """Return the message of this key, from memory or disk. Raises `NotKept` if the disk cannot tell."""

    @property
    def remembered(self) -> int:
        """The number after which memory has every event of every room."""

    def tail(self, room: str, after: int) -> Sequence[Batch]:
        """Return a room's delivered batches with events after this number, which must not be below `remembered`."""

    async def read_after(self, room: str, after: int, limit: int) -> Page:
        """Return one page of a room's messages after a number, oldest first, at most ``limit``.

        The page's position is at least ``after``, and above it if anything follows. Raises `NotKept`.
        """

    async def read_before(self, room: str, before: int, limit: int) -> list[KeptEvent]:
        """Return a room's last ``limit`` messages with numbers below ``before``, oldest first. Raises `NotKept`."""

    async def read_since(self, room: str, time: float, limit: int) -> list[KeptEvent]:
        """Return a room's first ``limit`` messages sent at a time or later, oldest first. Raises `NotKept`."""

    async def count_after(self, room: str, after: int, limit: int) -> int:
        """Return the number of a room's messages with numbers above ``after``; at most ``limit``. Raises `NotKept`."""

    async def search(self, query: "Query") -> list[KeptEvent]:
        """Return the newest messages that match, oldest first. Raises `NotKept`, also when the search takes too long."""

    async def erase(self, seq: int, rooms: Collection[str]) -> KeptEvent | None:
        """Erase a message's text from memory and disk, if it is in one of these rooms; return the message, or None if there
        is none. Raises `NotKept`."""

    def close(self) -> object:
        """Write what is pending, then stop. Return an awaitable; no `append` may follow."""


# The most deeds kept: of the server; of room operators in one room; of room operators by one person.
MOST_DEEDS, MOST_DEEDS_IN_ROOM, MOST_DEEDS_BY_ONE = 100_000, 200, 400


class Records(Protocol):
    """The store of records. The hub has all of them in memory except deeds."""

    def load(self) -> Iterable[Record]:
        """Return all records, and the last deed. Called once, before any other method; blocks."""

    async def save(self, *records: Record) -> None:
        """Save records, new or changed, in one transaction. Raises `NotKept`."""

    async def remove(self, *records: Record) -> None:
        """Delete records. Raises `NotKept`."""

    async def deeds(self, limit: int, place: str | None = None) -> list[Deed]:
        """Return the last deeds, oldest first: all, those of the server (an empty place), or those in a room. Raises `NotKept`.

        At most `MOST_DEEDS` of the server are kept. Of room operators, at most `MOST_DEEDS_IN_ROOM` are kept per room and
        `MOST_DEEDS_BY_ONE` per person; these never displace the server's.
        """


class Promise(Protocol):
    """An awaitable event that happens once."""

    def fire(self) -> None:
        """Let the waiting coroutines go on. May be called twice."""

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait until `fire` was called."""


class Waits(Protocol):
    """The core's timers and promises."""

    def later(self, seconds: float, call: Callable[[], None]) -> object:
        """Call after the given seconds."""

    def promise(self) -> Promise:
        """Return a new promise."""


class ClaimDesk(Protocol):
    """The desk that gives the person who runs the server the operators' claim codes: see `core.logins.claims`."""

    def hand_out(self, name: str, code: str, account: Account | None) -> None:
        """Give out a name's new code. ``account``, if any, is registered under that name and was not claimed."""

    def take_back(self, name: str) -> None:
        """Withdraw a name's code, which is used up."""


class Accounts(Protocol):
    """The checker of passwords and codes. Passwords are hashed only here, off the reactor thread."""

    def hash(self, password: str, source: str) -> Awaitable[str]:
        """Return a password's hash. Raises `BadPassword`, or `Busy` when too many of this source wait."""

    def check(self, key: str, password: str, source: str) -> Awaitable[bool]:
        """Return whether this is the account's password; a missing account takes as long. Raises `Busy`.

        Sources take turns (see `core.logins.sources`): many checks from one source do not delay another's.
        """

    def code(self) -> str:
        """Return a new unguessable code that people can type: ``K7QX-2M9P-…``."""

    def digest(self, code: str) -> str:
        """Return a code's digest for storage; it does not reveal the code."""
