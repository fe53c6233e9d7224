"""One port: the first bytes choose the protocol; a silent client is a person.

1. The first row that fits takes the connection, and gets all bytes from the first. When no row can fit any more it is
   the ``others``: a person, as a rule. Nobody is announced, nor has a session, before that.
2. Clients of most protocols speak first; people wait to be spoken to. Who is silent for the grace is greeted as a
   person, and still listened to: if the first bytes then fit a row whose clients read past a greeting, it takes over.
   Where they don't, the connection ends: what such a client sends is never taken for a person's words.
3. Inside TLS the same goes on, from the end of the handshake. In TLS 1.2 a client speaks one round trip after that:
   how long one is, the handshake has shown, and the grace is longer by as much.
4. A browser opens several connections, and uses some of them later. Where one has just asked for something, its address is
   waited for longer.
5. Time and memory are bounded: a handshake by its time-out, silence by the time to a name, first bytes by
   `first_bytes.LONGEST`.
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

# How long a TLS handshake may take, in seconds: three round trips to the other side of the world, each lost once.
HANDSHAKE_SECONDS = 10.0
# How long a browser's other connections may be silent before they are taken for people, in seconds; and for how long, and for
# how many addresses, it is remembered that a browser is there.
BROWSERS_SECONDS = 2.0
BROWSERS = 1000

# How long a whole line may be the beginning of something else, in seconds, before it is taken for what it is: an empty
# one could be that of a PROXY header, but those come in one piece.
WHOLE_LINE_SECONDS = 0.3


class Undecided(Shape):
    """A connection with which nobody has come in yet."""

    def close(self) -> None:
        """The server shuts down."""


@implementer(IHalfCloseableProtocol, IHandshakeListener)
class Detector(Protocol):
    """Holds a connection until it is known what speaks there."""

    factory: "DetectorFactory"

    def __init__(self, factory: "DetectorFactory", slot: Slot | None = None) -> None:
        """``slot`` is given back by the transport."""
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
        """Called by the transport: nothing more will come. A person it is, who has typed this or nothing."""
        protocol = self._hand_over(self.factory.others)
        if IHalfCloseableProtocol.providedBy(protocol):
            protocol.readConnectionLost()
        else:
            self.transport.loseConnection()

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

    def _wait(self, grace: float) -> None:
        """Wait for first bytes, in seconds; without a grace nobody is waited for."""
        if grace:
            self._timer = self.factory.clock.callLater(grace, self._greet)
        else:
            self._greet()

    def _greet(self) -> None:
        """Nothing came, or too little: make it a person's connection, but look at the first bytes first."""
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
    """Listens on a port where several protocols are spoken, or stands inside TLS."""

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
        """``others`` takes who is silent and what fits nothing; ``too_late`` ends what came after the greeting and can't.

        ``grace`` is in seconds, 0 where nobody needs to be waited for; for ``patience`` see `sockets.tune`. Inside TLS
        there is no ``gate``: whoever is there has come through one. ``no_room`` is for who does not get through.
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
        self._browsers: dict[str, float] = {}  # by address: until when its connections are waited for longer

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
        """A browser has asked for something from there."""
        self._browsers.pop(address, None)
        self._browsers[address] = self.clock.seconds() + BROWSERS_SECONDS
        if len(self._browsers) > BROWSERS:
            del self._browsers[next(iter(self._browsers))]

    def has_browser(self, address: str) -> bool:
        """Whether a browser is there, as far as is known."""
        return self._browsers.get(address, 0.0) > self.clock.seconds()

    def doStart(self) -> None:
        """Called when the port opens: what is chosen among may need to be started, too."""
        super().doStart()
        for factory in (*(choice.factory for choice in self.choices), self.others):
            factory.doStart()

    def doStop(self) -> None:
        """Called when the port closes."""
        super().doStop()
        for factory in (*(choice.factory for choice in self.choices), self.others):
            factory.doStop()
