"""TLS on the same port: one more protocol, inside which all the others are told apart once more.

1. A certificate can be exchanged while people talk: each connection keeps the one it has begun with.
2. What is written is encrypted at once, so that there is one buffer, the socket's, and its fullness is told at once.
   Twisted's usual `BufferingTLSTransport` has a second one of 64 kB, and tells only a turn later.
"""

from collections.abc import Callable

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IProtocolFactory, IReactorTime
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from twisted_chat.net.certificates import Fingerprint, Loaded


@implementer(IOpenSSLServerConnectionCreator)
class Credentials:
    """The certificate that newcomers are shown."""

    def __init__(self, load: Callable[[], Loaded]) -> None:
        """``load`` reads it. Raises `BadCertificate`, as that does."""
        self._load = load
        self._loaded = load()

    def reload(self) -> None:
        """Read it again. Raises `BadCertificate`: then the old one stays."""
        self._loaded = self._load()

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the one that newcomers are shown now."""
        return self._loaded.fingerprint

    def told(self) -> tuple[str, ...]:
        """The fingerprint, as people are told it."""
        return (
            f"Fingerprint of this server's certificate (SHA-256): {self.fingerprint.hex}",
            f"Its first half, to compare by voice: {self.fingerprint.words}",
        )

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """Called by Twisted for each connection."""
        return SSL.Connection(self._loaded.context, None)


class TlsFactory(TLSMemoryBIOFactory):
    """Makes the connections of one port's TLS."""

    protocol = TLSMemoryBIOProtocol

    def __init__(self, credentials: Credentials, inside: IProtocolFactory, clock: IReactorTime) -> None:
        """``inside`` makes what is spoken there."""
        super().__init__(credentials, False, inside, clock)
