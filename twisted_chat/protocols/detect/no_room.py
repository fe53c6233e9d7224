"""Rejection of connections above the limits: each receives the reason in its own protocol, and is closed.

1. The first bytes identify the protocol, as in `detector`. The server waits for them during the grace, and inspects at most
   `signatures.LONGEST` of them. A client that stays silent receives the reason as plain text.
2. The server waits for at most `MOST_AT_ONCE` connections, and for `MOST_A_SOURCE` from one address. Connections beyond
   that receive plain text and are closed at once: a refusal must cost the server next to nothing.
3. The reason has time to arrive: the server reads and discards input for `LINGER_SECONDS`.
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

# The limits on refused connections that the server waits for, in all and from one address. See `resources.RESERVE`.
MOST_AT_ONCE, MOST_A_SOURCE = 48, 16


class NoRoom:
    """The maker of rejected connections. It counts the ones that the server still waits for."""

    def __init__(
        self, choices: Sequence[Choice], silent: Words, clock: IReactorTime, *, grace: float, closing_seconds: float
    ) -> None:
        """Set the candidates and the time limits, in seconds. ``silent`` encodes the reason for a silent client."""
        self.choices = choices
        self.silent = silent
        self.clock = clock
        self.grace = grace
        self.closing_seconds = closing_seconds
        self._waiting: Counter[str] = Counter()  # by address

    def turn_away(self, address: IAddress | None, why: str) -> TurnedAway:
        """Return the protocol for a rejected connection from this address."""
        source = ip_of(address)
        if self._waiting.total() >= MOST_AT_ONCE or self._waiting[source] >= MOST_A_SOURCE:
            return TurnedAway(self, why, None)
        self._waiting[source] += 1
        return TurnedAway(self, why, source)

    def gone(self, source: str) -> None:
        """Remove an ended connection from the count."""
        self._waiting[source] -= 1
        if not self._waiting[source]:
            del self._waiting[source]

    def words(self, first: bytes) -> Words | None:
        """Return the encoder for a client with these first bytes, or None if more bytes are needed."""
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
    """One rejected connection, which receives the reason."""

    def __init__(self, factory: NoRoom, why: str, source: str | None) -> None:
        """Wait for first bytes only if there is a ``source``, the address under which the connection is counted."""
        self.factory = factory
        self._no_room = factory
        self._why = why
        self._source = source
        self._first = b""
        self._told = False
        self._next: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Called by the transport. The reason fits in any socket's buffer, so the peer need not read it first.

        Input that has already arrived is discarded if the server does not wait for the connection. Otherwise closing the
        socket would reset it, and the peer might lose the reason.
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
        """Called by the transport. Discard input after the first bytes."""
        if self._told or self._source is None:
            return
        self._first += data[: signatures.LONGEST]
        words = self._no_room.words(self._first)
        if words is not None:
            self._tell(words)

    def readConnectionLost(self) -> None:
        """Called by the transport at the end of input."""
        if self._told:
            self._end()
        elif self._source is not None:
            self._tell(self._no_room.silent)

    def writeConnectionLost(self) -> None:
        """Called by the transport when all output is written."""

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
