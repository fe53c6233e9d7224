"""What goes on in an SSH connection: one session, and nothing else (RFC 4254).

1. One session a connection. Forwarding of ports, agents and screens, files and other subsystems are refused and logged.
2. The session is the transport of somebody's connection to the chat: `SessionChannel` is to `LineConnection` what a
   socket is. It is full while the socket is, while the peer's window is shut, and while keys are exchanged: a slow window is
   a slow reader, who reads on from the log. conch's own channel would take all that is written, and keep it.
3. Who is not listened to for a while, or takes nothing, is given no window: what they send waits with them.
4. The peer chooses the size of packets and of its window; packets of less than `LEAST_PACKET` bytes are not begun with.
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

# Of a packet, in bytes: with less, a line would become a hundred packets; with none, it never ended.
LEAST_PACKET, MOST_PACKET = 1024, 32 * 1024
# How much the peer may send before it is told that it may send more, in bytes; and in one packet.
WINDOW, OUR_PACKET = 64 * 1024, 16 * 1024
# What data is sent with, and room for it given: what these may cost is bounded by rules 2 and 3.
UNCOUNTED = frozenset([MSG_CHANNEL_DATA, MSG_CHANNEL_WINDOW_ADJUST])
# Of one connection, so many different things that it was refused stand in the log.
MOST_TOLD = 10
# The largest window there is (RFC 4254, 5.2).
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
        """Called with each packet of this service. Data costs what a line costs; anything else is counted."""
        if messageNum in UNCOUNTED or self.transport.asks():
            super().packetReceived(messageNum, packet)

    def getChannel(self, channelType: bytes, windowSize: int, maxPacket: int, data: bytes) -> SessionChannel:
        """Called when the peer opens a channel. What it raises is its answer."""
        if channelType != b"session" or self._opened or maxPacket < LEAST_PACKET:
            self.refused(f"a channel {_shown(channelType)}")
            why = "One session with packets of 1024 bytes or more is all there is here."
            raise ConchError(why, OPEN_ADMINISTRATIVELY_PROHIBITED)
        self._opened = True
        return SessionChannel(self, windowSize, maxPacket)

    def gotGlobalRequest(self, requestType: bytes, data: bytes) -> int:
        """Called for what concerns no channel: forwarding, and whether we are alive. A refusal is an answer to that."""
        if not requestType.startswith(b"keepalive@"):
            self.refused(f"the request {_shown(requestType)}")
        return 0

    def refused(self, what: str) -> None:
        """Tell the log that something was asked for that is not done here; of each once, and not of very many."""
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
        """Called when the peer asks for something in a session. conch would log what can't be read as an error of ours."""
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
        self.status = 0  # what the client ends with
        self.listens = True
        self._pty: Pty | None = None
        self._colour = True
        self._person: ChannelConsumer | None = None
        self._waiting = bytearray()
        self.full = False
        self._lost = False

    # What conch calls

    def requestReceived(self, requestType: bytes, data: bytes) -> bool:
        """Called when the peer asks for something in the session. True if it is done."""
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
        """Called with what the peer sends."""
        if self._person is not None and not self._lost:
            self._hand(self._person.dataReceived, data)

    def extReceived(self, dataType: int, data: bytes) -> None:
        """Called with what a client has no reason to send."""

    def eofReceived(self) -> None:
        """Called when the peer will send no more."""
        if self._person is not None and not self._lost:
            self._hand(self._person.readConnectionLost)

    def addWindowBytes(self, data: int) -> None:
        """Called when the peer takes so many bytes more."""
        self.remoteWindowLeft = min(self.remoteWindowLeft + data, WIDEST)
        self._send()
        self.look_how_full()

    def closeReceived(self) -> None:
        """Called when the peer has ended the session."""
        self._waiting.clear()
        self.conn.sendClose(self)

    def closed(self) -> None:
        """Called when both have ended it, or the connection is gone. Who has no other session has no use for the connection."""
        self.cut()
        if self.conn.transport.reason is None:
            self.conn.transport.hang_up_soon()

    # What the connection of the person calls

    def write(self, data: bytes) -> None:
        """Send bytes; what the peer has no room for waits here."""
        if not self.localClosed:
            self._waiting += data
            self._send()
            self.look_how_full()

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Whoever writes is told by `look_how_full`."""

    def unregisterProducer(self) -> None:
        """The same."""

    def pauseProducing(self) -> None:
        """Listen no more: the peer's window runs out."""
        self.listens = False

    def resumeProducing(self) -> None:
        """Listen again."""
        self.listens = True
        self._give_window()

    def stopProducing(self) -> None:
        """Never called."""

    def loseConnection(self) -> None:
        """End the session once all is sent, with its status (RFC 4254, 6.10)."""
        self.disconnecting = True
        self._send()

    def abortConnection(self) -> None:
        """End everything now."""
        self.conn.transport.transport.abortConnection()

    def getPeer(self) -> IAddress:
        """Where the peer is."""
        return self.conn.transport.transport.getPeer()

    def getHost(self) -> IAddress:
        """Where it has come to."""
        return self.conn.transport.transport.getHost()

    @property
    def unsent(self) -> int:
        """How many bytes wait for the peer, here and at the socket."""
        return len(self._waiting) + max(0, unsent_bytes(self.conn.transport.transport))

    # What the transport calls

    def look_how_full(self) -> None:
        """Tell the person's connection when it should write no more, and when it may again."""
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
        """The session is over, for whatever reason."""
        if self._person is not None and not self._lost:
            self._lost = True
            self._waiting.clear()
            self._person.connectionLost(self.conn.transport.reason or connectionDone)

    def _begin(self, command: bytes | None) -> None:
        """Connect whoever it is to the chat, or to do one thing there."""
        transport = self.conn.transport
        assert transport.identity is not None  # this service follows the one where one says who one is
        transport.begin(self)
        pty = replace(self._pty, colour=self._colour) if self._pty is not None else None
        self._person = transport.factory.person(transport.identity, pty, command)
        self._hand(self._person.makeConnection, self)

    def _hand(self, to: Callable[..., object], *what: object) -> None:
        """Hand something to the person's connection. What it raises is a bug of ours, and not a packet that can't be read."""
        try:
            to(*what)
        except Exception:
            self.conn.transport.broken()

    def _give_window(self) -> None:
        used = self.localWindowSize - self.localWindowLeft
        if used > self.localWindowSize // 2:
            self.conn.adjustWindow(self, used)

    def _send(self) -> None:
        """Send what the peer has room for. One packet, for all that is written at once, unless it is very long."""
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
