"""Connections for which there is no room: each is told why in the words of its protocol, and closed.

1. The first bytes tell the protocol, as everywhere: they are waited for during the grace, and no more of them are looked at
   than `first_bytes.LONGEST`. A client that stays silent is told as a person.
2. At most `MOST_AT_ONCE` connections are waited for, and of those `MOST_A_SOURCE` from one address. What comes on top of that
   is told as a person, and closed at once: to be refused must cost the server next to nothing.
3. What was told has time to arrive: the connection is read, and what it sends thrown away, for `LINGER_SECONDS`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from twisted.internet.interfaces import IAddress, IDelayedCall, IHalfCloseableProtocol, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_chat.net.addresses import ip_of
from twisted_chat.protocols.detect import signatures
from twisted_chat.protocols.detect.candidate import Choice
from twisted_chat.protocols.detect.rejections import LINGER_SECONDS, Words, in_text

# How many connections that are refused are waited for at once, in all and from one address. See `resources.RESERVE`.
MOST_AT_ONCE, MOST_A_SOURCE = 48, 16


class NoRoom:
    """Turns connections away, and knows how many it still waits for."""

    def __init__(
        self, choices: Sequence[Choice], silent: Words, clock: IReactorTime, *, grace: float, closing_seconds: float
    ) -> None:
        """``silent`` are the words for a client that does not speak first. Times are in seconds."""
        self.choices = choices
        self.silent = silent
        self.clock = clock
        self.grace = grace
        self.closing_seconds = closing_seconds
        self._waiting: Counter[str] = Counter()  # by address

    def turn_away(self, address: IAddress | None, why: str) -> TurnedAway:
        """Return the protocol of a connection from there."""
        source = ip_of(address)
        if self._waiting.total() >= MOST_AT_ONCE or self._waiting[source] >= MOST_A_SOURCE:
            return TurnedAway(self, why, None)
        self._waiting[source] += 1
        return TurnedAway(self, why, source)

    def gone(self, source: str) -> None:
        """A connection that was waited for has ended."""
        self._waiting[source] -= 1
        if not self._waiting[source]:
            del self._waiting[source]

    def words(self, first: bytes) -> Words | None:
        """Return the words for a client that begins so; None while that can't be told."""
        maybe = False
        for choice in self.choices:
            match choice.fits(first):
                case True:
                    return choice.no_room
                case None:
                    maybe = True
        return None if maybe and len(first) < signatures.LONGEST else in_text


@implementer(IHalfCloseableProtocol)
class TurnedAway(Protocol):
    """One connection that is told why there is no room for it."""

    def __init__(self, factory: NoRoom, why: str, source: str | None) -> None:
        """Without a ``source`` it is not waited for."""
        self.factory = factory
        self._no_room = factory
        self._why = why
        self._source = source
        self._first = b""
        self._told = False
        self._next: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Called by the transport. So few bytes as are told go into any socket's buffer: the peer need not read them first.

        What a connection that is not waited for has sent already is taken out unread: else closing were a reset, and it
        might lose what it is told.
        """
        if self._source is not None:
            self._later(self._no_room.grace, lambda: self._tell(self._no_room.silent))
            return
        self.transport.write(in_text(self._why))
        if hasattr(self.transport, "getHandle"):
            with suppress(OSError):
                self.transport.getHandle().recv(65536)
        self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport. After the first bytes nothing is looked at."""
        if self._told or self._source is None:
            return
        self._first += data[: signatures.LONGEST]
        words = self._no_room.words(self._first)
        if words is not None:
            self._tell(words)

    def readConnectionLost(self) -> None:
        """Called by the transport: the peer will send no more."""
        if self._told:
            self._end()
        elif self._source is not None:
            self._tell(self._no_room.silent)

    def writeConnectionLost(self) -> None:
        """Called by the transport: all is written."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport."""
        self._forget()
        source, self._source = self._source, None
        if source is not None:
            self._no_room.gone(source)

    def _tell(self, words: Words) -> None:
        self._told = True
        self.transport.write(words(self._why))
        self._later(LINGER_SECONDS, self._end)
        if hasattr(self.transport, "loseWriteConnection"):
            self.transport.loseWriteConnection()

    def _end(self) -> None:
        self._later(self._no_room.closing_seconds, self.transport.abortConnection)
        self.transport.loseConnection()

    def _later(self, seconds: float, call: Callable[[], object]) -> None:
        self._forget()
        self._next = self._no_room.clock.callLater(seconds, call)

    def _forget(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
