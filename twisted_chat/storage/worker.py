"""Threads for work that would block the reactor: one for the disk, and one for hashing passwords."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


class WorkerThread:
    """A thread that runs functions in order, off the reactor thread.

    It is a daemon thread: a hanging disk must not keep the process from ending.
    """

    def __init__(self, name: str, call_from_thread: Callable[..., object]) -> None:
        """``call_from_thread`` is the reactor's ``callFromThread``."""
        self._call_from_thread = call_from_thread
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, function: Callable[..., T], *arguments: Any) -> "Deferred[T]":
        """Call a function in the thread. The Deferred fires on the reactor thread with its result or failure."""
        result: Deferred[T] = Deferred()

        def work() -> None:
            try:
                value: Any = function(*arguments)
                fire: Callable[..., None] = result.callback
            except BaseException:
                value = Failure()
                fire = result.errback
            self._call_from_thread(fire, value)

        self._work.put(work)
        return result

    def stop(self) -> None:
        """End the thread once it has done all submitted work."""
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
