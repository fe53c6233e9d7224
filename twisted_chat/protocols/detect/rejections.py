"""Rejection of clients whose protocol a port does not speak: each receives one error in its own protocol, and is closed.

1. The error is one sentence that says how to connect. The client's input never becomes chat.
2. The server discards input for `LINGER_SECONDS`. A socket that is closed with unread bytes is reset, and the peer would
   lose the error (RFC 9112, 9.6).
3. A client that does not read is aborted after `Config.closing_seconds`.
"""

import struct
from collections import Counter
from collections.abc import Callable
from html import escape

from twisted.internet.interfaces import IAddress, IDelayedCall, IHalfCloseableProtocol, IReactorTime, ISSLTransport
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_chat.core.events import Refused
from twisted_chat.net.addresses import place_of
from twisted_chat.protocols.jsonlines.codec import JSON
from twisted_chat.protocols.terminal.rendering import sentence

# The wait for the peer to end the connection, in seconds.
LINGER_SECONDS = 0.5
# The time after which a browser may try a full server again, in seconds.
RETRY_SECONDS = 10

# The encoder of a sentence in one protocol.
Words = Callable[[str], bytes]

NOT_SPOKEN = "{name} is not spoken here. Come in with: {way}"
ONLY_ENCRYPTED = "Only encrypted connections are taken here. Come in with: {way}"


def in_json(why: str) -> bytes:
    """Return the error for a JSON client."""
    return JSON.render([Refused("closing", why)])


def in_http(why: str) -> bytes:
    """Return the error for browsers and curl (RFC 9110, 15.6.2)."""
    return _http("501 Not Implemented", "text/plain", f"{why}\n")


def no_room_in_http(why: str) -> bytes:
    """Return the error for browsers and curl that the server is full (RFC 9110, 15.6.4)."""
    page = f"<!doctype html>\n<meta charset=utf-8>\n<title>No room now</title>\n<p>{escape(why)}\n"
    return _http("503 Service Unavailable", "text/html", page, f"Retry-After: {RETRY_SECONDS}")


def _http(status: str, kind: str, text: str, *headers: str) -> bytes:
    """Return a response that ends the connection."""
    body = text.encode()
    about = (
        f"Content-Type: {kind}; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        *headers,
        "Connection: close",
    )
    return "\r\n".join((f"HTTP/1.1 {status}", *about, "", "")).encode() + body


def in_irc(why: str) -> bytes:
    """Return the error for an IRC client (RFC 2812, 3.7.4)."""
    return f"ERROR :{why}\r\n".encode()


def in_ssh(why: str) -> bytes:
    """Return the error that an ssh client shows to its user: our version, then a disconnect (RFC 4253, 6 and 11.1)."""
    text = why.encode()
    payload = struct.pack(">BI", 1, 11) + struct.pack(">I", len(text)) + text + struct.pack(">I", 0)
    padding = 8 - (5 + len(payload)) % 8 + 8
    packet = struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)
    return b"SSH-2.0-twisted_chat\r\n" + packet


def in_tls(why: str) -> bytes:
    """Return the error for a TLS client: the fatal alert handshake_failure (RFC 8446, 6), which cannot hold a sentence."""
    return b"\x15\x03\x01\x00\x02\x02\x28"


def in_redis(why: str) -> bytes:
    """Return the error for a Redis client."""
    return f"-ERR {why}\r\n".encode()


def in_text(why: str) -> bytes:
    """Return the error for any other client: plain text."""
    return sentence(why)


def in_silence(why: str) -> bytes:
    """Return nothing: the client would misread any error."""
    return b""


@implementer(IHalfCloseableProtocol)
class Refusal(Protocol):
    """One rejected connection, which receives the reason."""

    factory: "RefusalFactory"

    def __init__(self, factory: "RefusalFactory") -> None:
        self.factory = factory
        self._next: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Called by the transport, or by the protocol that held the connection before."""
        self.transport.write(self.factory.words(self.factory.why(place_of(self.transport.getHost()))))
        if ISSLTransport.providedBy(self.transport):  # TLS waits for the peer's end by itself (RFC 8446, 6.1)
            self._end()
        else:
            self._next = self.factory.clock.callLater(LINGER_SECONDS, self._end)
            if hasattr(self.transport, "loseWriteConnection"):
                self.transport.loseWriteConnection()

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport. Discard the input."""

    def readConnectionLost(self) -> None:
        """Called by the transport at the end of input."""
        self._forget()
        self._end()

    def writeConnectionLost(self) -> None:
        """Called by the transport when all output is written."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport."""
        self._forget()

    def _end(self) -> None:
        self._next = self.factory.clock.callLater(self.factory.closing_seconds, self.transport.abortConnection)
        self.transport.loseConnection()

    def _forget(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()


class RefusalFactory(ServerFactory):
    """The factory that rejects the clients of one protocol."""

    noisy = False

    def __init__(
        self,
        name: str,
        words: Words,
        template: str,
        command: str,
        clock: IReactorTime,
        closing_seconds: float,
        refused: Counter[str],
    ) -> None:
        """Set the sentence, ``template``, with ``{name}`` and ``{way}``.

        ``command`` is that ``{way}``, with ``{place}``. ``refused`` counts rejected connections by ``name``.
        """
        self.words = words
        self.clock = clock
        self.closing_seconds = closing_seconds
        self._name = name
        self._template = template
        self._command = command
        self._refused = refused

    def why(self, place: str) -> str:
        """Return the sentence. ``place`` is HOST:PORT, or empty for a socket without an address."""
        host, _, port = (place or "HOST:PORT").rpartition(":")
        way = self._command.format(host=host.strip("[]"), port=port, place=place or "HOST:PORT")
        return self._template.format(name=self._name, way=way)

    def buildProtocol(self, addr: IAddress | None) -> Refusal:
        """Called for each connection."""
        self._refused[self._name] += 1
        return Refusal(self)
