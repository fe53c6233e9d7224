"""The sources that an account knows: where its password or key has come from. Guesses made elsewhere don't delay it there.

What is kept of a source is a digest with a secret of this server: who reads the record alone can't tell the address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b

from twisted_chat.core.logins.sources import source_of
from twisted_chat.core.records import Account
from twisted_chat.core.users.session import Way

# How many an account knows: home, work, a telephone or two; the one longest unused is forgotten first.
MOST_KNOWN = 8


class KnownSources:
    """Reads and makes the marks of sources in accounts."""

    def __init__(self, secret: Callable[[], str]) -> None:
        """``secret`` gives up to 64 characters that outlive the process."""
        self._secret = secret

    def mark(self, way: Way) -> str:
        """Return what stands for a connection's source."""
        return blake2b(source_of(way.address).encode(), key=self._secret().encode(), digest_size=9).hexdigest()

    def knows(self, account: Account, way: Way) -> bool:
        """Return whether a connection comes from a source that the account knows."""
        return bool(account.sources) and self.mark(way) in account.sources

    def learn(self, account: Account, way: Way) -> Account:
        """Return the account with a connection's source as the latest that it knows."""
        mark = self.mark(way)
        return replace(account, sources=(*(one for one in account.sources if one != mark), mark)[-MOST_KNOWN:])
