"""SIGTERM and SIGINT end the daemon, once. A shutdown is bounded: asked for again, Twisted would only log a traceback."""

import signal
from collections.abc import Callable
from itertools import count
from types import FrameType
from typing import Any


class Ending:
    """The signals that ask for the end. Twisted's own handlers queue a call each, and the second such call raises."""

    def __init__(self, reactor: Any, again: Callable[[], object]) -> None:
        """``again`` is called in the reactor for each signal that comes when the end is near already."""
        self._reactor = reactor
        self._again = again
        self._times = count()
        self._theirs: dict[int, Callable[[int, FrameType | None], object]] = {}

    def watch(self) -> None:
        """Stand before the reactor's handlers. Called when it runs, and has them; what others have set is left alone."""
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler) and getattr(handler, "__self__", None) is self._reactor:
                self._theirs[number] = handler
                signal.signal(number, self._asked)

    def has_begun(self) -> None:
        """The end is near: from now on signals only call ``again``."""
        next(self._times)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        # To count is one step: while a handler runs, another signal's may come in between any two.
        if next(self._times):
            self._reactor.callFromThread(self._again)
        else:
            self._theirs[number](number, frame)
