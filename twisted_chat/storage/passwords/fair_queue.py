"""What waits for the one thread that hashes, in a fair order.

1. Sources take turns, and of each source its accounts: a newcomer waits for at most one hash of every other source, and
   at the same source for one of every other account there.
2. It is bounded, by source and in all. Beyond that, the newest of whoever has most waiting gives way: one source's crowd does
   not turn another's away.
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
        """Add an item. Returns what had to give way for it, which may be the item itself."""
        self._sources.setdefault(source, {}).setdefault(account, deque()).append(item)
        self._sizes[source] = self._sizes.get(source, 0) + 1
        self._size += 1
        if self._sizes[source] > self._per_source:
            return self._take_newest(source)
        if self._size > self._most:
            return self._take_newest(max(reversed(self._sizes), key=self._sizes.__getitem__))
        return None

    def next(self) -> T:
        """Take the item whose turn it is. Raises `StopIteration` if there is none."""
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
        """Take the newest item of the account that has most waiting at a source; of several, the latest."""
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
