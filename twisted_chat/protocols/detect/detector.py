"""Protocol detection on one port: the first bytes choose the protocol, and a silent client is a person.

1. The first row that matches takes the connection and receives all bytes from the first. When no row can match any more,
   ``others`` takes it: usually the protocol for people. The client has no session and is not announced before that.
2. Clients of most protocols speak first; people wait for a greeting. A client that is silent for the grace is greeted as a
   person. A row may still take over when the first bytes arrive, if its clients skip a greeting. If they do not, the
   connection ends: the server never treats such input as a person's words.
3. The same rules apply inside TLS, from the end of the handshake. A TLS 1.2 client speaks one round trip later: the grace
   grows by the duration of the handshake.
4. A browser opens several connections, and uses some of them later. The grace is longer for an address from which a browser
   has just sent a request.
5. Time and memory are bounded: the handshake by its time-out, silence by the time limit for a name, and the first bytes by
   `signatures.LONGEST`.
"""

from collections.abc import Sequence
from typing import Protocol as Shape

from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IProtocolFactory,
    IReactorTime,
    ISSLTransport,
)
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_chat.net.addresses import address_text, ip_of
from twisted_chat.net.connection_limits import Full, Gate, Slot
from twisted_chat.net.tcp import give, tune
from twisted_chat.protocols.connection import LineConnection
from twisted_chat.protocols.detect.candidate import Choice
from twisted_chat.protocols.detect.no_room import NoRoom, TurnedAway

# The time-out of a TLS handshake, in seconds: three round trips to the other side of the world, each lost once.
HANDSHAKE_SECONDS = 10.0
# The grace of a browser's other connections, in seconds, which is also how long an address with a browser is remembered; and
# the limit of such addresses.
BROWSERS_SECONDS = 2.0
BROWSERS = 1000

# The wait before a whole line counts as a person's, in seconds, if it could still begin another protocol. An empty line
# could begin a PROXY header, but such headers arrive in one piece.
WHOLE_LINE_SECONDS = 0.3


class Undecided(Shape):
    """A connection without a session."""

    def close(self) -> None:
        """Close the connection because the server shuts down."""


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class Detector(Protocol):
    """The holder of a connection until its protocol is known."""

    factory: "DetectorFactory"

    def __init__(self, factory: "DetectorFactory", slot: Slot | None = None) -> None:
        """Hold ``slot``, which the transport releases."""
        self.factory = factory
        self.slot = slot
        self._first = b""
        self._greeted: LineConnection | None = None
        self._timer: IDelayedCall | None = None
        self._deciding: IDelayedCall | None = None
        self._since = 0.0

    def connectionMade(self) -> None:
        """Called by the transport."""
        self._since = self.factory.clock.seconds()
        self.factory.undecided.add(self)
        if self.slot is not None:
            self.factory.log.info("[NEW CONNECTION] {peer} connected.", peer=address_text(self.transport.getPeer()))
            tune(self.transport, self.factory.patience)
        if ISSLTransport.providedBy(self.transport):
            self._timer = self.factory.clock.callLater(HANDSHAKE_SECONDS, self.transport.abortConnection)
        else:
            self._wait(self.factory.grace)

    def handshakeCompleted(self) -> None:
        """Called by TLS."""
        self._stop_timer()
        self._wait(self.factory.grace and self.factory.grace + self.factory.clock.seconds() - self._since)

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport, with the first bytes or some of them."""
        if self.transport.disconnecting:
            return
        self._first += data
        maybe = False
        for choice in self.factory.choices:
            match choice.fits(self._first):
                case True:
                    if choice.several:
                        self.factory.browses(ip_of(self.transport.getPeer()))
                    late = self._greeted is not None and not choice.survives
                    self._hand_over(self.factory.too_late if late else choice.factory)
                    return
                case None:
                    maybe = True
        if not maybe:
            self._hand_over(self.factory.others)
        elif b"\n" in self._first and self._deciding is None:
            self._deciding = self.factory.clock.callLater(WHOLE_LINE_SECONDS, self._hand_over, self.factory.others)

    def readConnectionLost(self) -> None:
        """Called by the transport at the end of input. The client counts as a person, with or without a typed line."""
        protocol = self._hand_over(self.factory.others)
        if IHalfCloseableProtocol.providedBy(protocol):
            protocol.readConnectionLost()
        else:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Called by the transport. `connectionLost` follows."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport, if the connection ended before its protocol was known."""
        self._forget()
        if self._greeted is not None:
            self._greeted.connectionLost(reason)

    def close(self) -> None:
        """Close the connection because the server shuts down."""
        self.transport.loseConnection()

    def _wait(self, grace: float) -> None:
        """Wait ``grace`` seconds for first bytes. Greet the client at once if the grace is zero."""
        if grace:
            self._timer = self.factory.clock.callLater(grace, self._greet)
        else:
            self._greet()

    def _greet(self) -> None:
        """Greet a client that has sent too little as a person. Its first bytes are still inspected."""
        longer = self._since + BROWSERS_SECONDS - self.factory.clock.seconds()
        if longer > 0 and self.factory.grace and self.factory.has_browser(ip_of(self.transport.getPeer())):
            self._wait(longer)
            return
        protocol = self.factory.others.buildProtocol(None)
        if isinstance(protocol, LineConnection):
            self._greeted = protocol
        else:
            self._forget()
            give(self.transport, protocol)
        protocol.makeConnection(self.transport)

    def _hand_over(self, factory: IProtocolFactory) -> Protocol:
        self._forget()
        greeted = self._greeted
        if greeted is not None and greeted.factory is factory:
            protocol: Protocol = greeted
            give(self.transport, protocol)
        else:
            if greeted is not None:
                greeted.withdraw()
            protocol = factory.buildProtocol(None)
            give(self.transport, protocol)
            protocol.makeConnection(self.transport)
        if self._first:
            protocol.dataReceived(self._first)
        return protocol

    def _forget(self) -> None:
        self.factory.undecided.discard(self)
        self._stop_timer()
        if self._deciding is not None and self._deciding.active():
            self._deciding.cancel()

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


class DetectorFactory(ServerFactory):
    """The factory of detectors, for a port with several protocols or for the inside of TLS."""

    noisy = False
    log = Logger()

    def __init__(
        self,
        choices: Sequence[Choice],
        others: IProtocolFactory,
        too_late: IProtocolFactory,
        undecided: set[Undecided],
        clock: IReactorTime,
        *,
        grace: float,
        patience: float,
        gate: Gate | None,
        no_room: NoRoom,
    ) -> None:
        """Set the factories, time limits and connection limits.

        ``others`` takes silent clients and unrecognized input. ``too_late`` ends clients that cannot skip the greeting.
        ``grace`` is in seconds, or 0 to greet at once. For ``patience`` see `net.tcp.tune`. ``gate`` is None inside TLS: the
        connection has already passed one. ``no_room`` takes the connections that the gate refuses.
        """
        self.choices = tuple(choices)
        self.others = others
        self.too_late = too_late
        self.undecided = undecided
        self.clock = clock
        self.grace = grace
        self.patience = patience
        self.gate = gate
        self.no_room = no_room
        self._browsers: dict[str, float] = {}  # the end of the longer grace, by address

    def buildProtocol(self, addr: IAddress | None) -> Detector | TurnedAway:
        """Called for each connection."""
        if self.gate is None:
            return Detector(self)
        try:
            slot = self.gate.enter(ip_of(addr), self.clock.seconds())
        except Full as error:
            return self.no_room.turn_away(addr, str(error))
        return Detector(self, slot)

    def browses(self, address: str) -> None:
        """Note that a browser at this address has sent a request."""
        self._browsers.pop(address, None)
        self._browsers[address] = self.clock.seconds() + BROWSERS_SECONDS
        if len(self._browsers) > BROWSERS:
            del self._browsers[next(iter(self._browsers))]

    def has_browser(self, address: str) -> bool:
        """Return whether a browser at this address has recently sent a request."""
        return self._browsers.get(address, 0.0) > self.clock.seconds()

    def doStart(self) -> None:
        """Called when the port opens. Start the factories of all candidates too."""
        super().doStart()
        for factory in (*(choice.factory for choice in self.choices), self.others):
            factory.doStart()

    def doStop(self) -> None:
        """Called when the port closes."""
        super().doStop()
        for factory in (*(choice.factory for choice in self.choices), self.others):
            factory.doStop()
