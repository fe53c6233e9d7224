"""The SSH connection service: one session, and nothing else (RFC 4254).

1. One session a connection. Forwarding of ports, agents and screens, files and other subsystems are refused and logged.
2. The session is the transport of a person's chat connection: `SessionChannel` is to `LineConnection` what a socket is. It
   is full while the socket is full, while the peer's window is shut, and during a key exchange. A peer with a slow window is
   a slow reader, and continues from the log. conch's own channel would accept all writes, and keep them in memory.
3. A peer gets no window while the server does not read from it, or while it takes nothing: its data waits on its side.
4. The peer chooses the size of its packets and window. A channel with packets of less than `LEAST_PACKET` bytes is refused.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

from twisted.conch.error import ConchError
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import getNS
from twisted.conch.ssh.connection import (
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_FAILURE,
    MSG_CHANNEL_SUCCESS,
    MSG_CHANNEL_WINDOW_ADJUST,
    OPEN_ADMINISTRATIVELY_PROHIBITED,
    SSHConnection,
)
from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from zope.interface import implementer

from twisted_chat.core.text.sanitize import as_reason
from twisted_chat.net.tcp import unsent_bytes
from twisted_chat.protocols.ssh.interfaces import ChannelConsumer
from twisted_chat.protocols.ssh.pty import Pty, size
from twisted_chat.protocols.ssh.transport import SshTransport, nothing

# Packet sizes in bytes. With smaller packets, a line would become a hundred; with empty ones, sending would never end.
LEAST_PACKET, MOST_PACKET = 1024, 32 * 1024
# Bytes that the peer may send before it gets more window, and in one packet.
WINDOW, OUR_PACKET = 64 * 1024, 16 * 1024
# Messages that carry data or give window. Rules 2 and 3 bound their cost.
UNCOUNTED = frozenset([MSG_CHANNEL_DATA, MSG_CHANNEL_WINDOW_ADJUST])
# Maximum number of different refusals that are logged for one connection.
MOST_TOLD = 10
# Largest possible window (RFC 4254, 5.2).
WIDEST = 2**32 - 1


class Channels(SSHConnection):
    """The service ``ssh-connection``, which has one channel."""

    _log = Logger(observer=nothing)
    log = Logger()

    transport: SshTransport

    def __init__(self) -> None:
        super().__init__()
        self._opened = False
        self._refused: set[str] = set()

    def packetReceived(self, messageNum: int, packet: bytes) -> None:
        """Called with each packet of this service. Data is charged as lines; any other packet counts as a request."""
        if messageNum in UNCOUNTED or self.transport.asks():
            super().packetReceived(messageNum, packet)

    def getChannel(self, channelType: bytes, windowSize: int, maxPacket: int, data: bytes) -> SessionChannel:
        """Called when the peer opens a channel. A raised `ConchError` becomes the answer."""
        if channelType != b"session" or self._opened or maxPacket < LEAST_PACKET:
            self.refused(f"a channel {_shown(channelType)}")
            why = "One session with packets of 1024 bytes or more is all there is here."
            raise ConchError(why, OPEN_ADMINISTRATIVELY_PROHIBITED)
        self._opened = True
        return SessionChannel(self, windowSize, maxPacket)

    def gotGlobalRequest(self, requestType: bytes, data: bytes) -> int:
        """Called for requests outside channels: forwarding and keepalives. A refusal also answers a keepalive."""
        if not requestType.startswith(b"keepalive@"):
            self.refused(f"the request {_shown(requestType)}")
        return 0

    def refused(self, what: str) -> None:
        """Log a refused request: each kind once, and at most `MOST_TOLD` kinds."""
        if what in self._refused or len(self._refused) >= MOST_TOLD:
            return
        self._refused.add(what)
        self.log.info("[SSH] {peer} was refused {what}.", peer=self.transport.peer, what=what)

    def ssh_CHANNEL_DATA(self, packet: bytes) -> None:
        """Called with data for a channel."""
        (number, size) = struct.unpack(">2L", packet[:8])
        if size > self.channels[number].localWindowLeft:
            self.transport.end("That is more than there is room for.")
        else:
            super().ssh_CHANNEL_DATA(packet)

    def ssh_CHANNEL_REQUEST(self, packet: bytes) -> None:
        """Called when the peer makes a request in a session. conch would log an unreadable one as our error."""
        (number,) = struct.unpack(">L", packet[:4])
        kind, rest = getNS(packet[4:])
        channel, remote = self.channels[number], self.localToRemoteChannel[number]
        done = channel.requestReceived(kind, rest[1:])
        if rest[0]:
            self.transport.sendPacket(MSG_CHANNEL_SUCCESS if done else MSG_CHANNEL_FAILURE, struct.pack(">L", remote))

    def adjustWindow(self, channel: SessionChannel, bytesToAdd: int) -> None:
        """Called when half of the window is used up."""
        if channel.listens and not channel.full:
            super().adjustWindow(channel, bytesToAdd)


@implementer(IPushProducer)
class SessionChannel(SSHChannel):
    """The transport of one person's connection."""

    _log = Logger(observer=nothing)
    name = b"session"
    disconnecting = False

    conn: Channels

    def __init__(self, conn: Channels, window: int, packet: int) -> None:
        super().__init__(WINDOW, OUR_PACKET, window, min(packet, MOST_PACKET), conn)
        self.remoteWindowLeft: int = window
        self.status = 0  # the client's exit status
        self.listens = True
        self._pty: Pty | None = None
        self._colour = True
        self._person: ChannelConsumer | None = None
        self._waiting = bytearray()
        self.full = False
        self._lost = False

    # Callbacks from conch

    def requestReceived(self, requestType: bytes, data: bytes) -> bool:
        """Called when the peer makes a request in the session. Return True if it is granted."""
        match requestType:
            case b"pty-req" if self._person is None:
                self._pty = Pty.from_request(data)
            case b"env" if self._person is None and getNS(data)[0] == b"NO_COLOR":
                self._colour = False
            case b"shell" if self._person is None:
                self._begin(None)
            case b"exec" if self._person is None:
                self._begin(getNS(data)[0])
            case b"window-change" if self._person is not None:
                self._hand(self._person.resize, *size(data))
            case b"env" | b"signal" | b"window-change" | b"eow@openssh.com":
                return False
            case _:
                self.conn.refused(f"the request {_shown(requestType)}")
                return False
        return True

    def dataReceived(self, data: bytes) -> None:
        """Called with data from the peer."""
        if self._person is not None and not self._lost:
            self._hand(self._person.dataReceived, data)

    def extReceived(self, dataType: int, data: bytes) -> None:
        """Called with extended data. Ignore it: a client has no reason to send any."""

    def eofReceived(self) -> None:
        """Called when the peer will send no more."""
        if self._person is not None and not self._lost:
            self._hand(self._person.readConnectionLost)

    def addWindowBytes(self, data: int) -> None:
        """Called when the peer's window grows by this many bytes."""
        self.remoteWindowLeft = min(self.remoteWindowLeft + data, WIDEST)
        self._send()
        self.look_how_full()

    def closeReceived(self) -> None:
        """Called when the peer has ended the session."""
        self._waiting.clear()
        self.conn.sendClose(self)

    def closed(self) -> None:
        """Called when both sides have ended the session, or the connection is gone. The connection then ends too."""
        self.cut()
        if self.conn.transport.reason is None:
            self.conn.transport.hang_up_soon()

    # Methods that the person's connection calls

    def write(self, data: bytes) -> None:
        """Send bytes. Bytes beyond the peer's window wait here."""
        if not self.localClosed:
            self._waiting += data
            self._send()
            self.look_how_full()

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Do nothing: `look_how_full` notifies the person's connection."""

    def unregisterProducer(self) -> None:
        """Do nothing, for the same reason."""

    def pauseProducing(self) -> None:
        """Stop reading: the peer's window runs out."""
        self.listens = False

    def resumeProducing(self) -> None:
        """Read again."""
        self.listens = True
        self._give_window()

    def stopProducing(self) -> None:
        """Do nothing: this is never called."""

    def loseConnection(self) -> None:
        """End the session with its exit status when all data is sent (RFC 4254, 6.10)."""
        self.disconnecting = True
        self._send()

    def abortConnection(self) -> None:
        """End everything now."""
        self.conn.transport.transport.abortConnection()

    def getPeer(self) -> IAddress:
        """Return the peer's address."""
        return self.conn.transport.transport.getPeer()

    def getHost(self) -> IAddress:
        """Return the server's address that the peer has connected to."""
        return self.conn.transport.transport.getHost()

    @property
    def unsent(self) -> int:
        """The number of bytes that wait for the peer, here and at the socket."""
        return len(self._waiting) + max(0, unsent_bytes(self.conn.transport.transport))

    # Methods that the transport calls

    def look_how_full(self) -> None:
        """Tell the person's connection when to stop writing, and when to write again."""
        transport = self.conn.transport
        if not transport.exchanging:
            self._send()
        full = transport.full or transport.exchanging or bool(self._waiting)
        if full != self.full and self._person is not None and not self._lost:
            self.full = full
            if full:
                self._person.filled()
            else:
                self._person.drained()
                self._give_window()

    def cut(self) -> None:
        """Tell the person's connection that the session is over, for any reason."""
        if self._person is not None and not self._lost:
            self._lost = True
            self._waiting.clear()
            self._person.connectionLost(self.conn.transport.reason or connectionDone)

    def _begin(self, command: bytes | None) -> None:
        """Connect the client to the chat, for a conversation or for one command."""
        transport = self.conn.transport
        assert transport.identity is not None  # authentication precedes this service
        transport.begin(self)
        pty = replace(self._pty, colour=self._colour) if self._pty is not None else None
        self._person = transport.factory.person(transport.identity, pty, command)
        self._hand(self._person.makeConnection, self)

    def _hand(self, to: Callable[..., object], *what: object) -> None:
        """Call a method of the person's connection. An exception there is a bug of ours, not an unreadable packet."""
        try:
            to(*what)
        except Exception:
            self.conn.transport.broken()

    def _give_window(self) -> None:
        used = self.localWindowSize - self.localWindowLeft
        if used > self.localWindowSize // 2:
            self.conn.adjustWindow(self, used)

    def _send(self) -> None:
        """Send what the peer's window allows. Data written at once goes in one packet, unless it is very long."""
        while self._waiting and self.remoteWindowLeft and not (self.localClosed or self.conn.transport.exchanging):
            size = min(len(self._waiting), self.remoteWindowLeft, self.remoteMaxPacket)
            self.remoteWindowLeft -= size
            piece = bytes(self._waiting[:size])
            del self._waiting[:size]
            self.conn.sendData(self, piece)
        if self.disconnecting and not self._waiting and not self.localClosed:
            self.conn.sendRequest(self, b"exit-status", struct.pack(">L", self.status))
            self.conn.sendEOF(self)
            self.conn.sendClose(self)


def _shown(word: bytes) -> str:
    return as_reason(word.decode("ascii", "replace"))
