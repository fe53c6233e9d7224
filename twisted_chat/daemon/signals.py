"""End the daemon at the first SIGTERM or SIGINT. Later ones have no effect, since the shutdown is bounded in time."""

import signal
from collections.abc import Callable
from itertools import count
from types import FrameType
from typing import Any


class Ending:
    """The handlers of SIGTERM and SIGINT. Twisted's own queue one call a signal, and the second call raises."""

    def __init__(self, reactor: Any, again: Callable[[], object]) -> None:
        """``again`` is called in the reactor at each signal after the first."""
        self._reactor = reactor
        self._again = again
        self._times = count()
        self._theirs: dict[int, Callable[[int, FrameType | None], object]] = {}

    def watch(self) -> None:
        """Wrap the reactor's signal handlers. Call it while the reactor runs. Leave handlers set by others alone."""
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            if callable(handler) and getattr(handler, "__self__", None) is self._reactor:
                self._theirs[number] = handler
                signal.signal(number, self._asked)

    def has_begun(self) -> None:
        """Make every further signal call ``again`` only. Called when the shutdown begins."""
        next(self._times)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        # Counting is one atomic step: the handler of another signal can interrupt this one between any two steps.
        if next(self._times):
            self._reactor.callFromThread(self._again)
        else:
            self._theirs[number](number, frame)
