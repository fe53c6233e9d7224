"""Load what is not needed for listening right after the start, one module after the other.

A connection that needs a module earlier waits only for that module.
"""

from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

# The pause after the start, and between two loads, in seconds, in which the processor serves clients.
LOADING_SECONDS = 0.05


class Loading:
    """A timer that calls each loader once."""

    def __init__(self, clock: IReactorTime, loads: Iterable[Callable[[], object]]) -> None:
        self._clock = clock
        self._loads = iter(loads)
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Start the timer."""
        self._call = self._clock.callLater(LOADING_SECONDS, self._run)

    def stop(self) -> None:
        """Stop loading. May be called twice."""
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _run(self) -> None:
        load = next(self._loads, None)
        if load is not None:
            self.start()  # even if this loader fails, which the reactor logs
            load()
