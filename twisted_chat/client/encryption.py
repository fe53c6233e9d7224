"""How the client connects: encrypted, and each time to the server it was the first time.

1. TLS comes first. A server that speaks none ends the attempt with an alert, and never sees anything that it could take
   for a person's words; with ``--insecure-plain`` it is not tried.
2. Only to this very machine is there a second attempt, in clear text: nobody is on the way. Elsewhere whoever is could
   make any server look as if it spoke no TLS. No password is ever sent there (see `client.connection`): another user of
   this machine may hold the port. Nor is there one where TLS was spoken before.
3. A certificate is trusted the first time it is seen, and remembered, as ssh does it. Another one later is refused, and
   both fingerprints are shown. Nothing has been sent by then. Servers on this machine are not remembered: they come and
   go, on any port.
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

# How long a handshake may take, in seconds: a server that waits for a line would wait for ever.
HANDSHAKE_SECONDS = 10.0


class NotEncrypted(Exception):
    """The server does not speak TLS, or does not speak it well."""


class NotTrusted(Exception):
    """The server is not, or may not be, the one it was."""


class KnownHosts:
    """The file that holds what servers were like: ``HOST:PORT FINGERPRINT``, a line each."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, place: str) -> Fingerprint | None:
        """What a server's certificate was. Raises `NotTrusted` if that can't be read."""
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
        """Remember a server's certificate. Raises `NotTrusted` if that can't be written."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{place} {found.hex}\n")
        except OSError as error:
            raise NotTrusted(f"The file {self.path} can't be written: {error.strerror}.") from None


def known_hosts(environment: Mapping[str, str] = os.environ) -> KnownHosts:
    """The user's file (XDG Base Directory Specification)."""
    data = environment.get("XDG_DATA_HOME") or "~/.local/share"
    return KnownHosts(Path(data).expanduser() / "twisted-chat" / "known_hosts")


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect to, and what is asked of it."""

    host: str
    port: int
    known: KnownHosts
    plain: bool = False  # clear text is good enough

    @property
    def place(self) -> str:
        """``HOST:PORT``."""
        host = self.host.lower()
        return f"{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def here(self) -> bool:
        """Whether it is on this machine."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"


def check(server: Server, found: Fingerprint, tell: Callable[[str], None]) -> None:
    """Raises `NotTrusted` if the certificate is not the known one. A first one is remembered, and told."""
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
    """Connects to a server. What Twisted's ClientService asks for each connection."""

    def __init__(self, reactor: Any, server: Server, tell: Callable[[str], None], distrust: Callable[[str], None]) -> None:
        """``tell`` shows a line to the person; ``distrust`` is called when to try again is of no use."""
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
    """What TLS is asked for. Who the server is, its fingerprint says, not an authority: see `check`."""

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
    """Has the connection until the handshake is done. Nothing is sent in it but that."""

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
        """Called by TLS, if the connection is lost before anything else has it."""
        if self._timer.active():
            self._timer.cancel()
        if not self.done.called:
            self.done.errback(NotEncrypted(reason.getErrorMessage()))
