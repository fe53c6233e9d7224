"""A message log without a store, which holds only the tail: for ``--state none`` and for tests."""

import secrets
from collections.abc import Callable, Collection, Sequence

from twisted_chat.core.delivery.batch import Batch
from twisted_chat.core.events import KeptEvent
from twisted_chat.core.interfaces import Query, Sent
from twisted_chat.core.text.names import fold
from twisted_chat.storage.batching_log import BatchingLog


class MemoryLog(BatchingLog):
    """A log whose numbers begin at 1, with a new id at each start, so that clients cannot mistake an old number for a new one.

    A receipt from it means that the message was delivered, and is held while it is in the tail.
    """

    def __init__(self, defer: Callable[[Callable[[], None]], object], *, tail_bytes: int, batch_bytes: int) -> None:
        super().__init__(secrets.token_hex(8), 0, defer, tail_bytes=tail_bytes, batch_bytes=batch_bytes)

    async def close(self) -> None:
        """Settle the waiting batches. There is nothing to close."""
        self.flush()

    def _store(self, batches: Sequence[Batch]) -> None:
        self._defer(lambda: self._settle(batches, {}))

    async def _find_stored(self, key: bytes) -> Sent | None:
        return None

    async def _read_stored(self, room: str, after: int, before: int, limit: int, *, newest_first: bool) -> list[KeptEvent]:
        return []

    async def _find_since(self, room: str, time: float) -> int:
        return 0

    async def _count_stored(self, room: str, after: int, upto: int, limit: int) -> int:
        return 0

    async def _erase_stored(self, seq: int, rooms: Collection[str]) -> KeptEvent | None:
        return None

    async def search(self, query: Query) -> list[KeptEvent]:
        """Return the newest matching messages in memory, oldest first."""
        words = [word.casefold() for word in query.words]
        places = [(room, 0, self._newest) for room in query.rooms] + list(query.parts)
        found = [
            event
            for room, first, last in places
            for event in self._tail.before(room, query.before or self._newest + 1)
            if first <= event.seq <= last
            and event.time >= query.since
            and (not query.author or fold(event.author) == fold(query.author))
            and all(word in event.text.casefold() for word in words)
        ]
        return sorted(found, key=lambda event: event.seq)[-query.limit :]
