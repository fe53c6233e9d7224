"""The client and encryption: what it asks for, whom it trusts, and what it refuses."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from twisted_chat.client import encryption
from twisted_chat.client.encryption import Endpoint, KnownHosts, NotEncrypted, NotTrusted, Server, check
from twisted_chat.net.certificates import CERTIFICATE, KEY, Fingerprint, load, make
from twisted_chat.net.tls import Credentials, TlsFactory

ONE, OTHER = Fingerprint(bytes(32)), Fingerprint(bytes(31) + b"\x01")


def test_the_first_certificate_is_trusted_and_told_and_another_refused(tmp_path: Path) -> None:
    """As ssh does; the refusal shows both, and where the known one stands."""
    server = Server("Chat.Example", 5555, KnownHosts(tmp_path / "deep" / "known_hosts"))
    told: list[str] = []
    check(server, ONE, told.append)
    assert ONE.hex in told[1]
    assert ONE.words in told[2]
    told.clear()
    check(server, ONE, told.append)
    check(Server("chat.example", 5555, server.known), ONE, told.append)
    assert told == []
    with pytest.raises(NotTrusted) as refused:
        check(server, OTHER, told.append)
    for part in (ONE.hex, OTHER.hex, OTHER.words, str(server.known.path)):
        assert part in str(refused.value)
    check(Server("chat.example", 5556, server.known), OTHER, told.append)
    assert server.known.path.read_text().splitlines() == [f"chat.example:{5555} {ONE.hex}", f"chat.example:{5556} {OTHER.hex}"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_is_not_remembered(host: str, tmp_path: Path) -> None:
    """Servers come and go there, and nobody is on the way."""
    server = Server(host, 5555, KnownHosts(tmp_path / "known_hosts"))
    check(server, ONE, pytest.fail)
    check(server, OTHER, pytest.fail)
    assert not server.known.path.exists()


def test_a_file_that_cant_be_used_is_no_reason_to_trust(tmp_path: Path) -> None:
    """What can't be read, understood or remembered is refused, and named."""
    server = Server("chat.example", 5555, KnownHosts(tmp_path))
    with pytest.raises(NotTrusted, match="can't be read"):
        check(server, ONE, print)
    (tmp_path / "file").write_text("chat.example:5555 zz\n")
    with pytest.raises(NotTrusted, match="has no fingerprint"):
        check(Server("chat.example", 5555, KnownHosts(tmp_path / "file")), ONE, print)
    with pytest.raises(NotTrusted, match="can't be written"):
        check(Server("chat.example", 5556, KnownHosts(Path("/proc/none/known"))), ONE, print)


class Listener(Protocol):
    """Notes what comes in, in the clear or decrypted."""

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport."""
        self.factory.seen.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport."""
        self.factory.gone.callback(None)


class Speaker(Protocol):
    """A client that says one thing as soon as it may."""

    def connectionMade(self) -> None:
        """Called by the transport."""
        self.lost: Deferred[None] = Deferred()
        self.transport.write(b"secret")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport."""
        self.lost.callback(None)


class TestConnecting(TestCase):
    """With sockets: a server on this machine that the client takes for one elsewhere, as ``chat.example``."""

    timeout = 20

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Names lead to this machine."""
        monkeypatch.setattr(
            encryption, "HostnameEndpoint", lambda reactor, _, port: TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        )
        self.path = tmp_path
        yield

    def serve(self, *, tls: bool) -> None:
        """Listen, with a certificate of our own or in the clear."""
        from twisted.internet import reactor

        self.reactor: Any = reactor
        assert IReactorTCP.providedBy(reactor)
        self.inner = Factory.forProtocol(Listener)
        self.inner.seen = []
        self.inner.gone = Deferred()
        make(self.path / "tls")
        self.credentials = Credentials(lambda: load(self.path / "tls" / CERTIFICATE, self.path / "tls" / KEY))
        factory = TlsFactory(self.credentials, self.inner, self.reactor) if tls else self.inner
        self.listening = self.reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(self.listening.stopListening)

    async def say(self, host: str = "chat.example", *, plain: bool = False) -> list[str]:
        """Connect and say it. Returns what the person was told."""
        told: list[str] = []
        server = Server(host, self.listening.getHost().port, KnownHosts(self.path / "known"), plain)
        self.distrusted: list[str] = []
        endpoint = Endpoint(self.reactor, server, told.append, self.distrusted.append)
        try:
            protocol = await endpoint.connect(Factory.forProtocol(Speaker))
            protocol.transport.loseConnection()
            await protocol.lost
        finally:
            await self.inner.gone
            self.inner.gone = Deferred()
        return told

    async def test_encrypted_where_the_server_can(self) -> None:
        """It is told once that the server is new; what is said arrives."""
        self.serve(tls=True)
        assert len(await self.say()) == 3
        assert await self.say() == []
        assert b"".join(self.inner.seen) == b"secretsecret"

    async def test_another_certificate_is_refused_before_anything_is_sent(self) -> None:
        """Also where it is exchanged while the client runs."""
        self.serve(tls=True)
        await self.say()
        self.inner.seen.clear()
        (self.path / "tls" / CERTIFICATE).unlink()
        make(self.path / "tls")
        self.credentials.reload()
        with pytest.raises(NotTrusted):
            await self.say()
        assert "is not the one it was" in self.distrusted[0]
        assert self.inner.seen == []

    async def test_clear_text_only_where_it_is_asked_for(self) -> None:
        """A server without TLS is sent a handshake, but no word."""
        self.serve(tls=False)
        self.inner.protocol = Refusing
        with pytest.raises(NotEncrypted, match="--insecure-plain"):
            await self.say()
        assert "does not encrypt" in self.distrusted[0]
        assert b"secret" not in b"".join(self.inner.seen)
        self.inner.protocol = Listener
        self.inner.seen.clear()
        await self.say(plain=True)
        assert self.inner.seen == [b"secret"]


class Refusing(Listener):
    """A server that speaks no TLS, and says so."""

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport."""
        super().dataReceived(data)
        self.transport.write(b"\x15\x03\x01\x00\x02\x02\x28")
        self.transport.loseConnection()
