"""One timer for all time-outs: it says what time it is, every few seconds, to whoever has to give up on something.

1. Time that the process was stopped or starved is not counted against anybody: a tick that comes far too late moves
   the clock on by one step only. So nobody is cut off after a suspend, a SIGSTOP or a debugger.
2. What goes wrong in a tick is logged, and the next one comes all the same.
"""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

# In seconds: fine enough for time-outs of a minute.
TICK_SECONDS = 5.0
# A tick that is so late shows that the process was held up, in seconds; a busy reactor's is not.
HELD_UP_SECONDS = 5.0


class Ticker:
    """Calls something every `TICK_SECONDS` with the time, in seconds since some moment, that the process has run for."""

    log = Logger()

    def __init__(self, clock: IReactorTime, tick: Callable[[float], None]) -> None:
        self._clock = clock
        self._tick = tick
        self._now = 0.0
        self._last = 0.0
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin."""
        self._last = self._clock.seconds()
        self._call = self._clock.callLater(TICK_SECONDS, self._run)

    def stop(self) -> None:
        """End. May be called twice."""
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _run(self) -> None:
        passed = self._clock.seconds() - self._last
        if passed > TICK_SECONDS + HELD_UP_SECONDS:
            self.log.warn("Held up for {passed:.0f} s: nobody is made to pay for it.", passed=passed)
            passed = TICK_SECONDS
        self._now += passed
        self.start()
        try:
            self._tick(self._now)
        except Exception:
            self.log.failure("in a tick")
