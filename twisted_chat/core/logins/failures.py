"""What has failed: how often each source has failed at each subject, in a table that is bounded.

What is forgotten. An entry that has no more effect goes first; that costs nothing. If more than `MOST_REMEMBERED` are left,
those with the fewest failures go, never one of an attempt that is under way. To push out an entry that makes its source
wait, an attacker would have to fail as often in tens of thousands of others, and gains the few attempts of a new source:
what all sources together may try at one subject is counted elsewhere (`core.logins.turns`), and is never forgotten while it has
effect.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from twisted_chat.core.interfaces import Promise
from twisted_chat.core.rate_limits import Retries

K = TypeVar("K", bound=Hashable)

# How many entries a table has before those that matter least are forgotten, and how many are left then.
MOST_REMEMBERED = 50_000
LEFT = MOST_REMEMBERED * 3 // 4


@dataclass(slots=True)
class Entry:
    """What one source has failed at one subject."""

    settled: int = 0
    last: float = 0.0  # when it failed last
    reserved: int = 0  # attempts under way
    waiting: list[Promise] = field(default_factory=list)  # for the outcome of these

    @property
    def in_use(self) -> bool:
        """Whether an attempt is under way."""
        return self.reserved > 0 or bool(self.waiting)


class Failures(Generic[K]):
    """Entries by key."""

    def __init__(self, clock: Callable[[], float], retries: Retries) -> None:
        """``clock`` gives seconds and only goes forward."""
        self._clock = clock
        self._retries = retries
        self._entries: dict[K, Entry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def entry(self, key: K) -> Entry:
        """Return the entry of a key: a new one if there is none, or none that has an effect."""
        entry = self._entries.get(key)
        if entry is None:
            if len(self._entries) >= MOST_REMEMBERED:
                self._forget()
            entry = self._entries[key] = Entry()
        elif self._is_over(entry, self._clock()):
            entry.settled = 0
        return entry

    def settled(self, key: K) -> int:
        """Return how often a key has failed."""
        entry = self._entries.get(key)
        return entry.settled if entry is not None else 0

    def failed(self, key: K) -> None:
        """Count a failure."""
        entry = self.entry(key)
        entry.settled += 1
        entry.last = self._clock()

    def wait(self, entry: Entry) -> float:
        """Return how many seconds until another attempt; 0 if it may be made now."""
        return max(0.0, entry.last + self._retries.wait(entry.settled) - self._clock()) if entry.settled else 0.0

    def _is_over(self, entry: Entry, now: float) -> bool:
        """Return whether an entry is as good as none: its wait is long over."""
        return now >= entry.last + self._retries.wait(entry.settled) + self._retries.most

    def _forget(self) -> None:
        """Forget what has no effect any more; if that is too little, those with the fewest failures."""
        now = self._clock()
        for key in [key for key, entry in self._entries.items() if not entry.in_use and self._is_over(entry, now)]:
            del self._entries[key]
        idle = [(entry.settled, entry.last, key) for key, entry in self._entries.items() if not entry.in_use]
        idle.sort(key=lambda one: one[:2])
        for _, _, key in idle[: max(0, len(self._entries) - LEFT)]:
            del self._entries[key]
