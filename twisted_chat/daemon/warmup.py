"""What listening does not wait for: loaded right after the start, one thing after the other.

Whoever comes in sooner, and is in need of one of these things, waits for that one alone.
"""

from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

# How long after the start, and after each other, in seconds: in between, the processor is for those who are there.
LOADING_SECONDS = 0.05


class Loading:
    """Calls what loads something, each once."""

    def __init__(self, clock: IReactorTime, loads: Iterable[Callable[[], object]]) -> None:
        self._clock = clock
        self._loads = iter(loads)
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin."""
        self._call = self._clock.callLater(LOADING_SECONDS, self._run)

    def stop(self) -> None:
        """Leave what is not loaded yet. May be called twice."""
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _run(self) -> None:
        load = next(self._loads, None)
        if load is not None:
            self.start()  # also if this one fails, which the reactor logs
            load()
