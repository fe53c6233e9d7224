"""Failed attempts: a bounded table of how often each source has failed at each subject.

Entries that have no effect any more are forgotten first; that costs nothing. If more than `MOST_REMEMBERED` remain, those with
the fewest failures are forgotten, except entries with an attempt under way. To push out an entry that makes its source wait, an
attacker must fail as often in tens of thousands of other entries, and gains only the few attempts of a new source. The limit
on one subject for all sources together is counted elsewhere (`core.logins.turns`), and is never forgotten while it has effect.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from twisted_chat.core.interfaces import Promise
from twisted_chat.core.rate_limits import Retries

K = TypeVar("K", bound=Hashable)

# The size of a table at which its least important entries are forgotten, and the size left then.
MOST_REMEMBERED = 50_000
LEFT = MOST_REMEMBERED * 3 // 4


@dataclass(slots=True)
class Entry:
    """The failures of one source at one subject."""

    settled: int = 0  # the number of failures
    last: float = 0.0  # the time of the last failure
    reserved: int = 0  # attempts under way
    waiting: list[Promise] = field(default_factory=list)  # attempts that wait for the outcome of these

    @property
    def in_use(self) -> bool:
        """True if an attempt is under way."""
        return self.reserved > 0 or bool(self.waiting)


class Failures(Generic[K]):
    """A bounded table of entries by key."""

    def __init__(self, clock: Callable[[], float], retries: Retries) -> None:
        """``clock`` gives monotonic seconds."""
        self._clock = clock
        self._retries = retries
        self._entries: dict[K, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, key: K) -> Entry:
        """Return the entry of a key: a new one if there is none, a reset one if it has no effect any more."""
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= MOST_REMEMBERED:
                self._forget()
            entry = self._entries[key] = Entry()
        elif self._is_over(entry, self._clock()):
            entry.settled = 0
        return entry

    def settled(self, key: K) -> int:
        """Return the number of a key's failures."""
        entry = self._entries.get(key)
        return entry.settled if entry is not None else 0

    def failed(self, key: K) -> None:
        """Count a failure."""
        entry = self.entry(key)
        entry.settled += 1
        entry.last = self._clock()

    def wait(self, entry: Entry) -> float:
        """Return the seconds until the next attempt is allowed; 0 if it is allowed now."""
        return max(0.0, entry.last + self._retries.wait(entry.settled) - self._clock()) if entry.settled else 0.0

    def _is_over(self, entry: Entry, now: float) -> bool:
        """Return whether an entry has no effect any more: its wait is long over."""
        return now >= entry.last + self._retries.wait(entry.settled) + self._retries.most

    def _forget(self) -> None:
        """Forget entries that have no effect any more; if that is too little, those with the fewest failures."""
        now = self._clock()
        for key in [key for key, entry in self._entries.items() if not entry.in_use and self._is_over(entry, now)]:
            del self._entries[key]
        idle = [(entry.settled, entry.last, key) for key, entry in self._entries.items() if not entry.in_use]
        idle.sort(key=lambda one: one[:2])
        for _, _, key in idle[: max(0, len(self._entries) - LEFT)]:
            del self._entries[key]
