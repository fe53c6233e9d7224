"""The common part of all message logs: numbers, batches at the end of a turn, and the tail.

1. `append` puts an event into its room's open batch. `flush`, once a turn, closes the batches and gives them to the reader,
   then to the store, which persists them while the reactor continues. The reader comes first because the store's thread
   would compete with it for the interpreter (measured: a quarter of the median latency).
2. A batch is closed, and the next opened, once it would send more than ``batch_bytes`` to a client. So a connection never
   gets much more at once.
3. A store implements `_store`, which must settle every batch in order, and the reads below the tail.
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Sequence
from itertools import islice

from twisted_chat.core.delivery.batch import Batch, Fate
from twisted_chat.core.events import KEPT, KeptEvent, RoomEvent
from twisted_chat.core.interfaces import MessageLog, Page, Reader, Sent
from twisted_chat.storage.tail import Tail


class BatchingLog(MessageLog):
    """A message log without the store for its messages."""

    def __init__(
        self,
        log_id: str,
        newest: int,
        defer: Callable[[Callable[[], None]], object],
        *,
        tail_bytes: int,
        batch_bytes: int,
    ) -> None:
        """``defer`` calls a function at the end of this reactor turn. ``newest`` is the last number ever used."""
        self._id = log_id
        self._newest = newest
        self._defer = defer
        self._batch_bytes = batch_bytes
        self._tail = Tail(tail_bytes, newest)
        self._turn: list[Batch] = []  # the batches of this turn, in order
        self._fresh: list[RoomEvent] = []  # their events, in order
        self._open: dict[str, Batch] = {}  # the last of them for each room
        self._unsettled: deque[Batch] = deque()
        self._delivered = newest
        self._gone = 0
        self._due = False
        self._when_delivered: list[Callable[[], None]] = []
        self._reader: Reader

    @property
    def id(self) -> str:
        """The identifier of this log."""
        return self._id

    @property
    def newest(self) -> int:
        """The number of the last event."""
        return self._newest

    @property
    def remembered(self) -> int:
        """The number after which memory holds everything."""
        return self._tail.remembered

    @property
    def pruned(self) -> int:
        """The number up to which all messages are deleted."""
        return self._gone

    @property
    def congested(self) -> bool:
        """True if clients should send less."""
        return False

    @property
    def settled(self) -> int:
        """The number up to which every message is persisted or finally lost."""
        return self._unsettled[0].first - 1 if self._unsettled else self._delivered

    def attach(self, reader: Reader) -> None:
        """Set the reader."""
        self._reader = reader

    def number(self) -> int:
        """Return the number for the next event."""
        return self._newest + 1

    def append(self, event: RoomEvent, text_size: int = 0, key: bytes | None = None) -> None:
        """Add the event that carries the next number."""
        if event.seq != self._newest + 1:
            raise ValueError(f"event {event.seq} does not follow {self._newest}")
        self._newest = event.seq
        batch = self._open.get(event.room)
        if batch is None or batch.shown > self._batch_bytes:
            batch = self._open[event.room] = Batch(event.room)
            self._turn.append(batch)
            self._tail.add(batch)
        batch.add(event, text_size)
        self._fresh.append(event)
        if key is not None:
            batch.keys[event.seq] = key
            self._tail.note(key, event.seq, batch)
        if not self._due:
            self._due = True
            self._defer(self.flush)

    def flush(self) -> None:
        """End the turn: close its batches, deliver them, and persist them."""
        self._due = False
        batches, self._turn = self._turn, []
        fresh = len(self._fresh)
        self._open.clear()
        if not batches:
            return
        self._delivered = self._newest
        try:
            self._reader.deliver(batches)
        finally:  # persist the messages even if delivery fails
            del self._fresh[:fresh]
            self._keep(batches)
        for batch in batches:
            batch.delivered()
        self._tail.weigh(batches)
        self._tail.trim()
        calls, self._when_delivered = self._when_delivered, []
        for call in calls:
            call()

    def _keep(self, batches: Sequence[Batch]) -> None:
        if any(batch.keeps for batch in batches):
            self._unsettled.extend(batches)
            self._store(batches)  # all of them, because the numbers of a turn's batches interleave
        else:
            for batch in batches:
                batch.fate = Fate.KEPT

    def fresh(self, after: int) -> list[RoomEvent]:
        """Return the events after a number that are not delivered yet."""
        return self._fresh[-(self._newest - after) :] if after < self._newest else []

    def when_delivered(self, call: Callable[[], None]) -> None:
        """Call a function once everything is delivered."""
        if self._due:
            self._when_delivered.append(call)
        else:
            call()

    def sent(self, key: bytes) -> Sent | None:
        """Return the message of this key if memory still has it."""
        return self._tail.sent(key)

    async def find(self, key: bytes) -> Sent | None:
        """Return the message of this key from memory or the store."""
        return self._tail.sent(key) or await self._find_stored(key)

    def tail(self, room: str, after: int) -> Sequence[Batch]:
        """Return the delivered batches of a room with events after this number."""
        open_batches = self._turn
        return [batch for batch in self._tail.after(room, after) if not open_batches or batch not in open_batches]

    async def read_after(self, room: str, after: int, limit: int) -> Page:
        """Return the messages of a room after a number; see `MessageLog`."""
        remembered = self._tail.remembered
        if after < remembered:
            stored = await self._read_stored(room, after, remembered + 1, limit, newest_first=False)
            return Page(stored, stored[-1].seq if len(stored) == limit else remembered)
        found = [
            event
            for batch in self._tail.after(room, after)
            if batch.fate is not Fate.LOST
            for event in batch.events
            if isinstance(event, KEPT) and event.seq > after
        ][:limit]
        return Page(found, found[-1].seq if len(found) == limit else max(after, self._newest))

    async def read_before(self, room: str, before: int, limit: int) -> list[KeptEvent]:
        """Return the last messages of a room before a number; see `MessageLog`."""
        remembered = self._tail.remembered
        found = list(islice(self._tail.before(room, before), limit))
        if len(found) < limit:
            older = await self._read_stored(room, -1, min(before, remembered + 1), limit - len(found), newest_first=True)
            found.extend(older)
        found.reverse()
        return found

    async def read_since(self, room: str, time: float, limit: int) -> list[KeptEvent]:
        """Return the first messages of a room since a time; see `MessageLog`."""
        earlier = next((event.seq for event in self._tail.before(room, self._newest + 1) if event.time < time), None)
        position = await self._find_since(room, time) if earlier is None else earlier
        found: list[KeptEvent] = []
        while len(found) < limit:
            page = await self.read_after(room, position, limit - len(found))
            found.extend(event for event in page.events if isinstance(event, KEPT))
            if page.position <= position or page.position >= self._newest:
                break
            position = page.position
        return found

    async def count_after(self, room: str, after: int, limit: int) -> int:
        """Return the number of messages after a number; see `MessageLog`."""
        remembered = self._tail.remembered
        recent = sum(1 for event in self._tail.before(room, self._newest + 1) if event.seq > after)
        older = await self._count_stored(room, after, remembered, limit) if after < remembered else 0
        return min(limit, older + recent)

    async def erase(self, seq: int, rooms: Collection[str]) -> KeptEvent | None:
        """Erase a text from memory, then from the store: waiting messages are written from memory."""
        erased = self._tail.erase(seq, rooms)
        return await self._erase_stored(seq, rooms) or erased

    def _settle(self, batches: Sequence[Batch], duplicates: dict[int, int] | None) -> None:
        """Settle batches as persisted, with these duplicates, or as lost if None. Stores call it in order."""
        fate = Fate.LOST if duplicates is None else Fate.KEPT
        if not batches:
            return
        for batch in batches:
            batch.fate = fate
        while self._unsettled and self._unsettled[0].fate is not Fate.PENDING:
            self._unsettled.popleft()
        self._tail.trim()
        if duplicates is None:
            self._reader.not_kept(batches)
        else:
            self._reader.kept(batches, duplicates)

    @abstractmethod
    def _store(self, batches: Sequence[Batch]) -> None:
        """Start persisting the messages of these batches. `_settle` must not be called before this returns."""

    @abstractmethod
    async def _find_stored(self, key: bytes) -> Sent | None:
        """Return the stored message of this key. Raise `NotKept`."""

    @abstractmethod
    async def _read_stored(self, room: str, after: int, before: int, limit: int, *, newest_first: bool) -> list[KeptEvent]:
        """Return stored messages of a room with numbers between the two, both excluded. Raise `NotKept`."""

    @abstractmethod
    async def _find_since(self, room: str, time: float) -> int:
        """Return the number of a room's last stored message before a time; 0 if there is none. Raise `NotKept`."""

    @abstractmethod
    async def _count_stored(self, room: str, after: int, upto: int, limit: int) -> int:
        """Return the number of a room's stored messages above ``after`` and up to ``upto``. Raise `NotKept`."""

    @abstractmethod
    async def _erase_stored(self, seq: int, rooms: Collection[str]) -> KeptEvent | None:
        """Erase a text from the store. Return the message as it was. Raise `NotKept`."""
