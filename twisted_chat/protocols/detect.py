"""One port: the first bytes choose the protocol; a silent client is a person.

1. `Row.fits` answers True (this is it), False (this can't be), or None (so far it could be: more bytes, please).
   The first row that fits takes the connection, and gets all bytes from the first.
2. When no row can fit any more it is a person. Neither is anybody announced, nor has a session, before that.
3. Clients of most protocols speak first; people wait to be spoken to. Who is silent for the grace is greeted as a
   person, and still listened to: if the first bytes then fit a row, that row takes over.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.internet.interfaces import IAddress, IDelayedCall, IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_chat.core.gate import Full, Gate, Slot
from twisted_chat.protocols.connection import ChatFactory, LineConnection, address_text, ip_of
from twisted_chat.protocols.framing import BYTE_ORDER_MARK
from twisted_chat.protocols.text import sentence
from twisted_chat.sockets import tune


@dataclass(frozen=True, slots=True)
class Row:
    """A protocol whose clients speak first."""

    fits: Callable[[bytes], bool | None]
    factory: ChatFactory


def begins_with(*prefixes: bytes) -> Callable[[bytes], bool | None]:
    """Fits bytes that begin with one of these."""

    def fits(data: bytes) -> bool | None:
        if any(data.startswith(prefix) for prefix in prefixes):
            return True
        return None if any(prefix.startswith(data) for prefix in prefixes) else False

    return fits


looks_like_json = begins_with(b"{", BYTE_ORDER_MARK + b"{")


@implementer(IHalfCloseableProtocol)
class Detector(Protocol):
    """Holds a connection until it is known what speaks there."""

    factory: "DetectorFactory"

    def __init__(self, factory: "DetectorFactory", slot: Slot | None = None) -> None:
        """``slot`` is given back by the transport."""
        self.factory = factory
        self.slot = slot
        self._first = b""
        self._greeted: LineConnection | None = None
        self._grace: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Called by the transport."""
        self.factory.log.info("[NEW CONNECTION] {peer} connected.", peer=address_text(self.transport.getPeer()))
        tune(self.transport, self.factory.config.patience)
        self.factory.undecided.add(self)
        if self.factory.rows:
            self._grace = self.factory.clock.callLater(self.factory.config.grace, self._greet)
        else:
            self._hand_over(self.factory.people)

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport, with the first bytes or some of them."""
        self._first += data
        maybe = False
        for row in self.factory.rows:
            match row.fits(self._first):
                case True:
                    self._hand_over(row.factory)
                    return
                case None:
                    maybe = True
        if not maybe:
            self._hand_over(self.factory.people)

    def readConnectionLost(self) -> None:
        """Called by the transport: nothing more will come. A person it is, who has typed this or nothing."""
        person = self._hand_over(self.factory.people)
        person.readConnectionLost()

    def writeConnectionLost(self) -> None:
        """Called by the transport. `connectionLost` follows."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport, if the connection ended undecided."""
        self._forget()
        if self._greeted is not None:
            self._greeted.connectionLost(reason)

    def close(self) -> None:
        """The server shuts down."""
        self.transport.loseConnection()

    def _greet(self) -> None:
        """Nothing came, or too little: make it a person's connection, but look at the first bytes first."""
        self._greeted = self.factory.people.buildProtocol(None)
        self._greeted.makeConnection(self.transport)

    def _hand_over(self, factory: ChatFactory) -> LineConnection:
        self._forget()
        greeted = self._greeted
        if greeted is not None and greeted.factory is factory:
            protocol = greeted
        else:
            if greeted is not None:
                greeted.withdraw()
            protocol = factory.buildProtocol(None)
            protocol.makeConnection(self.transport)
        self.transport.protocol = protocol
        if self._first:
            protocol.dataReceived(self._first)
        return protocol

    def _forget(self) -> None:
        self.factory.undecided.discard(self)
        if self._grace is not None and self._grace.active():
            self._grace.cancel()


class TurnedAway(Protocol):
    """A connection for which there is no room: it is told why, and closed."""

    def __init__(self, why: str) -> None:
        self._why = why

    def connectionMade(self) -> None:
        """Called by the transport. So few bytes go into any socket's buffer: the peer need not read for this to end."""
        self.transport.write(sentence(self._why))
        self.transport.loseConnection()


class DetectorFactory(ServerFactory):
    """Listens on a port where several protocols are spoken."""

    noisy = False
    log = Logger()

    def __init__(self, people: ChatFactory, rows: Sequence[Row], gate: Gate) -> None:
        """Who comes through the ``gate`` is a person, unless a row fits."""
        self.people = people
        self.rows = tuple(rows)
        self.gate = gate
        self.clock = people.clock
        self.config = people.config
        self.undecided: set[Detector] = set()

    def buildProtocol(self, addr: IAddress | None) -> "Detector | TurnedAway":
        """Called for each connection."""
        try:
            slot = self.gate.enter(ip_of(addr), self.clock.seconds())
        except Full as error:
            return TurnedAway(str(error))
        return Detector(self, slot)
