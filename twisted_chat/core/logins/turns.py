"""Turns: attempts at one subject from unknown sources are evaluated at a limited rate. Beyond it, each waits for its turn.

1. The next turn goes to the attempt whose network has failed least at this subject; then the source's failures decide, then
   the newest attempt wins. So an attack's queue never delays its victim at a new address: an attempt without failures is
   served next, unless equally new ones keep coming.
2. An attempt that has waited for `patience` seconds is told to try again: none hangs.
3. A subject is forgotten once its rate has recovered and no attempt waits: that loses nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from math import ceil
from typing import Generic, TypeVar

from twisted_chat.core.errors import TooOften
from twisted_chat.core.interfaces import Promise, Waits
from twisted_chat.core.rate_limits import Rate

T = TypeVar("T", bound=Hashable)

# The number of subjects at which those that have recovered are forgotten.
SWEEP = 1000
# The most attempts that wait for one subject; beyond that, the last in order is told to try again.
MOST_WAITING = 500


@dataclass(eq=False, slots=True)
class _Waiting:
    """A waiting attempt."""

    promise: Promise
    rank: Callable[[], tuple[int, int]]
    number: int
    until: float
    served: bool = False


class _Lane:
    """The rate and the queue of one subject."""

    def __init__(self) -> None:
        self.due = 0.0  # see `Rate`
        self.waiting: list[_Waiting] = []
        self.called = False  # true if a timer for the next turn is set


class Turns(Generic[T]):
    """The queues of waiting attempts, by subject."""

    def __init__(self, clock: Callable[[], float], waits: Waits, rate: Rate, patience: float) -> None:
        """``clock`` gives monotonic seconds."""
        self._clock = clock
        self._waits = waits
        self._rate = rate
        self._patience = patience
        self._lanes: dict[T, _Lane] = {}
        self._number = 0

    def take(self, subject: T, rank: Callable[[], tuple[int, int]]) -> Awaitable[None] | None:
        """Take a turn. Return None if it is now; otherwise an awaitable, which raises `TooOften` after too long a wait.

        ``rank`` returns the failures of the attempt's network and of its source.
        """
        lane = self._lane(subject)
        now = self._clock()
        if not lane.waiting and not self._rate.wait(lane.due, now):
            lane.due = self._rate.spent(lane.due, now)
            return None
        self._number += 1
        one = _Waiting(self._waits.promise(), rank, self._number, now + self._patience)
        lane.waiting.append(one)
        if len(lane.waiting) > MOST_WAITING:
            self._end(lane, max(lane.waiting, key=_order))
        self._arrange(lane)
        return self._served(one)

    def give_back(self, subject: T) -> None:
        """Give back a turn that was not needed, or whose secret was right."""
        lane = self._lanes.get(subject)
        if lane is not None:
            lane.due -= 1 / self._rate.per_second
            self._serve(lane)

    async def _served(self, one: _Waiting) -> None:
        await one.promise
        if not one.served:
            raise too_often(1 / self._rate.per_second)

    def _arrange(self, lane: _Lane) -> None:
        """Set a timer for the next turn, or for the earliest deadline of a waiting attempt."""
        if lane.called or not lane.waiting:
            return
        lane.called = True
        now = self._clock()
        soonest = min(one.until for one in lane.waiting) - now
        self._waits.later(max(0.0, min(self._rate.wait(lane.due, now), soonest)), lambda: self._called(lane))

    def _called(self, lane: _Lane) -> None:
        lane.called = False
        self._serve(lane)

    def _serve(self, lane: _Lane) -> None:
        now = self._clock()
        while lane.waiting and not self._rate.wait(lane.due, now):
            lane.due = self._rate.spent(lane.due, now)
            best = min(lane.waiting, key=_order)
            best.served = True
            self._end(lane, best)
        while (late := next((one for one in lane.waiting if one.until <= now), None)) is not None:
            self._end(lane, late)  # this may change the waiting attempts: look again
        self._arrange(lane)

    @staticmethod
    def _end(lane: _Lane, one: _Waiting) -> None:
        lane.waiting.remove(one)
        one.promise.fire()

    def _lane(self, subject: T) -> _Lane:
        lane = self._lanes.get(subject)
        if lane is None:
            if len(self._lanes) >= SWEEP:
                now = self._clock()
                self._lanes = {key: one for key, one in self._lanes.items() if one.waiting or one.called or one.due > now}
            lane = self._lanes[subject] = _Lane()
        return lane


def _order(one: _Waiting) -> tuple[int, int, int]:
    return (*one.rank(), -one.number)


def too_often(wait: float) -> TooOften:
    """Return the error for an attempt that must wait: the same for each limit, and whether or not the account exists."""
    seconds = max(1, ceil(wait))
    return TooOften(f"Too many wrong passwords or codes. Try again in {seconds} second{'s' if seconds > 1 else ''}.")
