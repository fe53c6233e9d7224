"""The sources that an account knows: its right password or key came from there. Guesses from elsewhere do not delay them.

Only a digest of a source is kept, keyed with a secret of this server: the record alone does not reveal the address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b

from twisted_chat.core.logins.sources import source_of
from twisted_chat.core.records import Account
from twisted_chat.core.users.session import Way

# The most sources that an account knows: home, work, a telephone or two; the one longest unused is forgotten first.
MOST_KNOWN = 8


class KnownSources:
    """A reader and maker of the marks that accounts keep of their sources."""

    def __init__(self, secret: Callable[[], str]) -> None:
        """``secret`` returns at most 64 characters, which stay the same across restarts."""
        self._secret = secret

    def mark(self, way: Way) -> str:
        """Return the mark of a connection's source."""
        return blake2b(source_of(way.address).encode(), key=self._secret().encode(), digest_size=9).hexdigest()

    def knows(self, account: Account, way: Way) -> bool:
        """Return whether a connection comes from a source that the account knows."""
        return bool(account.sources) and self.mark(way) in account.sources

    def learn(self, account: Account, way: Way) -> Account:
        """Return the account with a connection's source as its latest known one."""
        mark = self.mark(way)
        return replace(account, sources=(*(one for one in account.sources if one != mark), mark)[-MOST_KNOWN:])
