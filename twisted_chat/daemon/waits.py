"""How the core waits: with the reactor's timers, and with Deferreds. It imports neither."""

from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime


class Once:
    """The core's `Promise`."""

    def __init__(self) -> None:
        self._deferred: Deferred[None] = Deferred()

    def fire(self) -> None:
        """It has happened. May be called twice."""
        if not self._deferred.called:
            self._deferred.callback(None)

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait until it has."""
        return self._deferred.__await__()


class ReactorWaits:
    """The core's `Waits`."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    def later(self, seconds: float, call: Callable[[], None]) -> object:
        """Call in so many seconds."""
        return self._clock.callLater(seconds, call)

    def promise(self) -> Once:
        """Return a new one."""
        return Once()
