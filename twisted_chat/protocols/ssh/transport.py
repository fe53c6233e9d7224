"""The SSH transport: conch's, with limits on what an unknown client may cost (RFC 4253).

1. Modern algorithms only, and no compression: conch's zlib has no size limit, and serves unauthenticated clients too.
2. A client without a session is disconnected after `LOGIN_SECONDS`, whatever it sends; so is a client that does not finish
   a key exchange in that time. The rate of key exchanges is limited.
3. A packet has at most `LONGEST_PACKET` bytes. A reactor turn handles `PACKETS_A_TURN` packets; the rest waits in the kernel.
4. Nothing is read while the socket's buffer is too full. Our answers are thus limited to what the peer takes.
5. An unreadable packet ends the connection, with a message to the peer and a line in the log; never a traceback.
"""

from __future__ import annotations

import struct

from cryptography.exceptions import UnsupportedAlgorithm
from twisted.conch.ssh import transport
from twisted.conch.ssh.transport import SSHServerTransport
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.logger import LogEvent, Logger
from twisted.python.failure import Failure

from twisted_chat.core.rate_limits import Rate
from twisted_chat.core.text.sanitize import as_reason
from twisted_chat.core.users.public_keys import ALGORITHMS
from twisted_chat.core.users.session import Way
from twisted_chat.net.addresses import address_text, ip_of, place_of
from twisted_chat.protocols.connection import Flow
from twisted_chat.protocols.ssh.identity import Identity
from twisted_chat.protocols.ssh.interfaces import TransportFactory, TransportSession

# Time limit for starting a session, and for a key exchange, in seconds.
LOGIN_SECONDS = 30.0
# Packet size that every implementation must accept (RFC 4253, 6.1), in bytes. Ours never needs more.
LONGEST_PACKET = 35_000
# Packets of one connection that a reactor turn handles.
PACKETS_A_TURN = 64
# Rate of key exchanges: OpenSSH begins one after a gigabyte, or after the time its user has set.
EXCHANGES = Rate(4, 1 / 60)
# Rate of a client's requests: dragging a window's edge sends tens a second.
REQUESTS = Rate(200, 20.0)

# First packet number that belongs to services (RFC 4250, 4.1.2).
FIRST_OF_SERVICES = 50
EXCHANGES_OF_KEYS = [
    b"curve25519-sha256",
    b"curve25519-sha256@libssh.org",
    b"ecdh-sha2-nistp256",
    b"ecdh-sha2-nistp384",
    b"ecdh-sha2-nistp521",
]
# Packets below `FIRST_OF_SERVICES` that a client may send. Conch has more, for key exchanges that are not offered here.
TAKEN = frozenset(
    [
        transport.MSG_DISCONNECT,
        transport.MSG_IGNORE,
        transport.MSG_UNIMPLEMENTED,
        transport.MSG_DEBUG,
        transport.MSG_SERVICE_REQUEST,
        transport.MSG_EXT_INFO,
        transport.MSG_KEXINIT,
        transport.MSG_NEWKEYS,
        transport.MSG_KEX_DH_GEX_REQUEST_OLD,  # the client's half, in every exchange offered here
    ]
)
# Exceptions that conch and cryptography raise for malformed packets.
UNREADABLE = (struct.error, ValueError, LookupError, TypeError, UnsupportedAlgorithm)


def nothing(event: LogEvent) -> None:
    """Discard conch's log events: they quote each packet of the client. We log what happened ourselves."""


class Meter:
    """One peer's use of a rate."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._due = 0.0

    def take(self, now: float) -> bool:
        """Count one more use. Return False if it exceeds the rate."""
        allowed = not self._rate.wait(self._due, now)
        self._due = self._rate.spent(self._due, now)
        return allowed


class SshTransport(SSHServerTransport):
    """One SSH connection. ``session`` is its session, once that has begun."""

    _log = Logger(observer=nothing)
    log = Logger()

    ourVersionString = b"SSH-2.0-twisted_chat"
    supportedCiphers = [b"aes256-ctr", b"aes192-ctr", b"aes128-ctr"]  # noqa: RUF012
    supportedMACs = [b"hmac-sha2-512", b"hmac-sha2-256"]  # noqa: RUF012
    supportedKeyExchanges = [  # noqa: RUF012
        one for one in [b"mlkem768x25519-sha256", *EXCHANGES_OF_KEYS] if one in SSHServerTransport.supportedKeyExchanges
    ]
    supportedPublicKeys = [b"ssh-ed25519"]  # noqa: RUF012
    supportedCompressions = [b"none"]  # noqa: RUF012

    factory: TransportFactory

    def __init__(self, factory: TransportFactory) -> None:
        self.factory = factory
        self.identity: Identity | None = None  # set by authentication
        self.session: TransportSession | None = None
        self.full = False  # the socket's buffer holds too much
        self.reason: Failure | None = None  # set when the connection is lost
        self._begun = False  # the peer has begun a key exchange
        self._agreed = False  # new keys are agreed; the peer does not use them yet
        self._ending = False
        self._packets = 0  # left for this turn
        self._next_turn: IDelayedCall | None = None
        self._limit: IDelayedCall | None = None
        self._cut_off: IDelayedCall | None = None
        self._exchanges, self._requests = Meter(EXCHANGES), Meter(REQUESTS)

    # Callbacks from Twisted

    def connectionMade(self) -> None:
        """Called by the transport, or by the protocol that had the connection before."""
        self.factory.undecided.add(self)
        self.transport.registerProducer(Flow(self), True)
        self._set_limit()
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport."""
        self._packets = PACKETS_A_TURN
        self._work_off(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport."""
        self.reason = reason
        self._ending = True
        self.factory.undecided.discard(self)
        for call in (self._limit, self._next_turn, self._cut_off):
            if call is not None and call.active():
                call.cancel()
        super().connectionLost(reason)

    def filled(self) -> None:
        """Called when the socket's buffer holds too much."""
        self.full = True
        self.transport.pauseProducing()
        self._tell_session()

    def drained(self) -> None:
        """Called when the socket's buffer is empty again."""
        self.full = False
        if self._next_turn is None and not self._ending:
            self.transport.resumeProducing()
        self._tell_session()

    # Callbacks from conch

    def getPacket(self) -> bytes | None:
        """Called for the next packet. Return None if this turn has handled enough, or the connection is ending."""
        if self._ending or not self._packets:
            return None
        self._packets -= 1
        packet: bytes | None = super().getPacket()
        return packet

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        """Called with each packet."""
        if messageNum < FIRST_OF_SERVICES and messageNum not in TAKEN:
            self.sendUnimplemented()
            return
        try:
            super().dispatchMessage(messageNum, payload)
        except UNREADABLE as error:
            self.log.info("[SSH] {peer} sent what can't be read: {what}", peer=self.peer, what=as_reason(repr(error)))
            self.end("That packet can't be read.")

    def ssh_KEXINIT(self, packet: bytes) -> None:
        """Called when the peer begins a key exchange, or joins ours."""
        if self._begun:
            self.end("Keys are being exchanged already.")
            return
        if not self._exchanges.take(self.factory.clock.seconds()):
            self.end("Keys are exchanged too often.")
            return
        self._begun = True
        self._set_limit()
        super().ssh_KEXINIT(packet)
        self._tell_session()

    def ssh_KEX_DH_GEX_REQUEST_OLD(self, packet: bytes) -> None:
        """Called with the peer's half of a key exchange."""
        if self._agreed or not self._begun:
            self.end("No keys are being exchanged.")
        else:
            super().ssh_KEX_DH_GEX_REQUEST_OLD(packet)

    def _keySetup(self, sharedSecret: bytes, exchangeHash: bytes) -> None:
        """Called when both sides can derive the new keys."""
        self._agreed = True
        super()._keySetup(sharedSecret, exchangeHash)

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        """Called when the peer starts to use the new keys. conch would accept this without a key exchange."""
        if self._agreed:
            self._begun = self._agreed = False
            super().ssh_NEWKEYS(packet)
        else:
            self.end("There are no new keys.")

    def _newKeys(self) -> None:
        """Called when the new keys are in use, and the packets that waited for them are sent."""
        super()._newKeys()
        self.ourKexInitPayload = self.otherKexInitPayload = b""  # frees two KiB
        if self.session is not None:
            self._forget_limit()
        self._tell_session()

    def ssh_SERVICE_REQUEST(self, packet: bytes) -> None:
        """Called when the peer wants to authenticate. It may request this one service, once."""
        if self.exchanging or self.service is not None:
            self.end("That is not asked for now.")
        else:
            super().ssh_SERVICE_REQUEST(packet)

    def sendExtInfo(self, extensions: object) -> None:
        """Called when the first keys are in use. Lists accepted signatures (RFC 8308, 3.1); conch's lists only our key's."""
        super().sendExtInfo([(b"server-sig-algs", ",".join(ALGORITHMS).encode())])

    def sendDisconnect(self, reason: int, desc: bytes | str) -> None:
        """Called by conch when it rejects a packet."""
        self.end(desc if isinstance(desc, str) else desc.decode("utf-8", "replace"), reason)

    # Our own methods

    @property
    def peer(self) -> str:
        """The peer's address, for the log."""
        return address_text(self.transport.getPeer())

    @property
    def way(self) -> Way:
        """The way the client has connected."""
        return Way("ssh", ip_of(self.transport.getPeer()), True, place_of(self.transport.getHost()))

    @property
    def exchanging(self) -> bool:
        """True during a key exchange: nothing else may be sent then."""
        return bool(self._keyExchangeState != self._KEY_EXCHANGE_NONE)

    def end(self, why: str, reason: int = transport.DISCONNECT_PROTOCOL_ERROR) -> None:
        """End the connection, and send the reason (RFC 4253, 11.1)."""
        if not self._ending:
            self.log.info("[SSH] {peer} is turned away: {why}", peer=self.peer, why=as_reason(why))
            if self.session is not None:
                self.session.cut()
            super().sendPacket(transport.MSG_DISCONNECT, struct.pack(">L", reason) + transport.NS(why) + transport.NS(""))
            self.hang_up()

    def broken(self) -> None:
        """Log a bug of ours, which was just raised, and end the connection."""
        self.log.failure("in an SSH session")
        self.end("That went wrong here, and is not your fault.", transport.DISCONNECT_BY_APPLICATION)

    def hang_up(self) -> None:
        """End the connection. It is cut off if the peer takes nothing."""
        self._ending = True
        self.factory.undecided.discard(self)
        self._forget_limit()
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self._cut_off = self.factory.clock.callLater(self.factory.closing_seconds, self.transport.abortConnection)

    def hang_up_soon(self) -> None:
        """End the connection a moment after the session: clients usually end it themselves."""
        if not self._ending:
            self._ending = True
            self._cut_off = self.factory.clock.callLater(self.factory.closing_seconds, self.hang_up)

    def close(self) -> None:
        """Called at shutdown, for a connection without a session."""
        self.end("The server is shutting down.", transport.DISCONNECT_BY_APPLICATION)

    def begin(self, session: TransportSession) -> None:
        """Called when the session has begun: the connection is no longer undecided."""
        self.session = session
        self.factory.undecided.discard(self)
        if not self.exchanging:
            self._forget_limit()

    def asks(self) -> bool:
        """Count one more request. End the connection and return False if there are too many."""
        if self._requests.take(self.factory.clock.seconds()):
            return True
        self.end("You ask for too much at once.")
        return False

    def _work_off(self, data: bytes) -> None:
        super().dataReceived(data)
        if self._ending:
            self.buf = b""
        elif not self._packets and self.buf:
            if self._next_turn is None:
                self.transport.pauseProducing()
            self._next_turn = self.factory.clock.callLater(0, self._go_on)
        elif len(self.buf) > LONGEST_PACKET + 64:  # its length, padding and MAC
            self.end("That packet is too long.")

    def _go_on(self) -> None:
        self._next_turn = None
        self._packets = PACKETS_A_TURN
        self._work_off(b"")
        if self._next_turn is None and not self.full and not self._ending:
            self.transport.resumeProducing()

    def _tell_session(self) -> None:
        if self.session is not None:
            self.session.look_how_full()

    def _set_limit(self) -> None:
        if self._limit is None:
            self._limit = self.factory.clock.callLater(LOGIN_SECONDS, self.end, "You took too long.")

    def _forget_limit(self) -> None:
        limit, self._limit = self._limit, None
        if limit is not None and limit.active():
            limit.cancel()
