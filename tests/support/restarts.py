"""A disk in memory: a message log and records over it, which a second server may go on with, as after a restart."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from twisted_chat.config import Config, Limits
from twisted_chat.core.delivery.batch import Batch
from twisted_chat.core.events import DELETED, KEPT, KeptEvent
from twisted_chat.core.interfaces import Query, Sent
from twisted_chat.core.records import Deed, Record
from twisted_chat.core.text.names import fold
from twisted_chat.storage.batching_log import BatchingLog
from twisted_chat.testing import Chat


class Disk:
    """What is on disk. A read of it waits while the test ``holds`` reads back."""

    def __init__(self) -> None:
        self.rows: dict[int, KeptEvent] = {}
        self.keys: dict[bytes, int] = {}
        self.records: dict[tuple[type, Any], Record] = {}
        self.deeds: list[Deed] = []
        self.used = 0
        self.holds = False
        self._held: list[Deferred[None]] = []

    async def wait(self) -> None:
        """Wait as long as reads are held back."""
        if self.holds:
            held: Deferred[None] = Deferred()
            self._held.append(held)
            await held

    def release(self) -> None:
        """Let reads go on."""
        self.holds = False
        held, self._held = self._held, []
        for one in held:
            one.callback(None)


class DiskLog(BatchingLog):
    """A message log on a `Disk`, with a small tail."""

    def __init__(self, disk: Disk, clock: Clock, tail_bytes: int) -> None:
        super().__init__("log", disk.used, self._later, tail_bytes=tail_bytes, batch_bytes=1 << 16)
        self._clock = clock
        self._disk = disk

    def _later(self, call: Callable[[], None]) -> None:
        self._clock.callLater(0, call)

    def append(self, event: Any, text_size: int = 0, key: bytes | None = None) -> None:
        """Numbers are never used twice."""
        super().append(event, text_size, key)
        self._disk.used = event.seq

    async def close(self) -> None:
        """Nothing is to be closed."""

    def _store(self, batches: Sequence[Batch]) -> None:
        duplicates: dict[int, int] = {}
        for batch in batches:
            for event in batch.events:
                key = batch.keys.get(event.seq)
                if key is not None and key in self._disk.keys:
                    duplicates[event.seq] = self._disk.keys[key]
                elif isinstance(event, KEPT):
                    self._disk.rows[event.seq] = event
                    if key is not None:
                        self._disk.keys[key] = event.seq
        self._later(lambda: self._settle(batches, duplicates))

    async def _find_stored(self, key: bytes) -> Sent | None:
        await self._disk.wait()
        return Sent(self._disk.keys[key], None) if key in self._disk.keys else None

    async def _read_stored(self, room: str, after: int, before: int, limit: int, *, newest_first: bool) -> list[KeptEvent]:
        await self._disk.wait()
        found = [row for seq, row in self._disk.rows.items() if after < seq < before and row.room == room]
        return (found[::-1] if newest_first else found)[:limit]

    async def _find_since(self, room: str, time: float) -> int:
        await self._disk.wait()
        return max((seq for seq, row in self._disk.rows.items() if row.room == room and row.time < time), default=0)

    async def _count_stored(self, room: str, after: int, upto: int, limit: int) -> int:
        await self._disk.wait()
        return min(limit, sum(after < seq <= upto and row.room == room for seq, row in self._disk.rows.items()))

    async def _erase_stored(self, seq: int, rooms: Collection[str]) -> KeptEvent | None:
        await self._disk.wait()
        row = self._disk.rows.get(seq)
        if row is None or row.room not in rooms:
            return None
        self._disk.rows[seq] = replace(row, text=DELETED)
        return row

    async def search(self, query: Query) -> list[KeptEvent]:
        """Words are pieces of the text here."""
        await self._disk.wait()
        found = [
            row
            for seq, row in sorted(self._disk.rows.items())
            if (row.room in query.rooms or any(row.room == key and first <= seq <= last for key, first, last in query.parts))
            and (query.before is None or seq < query.before)
            and row.time >= query.since
            and (not query.author or fold(row.author) == fold(query.author))
            and all(word.casefold() in row.text.casefold() for word in query.words)
        ]
        return found[-query.limit :]


class DiskRecords:
    """Records on a `Disk`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def load(self) -> Iterable[Record]:
        """All there is."""
        return [*self._disk.records.values(), *self._disk.deeds[-1:]]

    async def save(self, *records: Record) -> None:
        """Keep them."""
        for record in records:
            if isinstance(record, Deed):
                self._disk.deeds.append(record)
            else:
                self._disk.records[_place(record)] = record

    async def remove(self, *records: Record) -> None:
        """Take them away."""
        for record in records:
            self._disk.records.pop(_place(record), None)

    async def deeds(self, limit: int) -> list[Deed]:
        """The last deeds."""
        return self._disk.deeds[-limit:]


def _place(record: Record) -> tuple[type, Any]:
    return type(record), getattr(record, fields(record)[0].name)


def start(disk: Disk, config: Config | None = None, tail_bytes: int = 1, **more: Any) -> Chat:
    """A server over a disk: the first, or the one that follows it."""
    records = DiskRecords(disk)
    config = config or Config(limits=Limits.OFF)
    chat = Chat(config, log=lambda clock: DiskLog(disk, clock, tail_bytes), records=records, **more)
    chat.hub.restore(records.load())
    return chat


def stop(chat: Chat) -> None:
    """The server is stopped, as by SIGTERM: everybody's connection ends, and nobody goes by their own will."""
    chat.hub.stopping = True
    for connection in tuple(chat.connections):
        connection.transport.protocol.connectionLost()
    chat.turn()
