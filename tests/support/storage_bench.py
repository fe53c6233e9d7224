"""A storage thread and a reactor that tests step by hand."""

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from twisted_chat.core.delivery.batch import Batch
from twisted_chat.core.events import Said
from twisted_chat.storage.memory_log import MemoryLog
from twisted_chat.storage.sqlite.database import Database
from twisted_chat.storage.sqlite.log import PROBE_SECONDS, STEADY_SECONDS, SqliteLog

T = TypeVar("T")


class Reactor(Clock):
    """A clock that also takes calls from the storage thread."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[tuple[Callable[..., object], tuple[object, ...]]] = []

    def callFromThread(self, call: Callable[..., object], *arguments: object) -> None:
        """Called on the storage thread."""
        self.posted.append((call, arguments))

    def turn(self) -> None:
        """Do what is due."""
        self.advance(0)
        while self.posted:
            call, arguments = self.posted.pop(0)
            call(*arguments)

    def until(self, done: Callable[[], object]) -> None:
        """Turn until something is so."""
        end = time.monotonic() + 10
        while not done():
            assert time.monotonic() < end
            self.turn()


class Notes:
    """A reader that notes what it is told."""

    def __init__(self) -> None:
        self.delivered: list[list[int]] = []
        self.settled: list[tuple[str, list[int]]] = []
        self.duplicates: dict[int, int] = {}
        self.history: list[str] = []

    def deliver(self, batches: Sequence[Batch]) -> None:
        """Called by the log."""
        self.delivered += [[event.seq for event in batch.events] for batch in batches]

    def kept(self, batches: Sequence[Batch], duplicates: dict[int, int]) -> None:
        """Called by the log."""
        self.settled += [("kept", [event.seq for event in batch.events]) for batch in batches]
        self.duplicates |= duplicates

    def not_kept(self, batches: Sequence[Batch]) -> None:
        """Called by the log."""
        self.settled += [("lost", [event.seq for event in batch.events]) for batch in batches]

    def history_stopped(self, why: str) -> None:
        """Called by the log."""
        self.history.append("stopped")

    def history_back(self) -> None:
        """Called by the log."""
        self.history.append("back")


class Bench:
    """A log on the bench."""

    def __init__(self, kind: str, folder: Path, **settings: Any) -> None:
        self.reactor = Reactor()
        self.notes = Notes()
        sizes: dict[str, Any] = {"tail_bytes": 1 << 20, "batch_bytes": 1 << 16}
        if kind == "memory":
            self.log: Any = MemoryLog(lambda call: self.reactor.callLater(0, call), **sizes)
        else:
            self.database = Database(folder)
            self.database.claim()
            self.log = SqliteLog(self.database, self.reactor, **({"waiting_bytes": 1 << 20} | sizes | settings))
        self.log.attach(self.notes)

    def say(self, text: str, room: str = "#a", key: bytes | None = None) -> int:
        """Append a message."""
        seq: int = self.log.number()
        self.log.append(Said(seq, 0.5, room, "Ann", text), len(text), key)
        return seq

    def settle(self) -> None:
        """Wait until everything said is kept, or not."""
        said = len(self.notes.settled)
        self.log.flush()
        self.reactor.until(lambda: len(self.notes.settled) > said)

    def wait(self, awaitable: Awaitable[T]) -> T:
        """What an awaitable gives."""
        results: list[Any] = []
        Deferred.fromCoroutine(awaitable).addBoth(results.append)  # type: ignore[arg-type]
        self.reactor.until(lambda: results)
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]

    def come_back(self) -> None:
        """Let so much time pass without a failure that history is back."""
        for _ in range(math.ceil(STEADY_SECONDS / PROBE_SECONDS)):
            self.reactor.advance(PROBE_SECONDS)
            self.reactor.until(lambda: not self.log._committing)
        assert self.notes.history == ["stopped", "back"]

    def crash(self) -> None:
        """Go without a word."""
        self.database.release()
