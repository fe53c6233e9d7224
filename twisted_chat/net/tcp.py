"""Accepted sockets: set their TCP options, write to them at once, and release their slots when they close."""

import socket
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet import tcp
from twisted.internet.abstract import FileDescriptor
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure

from twisted_chat.net.connection_limits import Slot

# The kernel probes a silent peer after a minute and gives up after three probes. In seconds, but for the count.
KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))

# Connections accepted in one reactor turn. The others wait in the kernel's queue for some milliseconds.
ACCEPTS_A_TURN = 10


def tune(transport: Any, patience: float) -> None:
    """Set the TCP options of a connection. Leave other kinds of sockets alone.

    ``patience`` is how long sent data may stay unacknowledged, in seconds. Keep-alive alone does not notice a peer
    that vanished while data was on its way to it (tcp(7), TCP_USER_TIMEOUT).
    """
    handle = transport.getHandle() if hasattr(transport, "getHandle") else None
    if not isinstance(handle, socket.socket) or handle.family not in (socket.AF_INET, socket.AF_INET6):
        return
    transport.setTcpKeepAlive(True)
    transport.setTcpNoDelay(True)
    for option, seconds in KEEP_ALIVE:
        handle.setsockopt(socket.IPPROTO_TCP, option, seconds)
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(patience * 1000))
    # Telnet's Synch sends half a command as urgent data (RFC 854). Read out of order, it would corrupt a line.
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)


def unsent_bytes(transport: object) -> int:
    """Return the number of bytes that wait in a transport for its socket, or -1 if unknown.

    Twisted has no public way to ask. Inside TLS the bytes are counted as encrypted: after the handshake, data is
    encrypted when it is written, and waits at the socket.
    """
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    if not isinstance(transport, FileDescriptor):
        return -1
    return len(transport.dataBuffer) - transport.offset + transport._tempDataLen


def slot_of(transport: Any) -> Slot | None:
    """Return the slot of a connection, also from inside TLS; None if it has none."""
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    return getattr(transport, "slot", None)


def give(transport: Any, protocol: Any) -> None:
    """Make ``protocol`` the receiver of all further data, and of the end of the connection."""
    if isinstance(transport, ProtocolWrapper):
        transport.wrappedProtocol = protocol
    else:
        transport.protocol = protocol


def serve(port: tcp.Port) -> None:
    """Make a port accept connections of our kind, at most `ACCEPTS_A_TURN` in one reactor turn."""
    port.transport = accepted(port.transport)
    accept = port.doRead

    def accept_some() -> None:
        """Called by the reactor. Twisted's own limit grows with the queue, to hundreds in one turn."""
        port.numberAccepts = min(port.numberAccepts, ACCEPTS_A_TURN)
        accept()

    port.doRead = accept_some


def accepted(kind: type[tcp.Server]) -> type[tcp.Server]:
    """Return a subclass of an accepted connection that differs in two ways.

    1. ``write`` sends to the socket at once if nothing waits before it. Twisted's own first asks the reactor to report
       when the socket is writable, and then to stop: two system calls more for each write.
    2. When the socket closes, its protocol's ``slot`` is released. Protocols cannot do this: one replaces another on
       the same connection, and they also run inside TLS.
    """

    class Accepted(kind):
        def __init__(self, sock: Any, protocol: Any, *rest: Any) -> None:
            """Called by the port, with the protocol that its factory has built."""
            super().__init__(sock, protocol, *rest)
            within = getattr(protocol, "wrappedProtocol", protocol)  # where the endpoint itself speaks TLS
            self.slot = getattr(within, "slot", None)
            self._send: Callable[[bytes], int] | None = sock.send  # None while something waits to be sent

        def write(self, data: bytes) -> None:
            """Called by protocols. Twisted handles every error, and the bytes that the socket does not take."""
            send = self._send
            if send is not None:
                try:
                    sent = send(data)
                except OSError:
                    sent = 0
                if sent == len(data):
                    return
                data = data[sent:]
                self._send = None
            super().write(data)

        def writeSequence(self, pieces: Iterable[bytes]) -> None:
            """Called by protocols."""
            self.write(b"".join(pieces))

        def stopWriting(self) -> None:
            """Called when all data has been sent, and when no more will be."""
            super().stopWriting()
            if not (self.dataBuffer or self._tempDataLen or self.TLS):
                self._send = self.socket.send

        def startTLS(self, *arguments: Any) -> None:
            """Called by protocols that turn to TLS in place. Ours do not: their TLS is a protocol of its own."""
            self._send = None
            super().startTLS(*arguments)

        def connectionLost(self, reason: Failure = connectionDone) -> None:
            """Called by the reactor. Free unsent data at once, even if other objects still refer to this connection."""
            super().connectionLost(reason)
            self.dataBuffer, self._tempDataLen = b"", 0
            self._tempDataBuffer.clear()
            if self.slot is not None:
                self.slot.release()

    return Accepted
