"""One connection of a browser or of curl: twisted.web's `HTTPChannel`, held to what all connections are held to.

1. A request has to have come whole `Config.request_seconds` after the connection began, or after the answer before it:
   twisted.web's own time-out begins anew with every byte.
2. After each request the others have their turn, and no more are answered than the rate allows, nor while answers wait to
   be taken; nothing is read meanwhile. So many requests sent at once are no burden, and their answers don't gather.
3. Whoever takes nothing when the connection ends is cut off after `Config.closing_seconds`.
4. A peer that sends no more (half close) is answered what it has asked.
5. Between requests a connection gives way to another of its address: browsers open six, and keep them.
6. A connection becomes another protocol's with `hand_over`. twisted.web has a private way for that, which loses what came
   with the request, and leaves the transport's word on its buffer to itself.
"""

from typing import Any

from twisted.internet.interfaces import IDelayedCall, IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from zope.interface import implementer

from twisted_chat.net.tcp import give, slot_of

# What twisted.web answers to what is no request, and that no cache keeps it.
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nCache-Control: no-store\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@implementer(IHalfCloseableProtocol)
class WebChannel(HTTPChannel):
    """A connection on which requests come. Its ``factory`` is a `web.WebFactory`."""

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
        """Called by the transport. HTTPChannel's own begins the time-out anew each time, and reads on after the end."""
        if not self.transport.disconnecting:
            slot = slot_of(self.transport)
            if slot is not None and data:
                slot.busy()
            LineReceiver.dataReceived(self, data)

    def rawDataReceived(self, data: bytes) -> None:
        """Called by LineReceiver, with what follows the head of a request."""
        if self._successor is not None:
            self._successor.dataReceived(data)
        else:
            super().rawDataReceived(data)

    def requestDone(self, request: Any) -> None:
        """Called by twisted.web: a request is answered."""
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
        """Called by the gate: another connection of this address needs the place."""
        self.setTimeout(None)
        self.loseConnection()

    def _end_with_input(self) -> None:
        if self._input_ended and not self.requests and not self.paused:
            self.loseConnection()

    def pauseProducing(self) -> None:
        """Called by the transport: it holds more than it should."""
        self._full = True
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """Called by the transport: it holds nothing any more."""
        self._full = False
        super().resumeProducing()
        if self.paused and self._next is None:
            self._go_on()
        elif self.paused:
            self.transport.pauseProducing()

    def readConnectionLost(self) -> None:
        """Called by the transport: nothing more will be asked."""
        self._input_ended = True
        if self._successor is None:
            self._end_with_input()

    def writeConnectionLost(self) -> None:
        """Called by the transport. `connectionLost` follows."""

    def hand_over(self, protocol: Protocol, answer: bytes) -> None:
        """Answer the request that is being worked off, and let another protocol have the connection."""
        self.setTimeout(None)
        self.requests.clear()
        self._successor = protocol
        self.transport.unregisterProducer()
        self.transport.write(answer)
        give(self.transport, protocol)
        protocol.makeConnection(self.transport)

    def loseConnection(self) -> None:
        """Called by twisted.web: all is said, or nothing was for too long."""
        super().loseConnection()
        if self._abortingCall is None:
            self._abortingCall = self.callLater(self.factory.chat.config.closing_seconds, self.forceAbortClient)

    def _respondToBadRequestAndDisconnect(self) -> None:
        """Called by twisted.web about what is no request. Its own answer says nothing of caches."""
        self.transport.write(BAD_REQUEST)
        self.loseConnection()

    def timeoutConnection(self) -> None:
        """Called by twisted.web. It is no news: every connection that was kept alive ends so."""
        self.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport."""
        super().connectionLost(reason)
        if self._next is not None:
            self._next.cancel()
