"""How often. Time comes in as an argument, in seconds of a clock that only goes forward."""

from __future__ import annotations

from collections import deque

from twisted_chat.core.errors import TooOften

# Of how many addresses something is remembered at once: the one longest quiet is forgotten first.
MOST_REMEMBERED = 10_000


class Backoff:
    """Who fails again and again has to wait, ever longer: `free` times at once, then ``first`` seconds, doubled to ``most``.

    A success wipes nothing out: else whoever knows one password could try another's without end.
    """

    def __init__(self, free: int, first: float, most: float) -> None:
        self._free, self._first, self._most = free, first, most
        self._failures: dict[str, tuple[int, float]] = {}  # how often, and until when no other try is taken

    def check(self, who: str, now: float) -> None:
        """Raises `TooOften` if it is not yet time for another try."""
        failures, until = self._failures.get(who, (0, 0.0))
        if failures and now >= until + self._most:
            del self._failures[who]
        elif now < until:
            raise TooOften(f"Too many wrong passwords from there. Try again in {until - now:.0f} seconds.")

    def failed(self, who: str, now: float) -> None:
        """Count a failure."""
        failures = self._failures.pop(who, (0, 0.0))[0] + 1
        wait = 0.0 if failures < self._free else min(self._most, self._first * 2.0 ** min(failures - self._free, 30))
        self._failures[who] = (failures, now + wait)
        if len(self._failures) > MOST_REMEMBERED:
            del self._failures[next(iter(self._failures))]


class Window:
    """At most ``most`` times in ``span`` seconds, for each of whom it is asked."""

    def __init__(self, most: int, span: float) -> None:
        self._most, self._span = most, span
        self._times: dict[str, deque[float]] = {}

    def take(self, who: str, now: float, what: str) -> None:
        """Count one more. Raises `TooOften` if there were too many."""
        times = self._times.pop(who, None) or deque()
        while times and times[0] <= now - self._span:
            times.popleft()
        self._times[who] = times
        if len(self._times) > MOST_REMEMBERED:
            del self._times[next(iter(self._times))]
        if len(times) >= self._most:
            raise TooOften(f"{what} too often. Try again in {times[0] + self._span - now:.0f} seconds.")
        times.append(now)
