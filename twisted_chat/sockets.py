"""The sockets of those who come in: how they are tuned, write at once, and give their slots back when they are gone."""

import socket
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet import tcp
from twisted.internet.abstract import FileDescriptor
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure

# A peer that is silent is asked after a minute whether it is there still, and is gone after three questions, in seconds.
KEEP_ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))

# How many connections are accepted in a reactor turn: the others wait in the kernel's queue, for some milliseconds.
ACCEPTS_A_TURN = 10


def tune(transport: Any, patience: float) -> None:
    """Tell the kernel how to treat a connection. What is not a TCP socket stays as it is.

    ``patience`` is in seconds: for so long the peer's machine may leave what was sent unacknowledged. Keep-alive alone
    does not notice a peer that has gone while something was on its way to it (tcp(7), TCP_USER_TIMEOUT).
    """
    handle = transport.getHandle() if hasattr(transport, "getHandle") else None
    if not isinstance(handle, socket.socket) or handle.family not in (socket.AF_INET, socket.AF_INET6):
        return
    transport.setTcpKeepAlive(True)
    transport.setTcpNoDelay(True)
    for option, seconds in KEEP_ALIVE:
        handle.setsockopt(socket.IPPROTO_TCP, option, seconds)
    handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(patience * 1000))
    # Telnet's Synch sends half a command as urgent data (RFC 854): out of its place, it would spoil a line.
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)


def unsent_bytes(transport: object) -> int:
    """How much a transport holds that its socket has not taken; -1 if it can't tell. Twisted has no public way to ask.

    Inside TLS it is counted as encrypted: after the handshake what is written is so at once, and waits at the socket.
    """
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    if not isinstance(transport, FileDescriptor):
        return -1
    return len(transport.dataBuffer) - transport.offset + transport._tempDataLen


def give(transport: Any, protocol: Any) -> None:
    """Let another protocol have what comes from now on, and the end of the connection."""
    if isinstance(transport, ProtocolWrapper):
        transport.wrappedProtocol = protocol
    else:
        transport.protocol = protocol


def serve(port: tcp.Port) -> None:
    """Let a port accept connections of our kind, and not so many at once that others wait."""
    port.transport = accepted(port.transport)
    accept = port.doRead

    def accept_some() -> None:
        """Called by the reactor. Twisted's own number grows as long as there are more, to hundreds in one turn."""
        port.numberAccepts = min(port.numberAccepts, ACCEPTS_A_TURN)
        accept()

    port.doRead = accept_some


def accepted(kind: type[tcp.Server]) -> type[tcp.Server]:
    """The same kind of accepted connection, but for two things.

    1. What is written goes to the socket at once if nothing waits before it. Twisted's own asks the reactor to tell
       when the socket can be written to, and then not to: two system calls more for each that sends something.
    2. When the socket is gone, its protocol's ``slot`` is released. It is done here and not by protocols: they are
       exchanged for one another, and stand inside TLS.
    """

    class Accepted(kind):
        def __init__(self, sock: Any, protocol: Any, *rest: Any) -> None:
            """Called by the port, with the protocol that its factory has built."""
            super().__init__(sock, protocol, *rest)
            within = getattr(protocol, "wrappedProtocol", protocol)  # where the endpoint itself speaks TLS
            self._slot = getattr(within, "slot", None)
            self._send: Callable[[bytes], int] | None = sock.send  # None while something waits to be sent

        def write(self, data: bytes) -> None:
            """Called by protocols. What the socket does not take, and every error, is left to Twisted."""
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
            """Called when all has been sent, and when nothing more will be."""
            super().stopWriting()
            if not (self.dataBuffer or self._tempDataLen or self.TLS):
                self._send = self.socket.send

        def startTLS(self, *arguments: Any) -> None:
            """Called by protocols, of which ours don't: their TLS is a protocol, too."""
            self._send = None
            super().startTLS(*arguments)

        def connectionLost(self, reason: Failure = connectionDone) -> None:
            """Called by the reactor. What was not sent is given up at once, whoever still holds this connection."""
            super().connectionLost(reason)
            self.dataBuffer, self._tempDataLen = b"", 0
            self._tempDataBuffer.clear()
            if self._slot is not None:
                self._slot.release()

    return Accepted
