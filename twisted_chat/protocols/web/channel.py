"""One connection of a browser or of curl: twisted.web's `HTTPChannel`, with the limits of all connections.

1. A complete request must arrive within `Config.request_seconds` of the start of the connection, or of the previous
   answer. twisted.web's own time-out restarts with every byte.
2. Other connections have their turn after each request. Requests are answered no faster than the rate allows, and only
   while the client takes the answers; nothing is read meanwhile. A burst of requests costs little, and its answers do not
   pile up.
3. A client that takes nothing when the connection ends is cut off after `Config.closing_seconds`.
4. A client that sends no more (half close) still gets its answers.
5. A connection between requests gives way to another of its address: browsers open six, and keep them.
6. `hand_over` gives the connection to another protocol. twisted.web has a private way for that, which loses data that came
   with the request, and keeps the transport's buffer notifications to itself.
"""

from typing import Any

from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from zope.interface import implementer

from twisted_chat.net.tcp import give, slot_of

# Answer to a malformed request: that of twisted.web, and no-store.
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nCache-Control: no-store\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@implementer(IHalfCloseableProtocol)
class WebChannel(HTTPChannel):
    """A connection that carries requests. Its ``factory`` is a `site.WebFactory`."""

    factory: Any
    maxHeaders = 100
    _abortingCall: IDelayedCall | None = None

    def __init__(self) -> None:
        super().__init__()
        self._successor: Protocol | None = None
        self._due = 0.0  # see `Rate`
        self._next: IDelayedCall | None = None
        self._input_ended = False
        self._full = False

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport. HTTPChannel's restarts the time-out each time, and reads on after the end."""
        if not self.transport.disconnecting:
            slot = slot_of(self.transport)
            if slot is not None and data:
                slot.busy()
            LineReceiver.dataReceived(self, data)

    def rawDataReceived(self, data: bytes) -> None:
        """Called by LineReceiver with data after the head of a request."""
        if self._successor is not None:
            self._successor.dataReceived(data)
        else:
            super().rawDataReceived(data)

    def requestDone(self, request: Any) -> None:
        """Called by twisted.web when a request is answered."""
        self.paused = True
        super().requestDone(request)
        if not self.transport.disconnecting:
            self.transport.pauseProducing()
            rate, now = self.factory.chat.config.programs_rate, self.factory.chat.clock.seconds()
            wait = 0.0
            if rate is not None:
                self._due = rate.spent(self._due, now)
                wait = rate.wait(self._due, now)
            self._next = self.callLater(wait, self._go_on)

    def _go_on(self) -> None:
        self._next = None
        if self._full:
            return
        self.paused = False
        self.transport.resumeProducing()
        self.dataReceived(b"")
        self._end_with_input()
        slot = slot_of(self.transport)
        if slot is not None and not self.requests and not self.paused and self._successor is None:
            slot.idle(self._give_way)

    def _give_way(self) -> None:
        """Called by the gate when another connection of this address needs the place."""
        self.setTimeout(None)
        self.loseConnection()

    def _end_with_input(self) -> None:
        if self._input_ended and not self.requests and not self.paused:
            self.loseConnection()

    def pauseProducing(self) -> None:
        """Called by the transport when its buffer holds too much."""
        self._full = True
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """Called by the transport when its buffer is empty again."""
        self._full = False
        super().resumeProducing()
        if self.paused and self._next is None:
            self._go_on()
        elif self.paused:
            self.transport.pauseProducing()

    def readConnectionLost(self) -> None:
        """Called by the transport when the client will send no more."""
        self._input_ended = True
        if self._successor is None:
            self._end_with_input()

    def writeConnectionLost(self) -> None:
        """Called by the transport. `connectionLost` follows."""

    def hand_over(self, protocol: Protocol, answer: bytes) -> None:
        """Answer the current request, and give the connection to another protocol."""
        self.setTimeout(None)
        self.requests.clear()
        self._successor = protocol
        self.transport.unregisterProducer()
        self.transport.write(answer)
        give(self.transport, protocol)
        protocol.makeConnection(self.transport)

    def loseConnection(self) -> None:
        """Called by twisted.web when all is sent, or after a time-out."""
        super().loseConnection()
        if self._abortingCall is None:
            self._abortingCall = self.callLater(self.factory.chat.config.closing_seconds, self.forceAbortClient)

    def _respondToBadRequestAndDisconnect(self) -> None:
        """Called by twisted.web for a malformed request. Its own answer lacks Cache-Control."""
        self.transport.write(BAD_REQUEST)
        self.loseConnection()

    def timeoutConnection(self) -> None:
        """Called by twisted.web. Log nothing: every kept-alive connection ends like this."""
        self.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport."""
        super().connectionLost(reason)
        if self._next is not None:
            self._next.cancel()
