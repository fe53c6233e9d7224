"""SSH from its first byte to its last: conch's transport, held to what a stranger may cost us (RFC 4253).

1. Modern algorithms only, and no compression: conch's zlib has no bound, and serves those who have not yet come in.
2. Who is not in a session after `LOGIN_SECONDS` is gone, whatever they do; so is who begins an exchange of keys and does
   not end it. Keys are exchanged anew only so often.
3. A packet has at most `LONGEST_PACKET` bytes, and so many are worked off in a reactor turn: the rest waits in the kernel.
4. While the socket holds more than it should, nothing is read: what we answer is bounded by what the peer takes.
5. What can't be read ends the connection, with a word to the peer and a line in the log; never a traceback.
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

# How long one may take to be in a session, and how long an exchange of keys may take, in seconds.
LOGIN_SECONDS = 30.0
# What every implementation has to take (RFC 4253, 6.1), in bytes. Ours never needs more.
LONGEST_PACKET = 35_000
# How many packets of one connection are worked off in a reactor turn.
PACKETS_A_TURN = 64
# How often keys may be exchanged: OpenSSH does so after a gigabyte, or after the time its user has set.
EXCHANGES = Rate(4, 1 / 60)
# How often a client may ask for anything: who drags a window's edge does so tens of times a second.
REQUESTS = Rate(200, 20.0)

# The numbers of packets from here on belong to services (RFC 4250, 4.1.2).
FIRST_OF_SERVICES = 50
EXCHANGES_OF_KEYS = [
    b"curve25519-sha256",
    b"curve25519-sha256@libssh.org",
    b"ecdh-sha2-nistp256",
    b"ecdh-sha2-nistp384",
    b"ecdh-sha2-nistp521",
]
# The packets a client may send before a service has them all: what conch has for exchanges of keys that are not offered
# here is left out.
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
        transport.MSG_KEX_DH_GEX_REQUEST_OLD,  # the number of all that are: the client's half
    ]
)
# What conch or cryptography raise for bytes that are no packet of the kind they say they are.
UNREADABLE = (struct.error, ValueError, LookupError, TypeError, UnsupportedAlgorithm)


def nothing(event: LogEvent) -> None:
    """Conch tells the log of every packet, in the client's own words. We tell it what happened."""


class Meter:
    """What one peer has used up of a rate."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._due = 0.0

    def take(self, now: float) -> bool:
        """Count one more. False if that is one too many."""
        allowed = not self._rate.wait(self._due, now)
        self._due = self._rate.spent(self._due, now)
        return allowed


class SshTransport(SSHServerTransport):
    """One SSH connection. ``session`` is what goes on in it, once it does."""

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
        self.identity: Identity | None = None  # once one has said who one is
        self.session: TransportSession | None = None
        self.full = False  # the socket holds more than it should
        self.reason: Failure | None = None  # once the connection is lost
        self._begun = False  # the peer exchanges keys
        self._agreed = False  # on new keys, which the peer does not use yet
        self._ending = False
        self._packets = 0  # still to be worked off in this turn
        self._next_turn: IDelayedCall | None = None
        self._limit: IDelayedCall | None = None
        self._cut_off: IDelayedCall | None = None
        self._exchanges, self._requests = Meter(EXCHANGES), Meter(REQUESTS)

    # What Twisted calls

    def connectionMade(self) -> None:
        """Called by the transport, or by what had the connection before."""
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
        """Called by the socket's buffer: it holds more than it should."""
        self.full = True
        self.transport.pauseProducing()
        self._tell_session()

    def drained(self) -> None:
        """Called by the socket's buffer: it holds nothing any more."""
        self.full = False
        if self._next_turn is None and not self._ending:
            self.transport.resumeProducing()
        self._tell_session()

    # What conch calls

    def getPacket(self) -> bytes | None:
        """Called for the next packet: there is none in this turn, or for who is on the way out."""
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
        """Called when the peer begins to exchange keys, or answers our beginning."""
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
        """Called with the peer's half of the keys."""
        if self._agreed or not self._begun:
            self.end("No keys are being exchanged.")
        else:
            super().ssh_KEX_DH_GEX_REQUEST_OLD(packet)

    def _keySetup(self, sharedSecret: bytes, exchangeHash: bytes) -> None:
        """Called when both have what the new keys are made from."""
        self._agreed = True
        super()._keySetup(sharedSecret, exchangeHash)

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        """Called when the peer uses the new keys from now on. conch would take the word of one who has none."""
        if self._agreed:
            self._begun = self._agreed = False
            super().ssh_NEWKEYS(packet)
        else:
            self.end("There are no new keys.")

    def _newKeys(self) -> None:
        """Called when the new keys are in use, and what had to wait for them is sent."""
        super()._newKeys()
        self.ourKexInitPayload = self.otherKexInitPayload = b""  # two KiB that serve no more
        if self.session is not None:
            self._forget_limit()
        self._tell_session()

    def ssh_SERVICE_REQUEST(self, packet: bytes) -> None:
        """Called when the peer wants to say who it is. There is one such service, and it is asked for once."""
        if self.exchanging or self.service is not None:
            self.end("That is not asked for now.")
        else:
            super().ssh_SERVICE_REQUEST(packet)

    def sendExtInfo(self, extensions: object) -> None:
        """Called when first keys are in use: say which signatures are taken (RFC 8308, 3.1). conch names our own key's only."""
        super().sendExtInfo([(b"server-sig-algs", ",".join(ALGORITHMS).encode())])

    def sendDisconnect(self, reason: int, desc: bytes | str) -> None:
        """Called by conch for what it does not take."""
        self.end(desc if isinstance(desc, str) else desc.decode("utf-8", "replace"), reason)

    # What we do

    @property
    def peer(self) -> str:
        """Where it comes from, for the log."""
        return address_text(self.transport.getPeer())

    @property
    def way(self) -> Way:
        """How whoever it is has come in."""
        return Way("ssh", ip_of(self.transport.getPeer()), True, place_of(self.transport.getHost()))

    @property
    def exchanging(self) -> bool:
        """Whether keys are being exchanged: nothing else may be sent meanwhile."""
        return bool(self._keyExchangeState != self._KEY_EXCHANGE_NONE)

    def end(self, why: str, reason: int = transport.DISCONNECT_PROTOCOL_ERROR) -> None:
        """End the connection, and say why (RFC 4253, 11.1)."""
        if not self._ending:
            self.log.info("[SSH] {peer} is turned away: {why}", peer=self.peer, why=as_reason(why))
            if self.session is not None:
                self.session.cut()
            super().sendPacket(transport.MSG_DISCONNECT, struct.pack(">L", reason) + transport.NS(why) + transport.NS(""))
            self.hang_up()

    def broken(self) -> None:
        """A bug of ours, which was just raised: it is logged, and ends the connection."""
        self.log.failure("in an SSH session")
        self.end("That went wrong here, and is not your fault.", transport.DISCONNECT_BY_APPLICATION)

    def hang_up(self) -> None:
        """End the connection; if the peer takes nothing, it is cut off."""
        self._ending = True
        self.factory.undecided.discard(self)
        self._forget_limit()
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self._cut_off = self.factory.clock.callLater(self.factory.closing_seconds, self.transport.abortConnection)

    def hang_up_soon(self) -> None:
        """The session has ended: the client ends the connection by itself, as a rule, and is given a moment for it."""
        if not self._ending:
            self._ending = True
            self._cut_off = self.factory.clock.callLater(self.factory.closing_seconds, self.hang_up)

    def close(self) -> None:
        """Called at the shutdown, for who is not in a session."""
        self.end("The server is shutting down.", transport.DISCONNECT_BY_APPLICATION)

    def begin(self, session: TransportSession) -> None:
        """Called when the session has begun: from now on it is somebody's."""
        self.session = session
        self.factory.undecided.discard(self)
        if not self.exchanging:
            self._forget_limit()

    def asks(self) -> bool:
        """Count one more request. False, and the end, if there are too many."""
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
