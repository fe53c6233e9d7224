"""The queue of the one hashing thread, in a fair order.

1. Sources take turns, and so do the accounts of each source: a newcomer waits for at most one hash of every other source, and
   for one of every other account at the same source.
2. The queue is bounded, per source and in all. Beyond that, the newest item of the source or account with the most items is
   dropped: a crowd at one source does not displace logins from another.
"""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """A queue by source and account."""

    def __init__(self, per_source: int, most: int) -> None:
        self._per_source = per_source
        self._most = most
        self._sources: dict[str, dict[str, deque[T]]] = {}  # in the order of their turns
        self._sizes: dict[str, int] = {}  # by source
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, source: str, account: str, item: T) -> T | None:
        """Add an item. Return the item dropped for it, which may be the item itself, or None."""
        self._sources.setdefault(source, {}).setdefault(account, deque()).append(item)
        self._sizes[source] = self._sizes.get(source, 0) + 1
        self._size += 1
        if self._sizes[source] > self._per_source:
            return self._take_newest(source)
        if self._size > self._most:
            return self._take_newest(max(reversed(self._sizes), key=self._sizes.__getitem__))
        return None

    def next(self) -> T:
        """Remove and return the item whose turn it is. Raise `StopIteration` if the queue is empty."""
        source = next(iter(self._sources))
        accounts = self._sources.pop(source)
        account = next(iter(accounts))
        items = accounts.pop(account)
        item = items.popleft()
        if items:
            accounts[account] = items
        if accounts:
            self._sources[source] = accounts
        self._count_out(source)
        return item

    def _take_newest(self, source: str) -> T:
        """Remove and return the newest item of the account with the most items at a source; of several accounts, the latest."""
        accounts = self._sources[source]
        account = max(reversed(accounts), key=lambda one: len(accounts[one]))
        items = accounts[account]
        item = items.pop()
        if not items:
            del accounts[account]
            if not accounts:
                del self._sources[source]
        self._count_out(source)
        return item

    def _count_out(self, source: str) -> None:
        self._size -= 1
        self._sizes[source] -= 1
        if not self._sizes[source]:
            del self._sizes[source]
