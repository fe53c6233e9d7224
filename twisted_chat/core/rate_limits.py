"""How often, and how many. Time comes in as an argument, in seconds of a clock that only goes forward.

The numbers themselves, with their reasons, stand in `config`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice

from twisted_chat.core.errors import TooOften

# Of how many addresses something is remembered at once: the one longest quiet is forgotten first.
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` at once, then ``per_second``: the generic cell rate algorithm (ITU-T I.371), whose state is one number.

    That number, ``due``, begins at 0 and belongs to whoever is limited; `spent` gives the next one.
    """

    burst: float
    per_second: float

    def wait(self, due: float, now: float) -> float:
        """How many seconds until something may be done again; 0 if it may be done now."""
        return max(0.0, due - (self.burst - 1) / self.per_second - now)

    def spent(self, due: float, now: float, cost: float = 1.0) -> float:
        """``due`` after something that costs so much was done."""
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
        """Return how many seconds after the last of so many failures another attempt may be made."""
        over = failures - self.free
        return min(self.most, self.first * 2.0 ** min(over, 30)) if over >= 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessLimits:
    """How often a secret may be guessed: see `core.logins.attempts`."""

    pair: Retries  # by one source, at one subject
    source: Rate  # by one source, at all subjects
    subject: Rate  # at one subject, by all sources that it does not know
    patience: float  # seconds that an attempt waits for its turn


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many connections there may be; None is no limit."""

    most: int | None = None  # in all
    per_address: int | None = None  # at once
    unnamed: int | None = None  # of these, without a name
    new: Often | None = None  # from one address


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the hub holds people to. Of what may be done ever so often, None sets no bound."""

    message_bytes: int  # of UTF-8, one message
    rooms_a_person: int
    owned_rooms: int
    devices: int  # connections of one registered name
    guesses: GuessLimits
    lookups: Often | None  # of one person: who, history and the like
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
    """Holds everybody to an `Often`, each for themselves. Without one, nobody is held to anything.

    Whoever has many addresses can have a count forgotten, of one of whom nothing was heard while `MOST_REMEMBERED` others
    were counted: that is why what is guessed is counted elsewhere, by what it is a guess at.
    """

    def __init__(self, often: Often | None) -> None:
        self._often = often
        self._times: dict[str, deque[float]] = {}

    def check(self, who: str, now: float, what: str) -> None:
        """Raises `TooOften` if there were too many. Nothing is counted."""
        times = self._times.get(who)
        if self._often is not None and times is not None:
            last = [time for time in times if time > now - self._often.span]
            if len(last) >= self._often.most:
                raise TooOften(f"{what} too often. Try again in {last[0] + self._often.span - now:.0f} seconds.")

    def take(self, who: str, now: float, what: str) -> None:
        """Count one more. Raises `TooOften` if there were too many; ``what`` begins its sentence."""
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
