"""``/ws``: the protocol for programs in the messages of a WebSocket, one object a message. The web page uses it.

1. Everything but the framing is `jsonlines.protocol.ProgramProtocol`: requests, answers, rates, slow readers and the end.
2. A page of another site cannot connect through a visitor's browser: its ``Origin`` is not ours (RFC 6454). Programs other
   than browsers send none.
3. The server pings, because pages cannot. A client that stays silent is disconnected.
"""

import base64
import binascii
from collections.abc import Sequence

from twisted.web.http import Request
from wsproto.utilities import generate_accept_token

from twisted_chat.core.errors import NotAllowed
from twisted_chat.core.events import Event
from twisted_chat.protocols.connection import ChatFactory
from twisted_chat.protocols.framing import Splitter
from twisted_chat.protocols.jsonlines.codec import Json, as_object, written
from twisted_chat.protocols.jsonlines.protocol import BadRequest, ProgramProtocol
from twisted_chat.protocols.web.errors import WEBSOCKET_VERSION, UpgradeNeeded
from twisted_chat.protocols.web.websocket_frames import PING, MessageReader, text_frame

# Interval of pings, and the silence after which the client is disconnected, in seconds.
PING_SECONDS, SILENCE_SECONDS = 30.0, 90.0
# Length of the key that a client sends, in bytes (RFC 6455, 4.1).
KEY_BYTES = 16


class Frames(Json):
    """The dialect of the web page: the objects for programs, each in a frame."""

    def pieces(self, events: Sequence[Event]) -> list[bytes]:
        """Return each event as a text message."""
        return [text_frame(written(as_object(event))) for event in events]


FRAMES = Frames()


def accept(request: Request) -> bytes:
    """Return the answer to a handshake (RFC 6455, 4.2). Raises `UpgradeNeeded`, `BadRequest`, or `NotAllowed`."""
    words = {word.strip().lower() for word in (request.getHeader(b"connection") or b"").split(b",")}
    if b"upgrade" not in words or (request.getHeader(b"upgrade") or b"").lower() != b"websocket":
        raise UpgradeNeeded("This is a WebSocket.")
    if request.getHeader(b"sec-websocket-version") != WEBSOCKET_VERSION:
        raise UpgradeNeeded(f"This is a WebSocket of version {WEBSOCKET_VERSION.decode()}.")
    key = request.getHeader(b"sec-websocket-key") or b""
    try:
        right = len(base64.b64decode(key, validate=True)) == KEY_BYTES
    except binascii.Error:
        right = False
    if not right:
        raise BadRequest("The key of a WebSocket has 16 bytes, in base64.")
    origin = request.getHeader(b"origin")
    scheme = b"https" if request.isSecure() else b"http"
    if origin is not None and origin.lower() != scheme + b"://" + (request.getHeader(b"host") or b"").lower():
        raise NotAllowed("A page of another site can't come in here.")
    return (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Cache-Control: no-store\r\n"
        b"Sec-WebSocket-Accept: " + generate_accept_token(key) + b"\r\n\r\n"
    )


class BrowserProtocol(ProgramProtocol):
    """An open page, or a program that speaks the same protocol."""

    dialect = FRAMES
    kind = "browser"
    longest = 16 * 1024  # a message of 4 KiB, every other character escaped, and its envelope

    def splitter(self) -> Splitter:
        """Return the reader that makes messages of bytes."""
        self._messages = MessageReader(self.longest)
        return self._messages

    def __init__(self, factory: ChatFactory) -> None:
        super().__init__(factory)
        self._silent_since: float | None = None  # in the ticks' time; None if data has come since the last tick
        self._pinged = 0.0

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport."""
        self._silent_since = None
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        """Called for each frame, with the message that it ends, or with an empty line."""
        self.write(self._messages.replies())
        if self._messages.code is not None:
            self.close(self._messages.why)
        else:
            super().lineReceived(line)

    def tick(self, now: float) -> None:
        """Called every few seconds. Ping a client that has a name and is being read. ``now`` is in seconds."""
        super().tick(now)
        if self._silent_since is None or self.full or self._held_back or not self.session.name:
            self._silent_since = self._pinged = now
        elif now - self._silent_since >= SILENCE_SECONDS:
            self.log.info("[{name}] is not heard of any more.", name=self.session.name)
            self.transport.abortConnection()
        elif now - self._pinged >= PING_SECONDS:
            self._pinged = now
            self.write(PING)

    def sign_off(self) -> None:
        """Close the WebSocket."""
        self.write(self._messages.goodbye())


class BrowserFactory(ChatFactory):
    """The factory of web pages' connections, once they are WebSockets."""

    protocol = BrowserProtocol
