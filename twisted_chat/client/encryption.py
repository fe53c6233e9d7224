"""The client's connection: encrypted, and always to the same server as the first time.

1. The client tries TLS first, except with ``--insecure-plain``. A server without TLS ends the attempt with an alert, and
   receives nothing that it could take for a person's words.
2. The client makes a second attempt, in clear text, only to its own machine: elsewhere, an attacker on the way could make
   any server look as if it spoke no TLS. The client sends no password in clear text (see `client.connection`): another user
   of this machine may hold the port. There is no second attempt if the server has spoken TLS before.
3. The client trusts a certificate on first use and remembers it, as ssh does. It refuses a different one later and shows
   both fingerprints, before it has sent anything. It does not remember servers on this machine: they come and go, on any
   port.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import (
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_chat.net.certificates import Fingerprint, fingerprint

# The time-out of a handshake, in seconds: a server that waits for a line would wait for ever.
HANDSHAKE_SECONDS = 10.0


class NotEncrypted(Exception):
    """The server does not speak TLS, or its TLS fails."""


class NotTrusted(Exception):
    """The server is not, or may not be, the same as before."""


class KnownHosts:
    """The file of known servers: ``HOST:PORT FINGERPRINT``, a line each."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, place: str) -> Fingerprint | None:
        """Return the remembered fingerprint of a server, or None. Raise `NotTrusted` if it cannot be read."""
        try:
            lines = self.path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeError) as error:
            raise NotTrusted(f"The file {self.path} can't be read: {error}.") from None
        for words in map(str.split, lines):
            if len(words) == 2 and words[0] == place:
                try:
                    return Fingerprint(bytes.fromhex(words[1].replace(":", "")))
                except ValueError:
                    raise NotTrusted(f"The file {self.path} has no fingerprint in the line of {place}.") from None
        return None

    def add(self, place: str, found: Fingerprint) -> None:
        """Remember a server's fingerprint. Raise `NotTrusted` if it cannot be written."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{place} {found.hex}\n")
        except OSError as error:
            raise NotTrusted(f"The file {self.path} can't be written: {error.strerror}.") from None


def known_hosts(environment: Mapping[str, str] = os.environ) -> KnownHosts:
    """Return the user's file (XDG Base Directory Specification)."""
    data = environment.get("XDG_DATA_HOME") or "~/.local/share"
    return KnownHosts(Path(data).expanduser() / "twisted-chat" / "known_hosts")


@dataclass(frozen=True, slots=True)
class Server:
    """A server's address, and the security that the client requires of it."""

    host: str
    port: int
    known: KnownHosts
    plain: bool = False  # True to connect in clear text

    @property
    def place(self) -> str:
        """The address as ``HOST:PORT``."""
        host = self.host.lower()
        return f"{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def here(self) -> bool:
        """True if the server is on this machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"


def check(server: Server, found: Fingerprint, tell: Callable[[str], None]) -> None:
    """Raise `NotTrusted` if the certificate is not the known one. Remember a server's first certificate, and report it."""
    if server.here:
        return
    known = server.known.get(server.place)
    if known is None:
        server.known.add(server.place, found)
        tell(f"{server.place} is new. Its certificate is trusted from now on: compare it with what /fingerprint shows others.")
        tell(f"SHA-256 {found.hex}")
        tell(f"in words {found.words}")
    elif known != found:
        raise NotTrusted(
            f"The certificate of {server.place} is not the one it was! Either it was exchanged, or somebody is between you"
            f" and the server.\nIt was {known.hex}\nIt is  {found.hex}\nIn words: {found.words}\n"
            f"If you know that it was exchanged, take the line of {server.place} out of {server.known.path}."
        )


@implementer(IStreamClientEndpoint)
class Endpoint:
    """The endpoint through which Twisted's ClientService makes each connection to a server."""

    def __init__(self, reactor: Any, server: Server, tell: Callable[[str], None], distrust: Callable[[str], None]) -> None:
        """Set the server. ``tell`` shows a line to the user; ``distrust`` is called when another attempt would be useless."""
        self._reactor = reactor
        self._server = server
        self._tell = tell
        self._distrust = distrust
        self._tcp = HostnameEndpoint(reactor, server.host, server.port)
        self._has_encrypted = False

    def connect(self, factory: IProtocolFactory) -> "Deferred[Any]":
        """Called by ClientService."""
        return Deferred.fromCoroutine(self._connect(factory))

    async def _connect(self, factory: IProtocolFactory) -> Any:
        server = self._server
        if server.plain:
            return await self._tcp.connect(factory)
        try:
            protocol = await self._encrypted(factory)
            self._has_encrypted = True
            return protocol
        except NotTrusted as error:
            self._distrust(str(error))
            raise
        except NotEncrypted:
            if self._has_encrypted:
                raise
            if server.here:
                return await self._tcp.connect(factory)
            why = f"{server.place} does not encrypt. With --insecure-plain all you say and hear can be read on the way."
            self._distrust(why)
            raise NotEncrypted(why) from None

    async def _encrypted(self, factory: IProtocolFactory) -> Any:
        handshake = Handshake(self._reactor)
        tls = TLSMemoryBIOFactory(Offer(self._server.host), True, Factory.forProtocol(lambda: handshake), self._reactor)
        tls.noisy = tls.wrappedFactory.noisy = False
        await self._tcp.connect(tls)
        await handshake.done
        transport = handshake.transport
        try:
            found = fingerprint(transport.getHandle().get_peer_certificate(as_cryptography=True))
            check(self._server, found, self._tell)
        except NotTrusted:
            transport.abortConnection()
            raise
        protocol = factory.buildProtocol(transport.getPeer())
        transport.wrappedProtocol = protocol
        protocol.makeConnection(transport)
        return protocol


@implementer(IOpenSSLClientConnectionCreator)
class Offer:
    """The client's TLS settings. The fingerprint identifies the server, not a certificate authority: see `check`."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        self._context.set_min_proto_version(SSL.TLS1_2_VERSION)

    def clientConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """Called by Twisted."""
        connection = SSL.Connection(self._context, None)
        try:
            ip_address(self._host)
        except ValueError:
            connection.set_tlsext_host_name(self._host.encode("idna"))
        return connection


@implementer(IHandshakeListener)
class Handshake(Protocol):
    """The protocol of a connection until the handshake is done. It sends nothing itself."""

    def __init__(self, reactor: Any) -> None:
        self.done: Deferred[None] = Deferred()
        self._reactor = reactor

    def connectionMade(self) -> None:
        """Called by TLS, before the handshake."""
        self._timer = self._reactor.callLater(HANDSHAKE_SECONDS, self.transport.abortConnection)

    def handshakeCompleted(self) -> None:
        """Called by TLS."""
        self._timer.cancel()
        self.done.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by TLS, if the connection is lost before another protocol takes it over."""
        if self._timer.active():
            self._timer.cancel()
        if not self.done.called:
            self.done.errback(NotEncrypted(reason.getErrorMessage()))
