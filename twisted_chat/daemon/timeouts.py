"""One timer for all time-outs.

1. A late tick moves the time by one step only. Time-outs do not expire because the process was suspended or stopped.
2. An exception in a tick is logged, and the next tick comes as usual.
"""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

# The time between two ticks, in seconds: fine enough for time-outs of a minute.
TICK_SECONDS = 5.0
# A tick that is later than this was delayed by a stopped process, not by a busy reactor. In seconds.
HELD_UP_SECONDS = 5.0


class Ticker:
    """Calls ``tick`` every `TICK_SECONDS` with the time for which the process has run, in seconds."""

    log = Logger()

    def __init__(self, clock: IReactorTime, tick: Callable[[float], None]) -> None:
        self._clock = clock
        self._tick = tick
        self._now = 0.0
        self._last = 0.0
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Start the timer."""
        self._last = self._clock.seconds()
        self._call = self._clock.callLater(TICK_SECONDS, self._run)

    def stop(self) -> None:
        """Stop the timer. May be called twice."""
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _run(self) -> None:
        passed = self._clock.seconds() - self._last
        if passed > TICK_SECONDS + HELD_UP_SECONDS:
            self.log.warn("Process stalled {passed:.0f} s; time-outs extended.", passed=passed)
            passed = TICK_SECONDS
        self._now += passed
        self.start()
        try:
            self._tick(self._now)
        except Exception:
            self.log.failure("in a tick")
