"""Rate and count limits. Time is an argument, in seconds of a monotonic clock.

The limits' values and reasons are in `config`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice

from twisted_chat.core.errors import TooOften

# The most addresses remembered at once: the one longest quiet is forgotten first.
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` at once, then ``per_second``: the generic cell rate algorithm (ITU-T I.371), whose state is one number.

    That number, ``due``, begins at 0. The caller keeps one for each limited subject; `spent` returns the next value.
    """

    burst: float
    per_second: float

    def wait(self, due: float, now: float) -> float:
        """Return the seconds until the next action is allowed; 0 if it is allowed now."""
        return max(0.0, due - (self.burst - 1) / self.per_second - now)

    def spent(self, due: float, now: float, cost: float = 1.0) -> float:
        """Return ``due`` after an action of this cost."""
        return max(due, now) + cost / self.per_second


@dataclass(frozen=True, slots=True)
class Often:
    """At most ``most`` times in ``span`` seconds."""

    most: int
    span: float


@dataclass(frozen=True, slots=True)
class Retries:
    """``free`` failures at once, then a wait of ``first`` seconds, doubled with each failure up to ``most``."""

    free: int
    first: float
    most: float

    def wait(self, failures: int) -> float:
        """Return the seconds to wait after the last of so many failures before another attempt."""
        over = failures - self.free
        return min(self.most, self.first * 2.0 ** min(over, 30)) if over >= 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessLimits:
    """The limits on guessing a secret: see `core.logins.attempts`."""

    pair: Retries  # by one source, at one subject
    source: Rate  # by one source, at all subjects
    subject: Rate  # at one subject, by all sources that it does not know
    patience: float  # seconds that an attempt waits for its turn


@dataclass(frozen=True, slots=True)
class Numbers:
    """The limits on connections; None is no limit."""

    most: int | None = None  # in all
    per_address: int | None = None  # at once
    unnamed: int | None = None  # of these, without a name
    new: Often | None = None  # from one address


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The limits that the hub enforces. None, where it is allowed, is no limit."""

    message_bytes: int  # of one message, in UTF-8
    rooms_a_person: int
    owned_rooms: int
    devices: int  # connections of one registered name
    guesses: GuessLimits
    lookups: Often | None  # by one person: who, history and the like
    searches: Often | None  # from one address
    registrations: Often | None  # attempts from one source
    registered: Often | None  # new accounts on the whole server
    rooms: int  # on the whole server
    accounts: int  # on the whole server


def with_one_more(some: frozenset[str], one: str, most: int) -> frozenset[str]:
    """Return a set with one more member. If it is full, another member gives way."""
    if one in some:
        return some
    kept = islice(some, most - 1) if len(some) >= most else some
    return frozenset((*kept, one))


class Window:
    """A limiter that applies one `Often` to each subject separately. With None it limits nothing.

    An attacker with many addresses can have a quiet subject's count forgotten: `MOST_REMEMBERED` others must be counted
    meanwhile. So guesses at secrets are counted elsewhere, by the secret that they target.
    """

    def __init__(self, often: Often | None) -> None:
        self._often = often
        self._times: dict[str, deque[float]] = {}

    def check(self, who: str, now: float, what: str) -> None:
        """Raise `TooOften` if there were too many. Count nothing."""
        times = self._times.get(who)
        if self._often is not None and times is not None:
            last = [time for time in times if time > now - self._often.span]
            if len(last) >= self._often.most:
                raise TooOften(f"{what} too often. Try again in {last[0] + self._often.span - now:.0f} seconds.")

    def take(self, who: str, now: float, what: str) -> None:
        """Count one more. Raise `TooOften` if there were too many; ``what`` begins its sentence."""
        if self._often is None:
            return
        times = self._times.pop(who, None) or deque()
        while times and times[0] <= now - self._often.span:
            times.popleft()
        self._times[who] = times
        if len(self._times) > MOST_REMEMBERED:
            del self._times[next(iter(self._times))]
        if len(times) >= self._often.most:
            raise TooOften(f"{what} too often. Try again in {times[0] + self._often.span - now:.0f} seconds.")
        times.append(now)
