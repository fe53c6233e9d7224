"""The message log on disk: it gives messages to `storage.sqlite.database` without blocking the reactor.

1. One commit runs at a time. Messages that arrive meanwhile wait for the next commit, so commits grow with the load.
2. The messages of a failed commit are not persisted and not retried. Their senders are told.
3. While history is stopped, each turn's messages are tried at once, and an empty commit every `PROBE_SECONDS`. History is
   back when nothing has failed for `STEADY_SECONDS`: a nearly full disk takes one commit and refuses the next.
4. The waiting messages are bounded in bytes. Messages beyond the bound are not persisted. Working commits keep the queue
   below it: at half of the bound the server takes no more from clients. A commit that takes long means a disk in trouble,
   which must not hold up the conversation.
5. Numbers are reserved a block ahead, by the next commit after half a block is used.
6. After each commit, and every `RETENTION_SECONDS`, old messages are deleted in slices: see `sqlite.retention`. If there are
   none, messages that the index lacks are added to it in equally small steps: see `storage.index.index`.
"""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_chat.core.delivery.batch import Batch
from twisted_chat.core.errors import NotKept
from twisted_chat.core.events import DELETED, KEPT, KIND_OF, Emoted, KeptEvent, Said, Told
from twisted_chat.core.interfaces import Query, Sent
from twisted_chat.storage.batching_log import BatchingLog
from twisted_chat.storage.index.room_index import Row
from twisted_chat.storage.sqlite.database import Database, Stored
from twisted_chat.storage.sqlite.retention import Retention, Slice
from twisted_chat.storage.worker import WorkerThread

# Numbers reserved ahead. A million lasts for hours while the disk cannot be written. A crash skips at most this many, so
# numbers stay readable and far below 2**53, above which JSON numbers are not exact.
NUMBER_BLOCK = 1_000_000
# The time that a commit waits for another process that locks the file, in milliseconds.
LOCK_WAIT_MS = 5000
# The same while history is stopped: senders who were just told so should not wait for it again.
LOCK_WAIT_STOPPED_MS = 200
# The interval between checks for old messages, and between two slices, in seconds.
RETENTION_SECONDS, SLICE_SECONDS = 60.0, 0.05
# The duration from which a commit means a disk in trouble, in seconds. On a bad day a commit takes half of it.
IN_TROUBLE_SECONDS = 1.0
# The time for which commits must succeed before history is reported to be back, in seconds.
STEADY_SECONDS = 5.0
# The interval between retries of a stopped history while no messages arrive, in seconds.
PROBE_SECONDS = 2.0

T = TypeVar("T")


class Scheduler(Protocol):
    """The part of a reactor that the log needs."""

    def seconds(self) -> float:
        """Return a monotonic time in seconds."""

    def callLater(self, delay: float, callable: Callable[..., object], *args: object) -> IDelayedCall:
        """Call a function after ``delay`` seconds."""

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:
        """Call a function on the reactor thread."""


class SqliteLog(BatchingLog):
    """A message log in a `Database`, which it opens at once and then owns."""

    _logger = Logger()

    def __init__(
        self,
        database: Database,
        reactor: Scheduler,
        *,
        tail_bytes: int,
        batch_bytes: int,
        waiting_bytes: int,
        number_block: int = NUMBER_BLOCK,
        retention: Retention | None = None,
    ) -> None:
        """``waiting_bytes`` bounds the waiting messages. Raise `StateError` if the database cannot be opened."""
        database.wait_for_locks(LOCK_WAIT_MS)
        log_id, used = database.open(number_block)
        super().__init__(log_id, used, lambda call: reactor.callLater(0, call), tail_bytes=tail_bytes, batch_bytes=batch_bytes)
        self._database = database
        self._reactor = reactor
        self._thread = WorkerThread("storage", reactor.callFromThread)
        self._block = number_block
        self._reserved = used + number_block
        self._waiting_bytes = waiting_bytes
        self._waiting: list[Batch] = []
        self._size = 0
        self._committing = False
        self._committing_since = 0.0
        self._stopped = ""  # the reason, while history is stopped
        self._failed_at = 0.0
        self._closing = False
        self._probe: IDelayedCall | None = None
        self._idle: list[Deferred[None]] = []
        self._retention = retention
        self._tidying = False
        self._mending = False  # True if the index is known to lack messages
        self._later: IDelayedCall | None = None  # the next slice
        self._tidy(0)

    def number(self) -> int:
        """Return the number for the next event. Raise `NotKept` if the disk has failed for so long that none is reserved."""
        if self._newest >= self._reserved:
            raise NotKept("Nothing can be said now: the disk has failed for too long.")
        if self._newest == self._reserved - self._block // 2:
            self._commit()
        return self._newest + 1

    @property
    def congested(self) -> bool:
        """True if messages arrive faster than a working disk can write them."""
        crowded = self._size > self._waiting_bytes // 2
        return crowded and not self._stopped and self._reactor.seconds() - self._committing_since < IN_TROUBLE_SECONDS

    async def close(self) -> None:
        """Persist the waiting messages, release unused numbers, and close the file."""
        self.flush()
        self._closing = True
        while self._committing or self._waiting:
            idle: Deferred[None] = Deferred()
            self._idle.append(idle)
            await idle
        for call in (self._probe, self._later):
            if call is not None and call.active():
                call.cancel()
        try:
            await self._thread.submit(self._database.close, self._newest)
        except sqlite3.Error as error:
            self._logger.warn("The log was not closed in good order: {error}", error=str(error))
        self._thread.stop()

    def _store(self, batches: Sequence[Batch]) -> None:
        size = sum(batch.size for batch in batches)
        if self._size + size > self._waiting_bytes:
            self._defer(lambda: self._settle(batches, None))
            return
        self._size += size
        self._waiting.extend(batches)
        if not self._committing:
            self._commit()

    def _commit(self) -> None:
        if self._committing:
            return
        self._committing = True
        self._committing_since = self._reactor.seconds()
        batches, self._waiting = self._waiting, []
        rows = [row for batch in batches for row in _rows(batch)]
        reserve = None
        if self._stopped or self._newest >= self._reserved - self._block // 2:
            reserve = max(self._reserved, self._newest + self._block)
        committed = self._thread.submit(self._database.commit, rows, reserve)
        committed.addCallbacks(self._committed, self._failed, (batches, reserve), None, (batches,))
        committed.addErrback(lambda failure: self._logger.failure("after a commit", failure))

    def _committed(self, duplicates: dict[int, int], batches: list[Batch], reserve: int | None) -> None:
        self._tidy(sum(len(batch.events) for batch in batches))
        if reserve is not None:
            self._reserved = reserve
        if self._stopped and self._reactor.seconds() - self._failed_at < STEADY_SECONDS:
            self._next(batches, duplicates)
            self._probe_later()
        elif self._stopped:
            self._stopped = ""
            self._thread.submit(self._database.wait_for_locks, LOCK_WAIT_MS)
            self._logger.info("History is back.")
            self._next(batches, duplicates)
            self._reader.history_back()
        else:
            self._next(batches, duplicates)

    def _failed(self, failure: Failure, batches: list[Batch]) -> None:
        why = str(failure.value)
        self._failed_at = self._reactor.seconds()
        self._next(batches, None)
        before, self._stopped = self._stopped, why
        if why != before:
            how = "is still stopped" if before else "has stopped"
            self._logger.error("History {how}: {path}: {why}", how=how, path=str(self._database.path), why=why)
        if not before:
            self._thread.submit(self._database.wait_for_locks, LOCK_WAIT_STOPPED_MS)
            self._reader.history_stopped(why)
        self._probe_later()

    def _probe_later(self) -> None:
        if not self._closing and (self._probe is None or not self._probe.active()):
            self._probe = self._reactor.callLater(PROBE_SECONDS, self._commit)

    def _tidy(self, committed: int) -> None:
        """Delete old messages after a commit of ``committed`` events, or add some that the index lacks."""
        if self._tidying or self._closing or (self._retention is None and not self._database.index_incomplete):
            return
        self._tidying = True
        self._mending = self._database.index_incomplete
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._thread.submit(self._slice, committed).addCallbacks(self._tidied, self._not_tidied)

    def _slice(self, committed: int) -> tuple[int, float]:
        """Do so on the storage thread. Return the last deleted number, and the seconds until the next slice."""
        found = self._retention.slice(committed) if self._retention is not None else Slice(0, False)
        if found.more:
            return found.upto, SLICE_SECONDS
        seconds = self._database.mend() if self._database.index_incomplete else None
        return 0, RETENTION_SECONDS if seconds is None else seconds

    def _tidied(self, found: tuple[int, float]) -> None:
        upto, seconds = found
        self._tidying = False
        self._tail.forget(upto)
        self._gone = max(self._gone, upto)
        self._tidy_later(seconds)

    def _not_tidied(self, failure: Failure) -> None:
        self._tidying = False
        self._logger.warn("Old messages could not be taken out: {why}", why=str(failure.value))
        self._tidy_later(RETENTION_SECONDS)

    def _tidy_later(self, seconds: float) -> None:
        if not self._closing and (self._retention is not None or self._database.index_incomplete):
            self._later = self._reactor.callLater(seconds, self._tidy, 0)

    def _tidy_soon(self) -> None:
        """Start mending if the index turns out to lack messages: it may have been found damaged just now."""
        if self._database.index_incomplete and not self._mending:
            self._tidy(0)

    def _next(self, batches: list[Batch], duplicates: dict[int, int] | None) -> None:
        self._committing = False
        self._size -= sum(batch.size for batch in batches)
        if self._waiting:
            self._commit()
        else:
            idle, self._idle = self._idle, []
            for waiting in idle:
                waiting.callback(None)
        self._settle(batches, duplicates)

    async def _find_stored(self, key: bytes) -> Sent | None:
        seq = await self._ask(self._database.find, key)
        return None if seq is None else Sent(seq, None)

    async def _read_stored(self, room: str, after: int, before: int, limit: int, *, newest_first: bool) -> list[KeptEvent]:
        rows = await self._ask(self._database.read, room, after, before, limit, newest_first)
        return [_event(row) for row in rows]

    async def _find_since(self, room: str, time: float) -> int:
        return await self._ask(self._database.last_before, room, time)

    async def _count_stored(self, room: str, after: int, upto: int, limit: int) -> int:
        return await self._ask(self._database.count, room, after, upto, limit)

    async def search(self, query: Query) -> list[KeptEvent]:
        """Return the newest matching messages; see `MessageLog`."""
        rows = await self._ask(self._database.search, query)
        return [_event(row) for row in reversed(rows)]

    async def _erase_stored(self, seq: int, rooms: Collection[str]) -> KeptEvent | None:
        row = await self._ask(self._database.erase, seq, tuple(rooms), DELETED)
        return None if row is None else _event(row)

    def submit(self, function: Callable[..., T], *arguments: object) -> "Deferred[T]":
        """Call a function on the thread that owns the database."""
        return self._thread.submit(function, *arguments)

    async def _ask(self, function: Callable[..., T], *arguments: object) -> T:
        try:
            return await self._thread.submit(function, *arguments)
        except sqlite3.Error as error:
            raise NotKept(f"The history can't be read now: {error}.") from None
        finally:
            self._tidy_soon()


def _event(row: Stored) -> KeptEvent:
    seq, time, room, kind, author, text = row
    match kind:
        case "said":
            return Said(seq, time, room, author, text)
        case "emoted":
            return Emoted(seq, time, room, author, text)
        case _:
            return Told(seq, time, room, author, room.removeprefix("@"), text)


def _rows(batch: Batch) -> list[Row]:
    return [
        (event.seq, event.time, event.room, KIND_OF[type(event)], event.author, event.text, batch.keys.get(event.seq))
        for event in batch.events
        if isinstance(event, KEPT)
    ]
