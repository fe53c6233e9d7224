"""The end of the log, in memory: what a reader that fell behind reads on from."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from twisted_chat.core.delivery.batch import Batch, Fate
from twisted_chat.core.events import DELETED, KEPT, KeptEvent
from twisted_chat.core.interfaces import Sent


class Tail:
    """Batches in the order they were added, oldest dropped first, never one whose messages wait for the disk."""

    def __init__(self, limit: int, remembered: int) -> None:
        """``limit`` is in bytes; what is in memory has numbers above ``remembered``."""
        self.remembered = remembered
        self._limit = limit
        self._size = 0
        self._weights: deque[int] = deque()
        self._batches: deque[Batch] = deque()
        self._rooms: dict[str, deque[Batch]] = {}
        self._sent: dict[bytes, Sent] = {}

    def add(self, batch: Batch) -> None:
        """Take in a batch that is open still."""
        self._rooms.setdefault(batch.room, deque()).append(batch)

    def note(self, key: bytes, seq: int, batch: Batch) -> None:
        """Remember under which key a message came."""
        self._sent[key] = Sent(seq, batch)

    def sent(self, key: bytes) -> Sent | None:
        """The message of this key."""
        return self._sent.get(key)

    def weigh(self, batches: Iterable[Batch]) -> None:
        """Count in batches that were closed and delivered, so that their rendered bytes are counted too."""
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
        """What has numbers up to this one is kept nowhere any more: don't give it away from here either."""
        self.remembered = max(self.remembered, upto)

    def after(self, room: str, position: int) -> list[Batch]:
        """The closed batches of a room with events after a number, oldest first."""
        found = []
        for batch in reversed(self._rooms.get(room, ())):
            if batch.last <= position:
                break
            found.append(batch)
        found.reverse()
        return found

    def before(self, room: str, position: int) -> Iterator[KeptEvent]:
        """The messages of a room between ``remembered`` and ``position``, newest first, but for those that were lost."""
        for batch in reversed(self._rooms.get(room, ())):
            if batch.keeps and batch.fate is not Fate.LOST:
                for event in reversed(batch.events):
                    if isinstance(event, KEPT) and self.remembered < event.seq < position:
                        yield event

    def erase(self, seq: int, rooms: Collection[str]) -> KeptEvent | None:
        """Take the text of a message in one of these rooms away. Returns what it was, None if it is not here."""
        for room in rooms:
            for batch in self._rooms.get(room, ()):
                for event in batch.events if batch.first <= seq <= batch.last else ():
                    if event.seq == seq and isinstance(event, KEPT):
                        batch.replace(seq, replace(event, text=DELETED))
                        return event
        return None
