"""The end of the log, in memory, from which a reader that fell behind catches up."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from twisted_chat.core.delivery.batch import Batch, Fate
from twisted_chat.core.events import DELETED, KEPT, KeptEvent
from twisted_chat.core.interfaces import Sent


class Tail:
    """Batches in the order in which they were added. The oldest is dropped first, unless it waits for the disk."""

    def __init__(self, limit: int, remembered: int) -> None:
        """``limit`` is in bytes. Events in memory have numbers above ``remembered``."""
        self.remembered = remembered
        self._limit = limit
        self._size = 0
        self._weights: deque[int] = deque()
        self._batches: deque[Batch] = deque()
        self._rooms: dict[str, deque[Batch]] = {}
        self._sent: dict[bytes, Sent] = {}

    def add(self, batch: Batch) -> None:
        """Add a batch that is still open."""
        self._rooms.setdefault(batch.room, deque()).append(batch)

    def note(self, key: bytes, seq: int, batch: Batch) -> None:
        """Record the key of a message."""
        self._sent[key] = Sent(seq, batch)

    def sent(self, key: bytes) -> Sent | None:
        """Return the message of this key."""
        return self._sent.get(key)

    def weigh(self, batches: Iterable[Batch]) -> None:
        """Count the size of closed and delivered batches, including their rendered bytes."""
        for batch in batches:
            self._batches.append(batch)
            self._weights.append(batch.memory)
            self._size += self._weights[-1]

    def trim(self) -> None:
        """Drop the oldest batches until the limit holds."""
        while self._size > self._limit and len(self._batches) > 1 and self._batches[0].fate is not Fate.PENDING:
            batch = self._batches.popleft()
            self._size -= self._weights.popleft()
            self.remembered = max(self.remembered, batch.last)
            room = self._rooms[batch.room]
            room.popleft()
            if not room:
                del self._rooms[batch.room]
            for key in batch.keys.values():
                self._sent.pop(key, None)

    def forget(self, upto: int) -> None:
        """Hide messages up to this number, which were deleted from the store."""
        self.remembered = max(self.remembered, upto)

    def after(self, room: str, position: int) -> list[Batch]:
        """Return the closed batches of a room with events after a number, oldest first."""
        found = []
        for batch in reversed(self._rooms.get(room, ())):
            if batch.last <= position:
                break
            found.append(batch)
        found.reverse()
        return found

    def before(self, room: str, position: int) -> Iterator[KeptEvent]:
        """Yield the messages of a room between ``remembered`` and ``position``, newest first, without lost ones."""
        for batch in reversed(self._rooms.get(room, ())):
            if batch.keeps and batch.fate is not Fate.LOST:
                for event in reversed(batch.events):
                    if isinstance(event, KEPT) and self.remembered < event.seq < position:
                        yield event

    def erase(self, seq: int, rooms: Collection[str]) -> KeptEvent | None:
        """Erase the text of a message in one of these rooms. Return the message as it was, or None if it is not here."""
        for room in rooms:
            for batch in self._rooms.get(room, ()):
                for event in batch.events if batch.first <= seq <= batch.last else ():
                    if event.seq == seq and isinstance(event, KEPT):
                        batch.replace(seq, replace(event, text=DELETED))
                        return event
        return None
