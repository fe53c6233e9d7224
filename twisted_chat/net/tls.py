"""TLS on the same port: one more protocol, inside which the others are detected again.

1. The certificate can be replaced while the server runs: each connection keeps the one it began with.
2. Data is encrypted when it is written, so the socket's is the only buffer, and backpressure is reported at once.
   Twisted's usual `BufferingTLSTransport` has a second buffer of 64 kB, and reports a turn later.
"""

from collections.abc import Callable

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IProtocolFactory, IReactorTime
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from twisted_chat.net.certificates import Fingerprint, Loaded


@implementer(IOpenSSLServerConnectionCreator)
class Credentials:
    """The certificate for new connections."""

    def __init__(self, load: Callable[[], Loaded]) -> None:
        """``load`` loads the certificate. Raise its `BadCertificate`."""
        self._load = load
        self._loaded = load()

    def reload(self) -> None:
        """Load the certificate again. Raise `BadCertificate` if that fails: then the old one stays."""
        self._loaded = self._load()

    @property
    def fingerprint(self) -> Fingerprint:
        """The fingerprint of the certificate for new connections."""
        return self._loaded.fingerprint

    def told(self) -> tuple[str, ...]:
        """Return the fingerprint as shown to users."""
        return (
            f"Fingerprint of this server's certificate (SHA-256): {self.fingerprint.hex}",
            f"Its first half, to compare by voice: {self.fingerprint.words}",
        )

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """Called by Twisted for each connection."""
        return SSL.Connection(self._loaded.context, None)


class TlsFactory(TLSMemoryBIOFactory):
    """The factory of TLS connections on one port."""

    protocol = TLSMemoryBIOProtocol

    def __init__(self, credentials: Credentials, inside: IProtocolFactory, clock: IReactorTime) -> None:
        """``inside`` builds the protocols inside TLS."""
        super().__init__(credentials, False, inside, clock)
