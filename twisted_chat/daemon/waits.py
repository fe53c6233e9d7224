"""Timers and promises for the core, which imports neither the reactor nor Deferreds."""

from collections.abc import Callable, Generator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime


class Once:
    """The core's `Promise`."""

    def __init__(self) -> None:
        self._deferred: Deferred[None] = Deferred()

    def fire(self) -> None:
        """Fulfil the promise. May be called twice."""
        if not self._deferred.called:
            self._deferred.callback(None)

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait until the promise is fulfilled."""
        return self._deferred.__await__()


class ReactorWaits:
    """The core's `Waits`."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock

    def later(self, seconds: float, call: Callable[[], None]) -> object:
        """Call a function after so many seconds."""
        return self._clock.callLater(seconds, call)

    def promise(self) -> Once:
        """Return a new promise."""
        return Once()
