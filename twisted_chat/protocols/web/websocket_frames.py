"""WebSocket messages from bytes, and back (RFC 6455), sans-I/O. wsproto reads the frames; this module limits their cost.

1. A message is a line, as in other protocols: it comes out whole, with its last frame. Every other frame (a control frame,
   or part of an unfinished message) gives an empty line, so that the sender's rate counts each frame.
2. A message has at most ``longest`` bytes, counting `FRAME_BYTES` for each of its frames. It is counted as it arrives, in
   linear time: the reader does not rely on a frame's declared length.
3. Pings are answered. A breach of the protocol ends the connection, and so does the peer's close frame: see ``code``.
4. Nothing is compressed: no extension is offered, and a frame that needs one is a breach.
"""

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from twisted_chat.protocols.framing import NoLineEnd

# Cost of each frame besides its bytes: browsers send a message in one frame, and no message needs hundreds.
FRAME_BYTES = 64
# Bytes handed to wsproto at once: ``len`` of the reader does not count the bytes that wsproto holds.
PIECE = 4096
# Head of a text message in one frame: FIN and text, then the length in one, two or eight bytes (RFC 6455, 5.2).
TEXT = 0x81
SHORT, MEDIUM = 125, 0xFFFF
# Reasons that are shown for some close codes.
WHY: dict[int, str] = {
    CloseReason.INVALID_FRAME_PAYLOAD_DATA: "A message has to be UTF-8. Goodbye.",
    CloseReason.UNSUPPORTED_DATA: "A message has to be text. Goodbye.",
}
# A ping without a payload.
PING = b"\x89\x00"


def text_frame(payload: bytes) -> bytes:
    """Return a server's text message. The bytes are the same for every client."""
    size = len(payload)
    if size <= SHORT:
        return bytes((TEXT, size)) + payload
    if size <= MEDIUM:
        return bytes((TEXT, 126)) + size.to_bytes(2, "big") + payload
    return bytes((TEXT, 127)) + size.to_bytes(8, "big") + payload


class MessageReader:
    """A reader that takes a client's bytes as they come, and returns its messages on request."""

    def __init__(self, longest: int) -> None:
        """Create a reader of messages of at most ``longest`` bytes."""
        self.last = 0
        self.code: int | None = None  # close code of the peer, or for its breach (RFC 6455, 7.4); None while open
        self.why = ""  # the same in words, if the peer does not know it already
        self._longest = longest
        self._frames = Connection(ConnectionType.SERVER)
        self._waiting = bytearray()
        self._parts: list[bytes] = []
        self._size = 0  # of the unfinished message
        self._pongs = b""

    def __len__(self) -> int:
        """Return the number of bytes that wait."""
        return len(self._waiting)

    def feed(self, data: bytes) -> None:
        """Add bytes."""
        self._waiting += data

    def next(self) -> bytes | None:
        """Return the message that the next frame ends: b"" if it ends none, None without a whole frame. Raises `NoLineEnd`."""
        while self.code is None:
            event = next(self._frames.events(), None)
            match event:
                case None:
                    if not self._waiting:
                        break
                    self._frames.receive_data(bytes(self._waiting[:PIECE]))
                    del self._waiting[:PIECE]
                    continue
                case TextMessage():
                    if not event.frame_finished:
                        self._add(event.data, 0)
                        continue
                    self._add(event.data, FRAME_BYTES)
                    if event.message_finished:
                        return self._whole()
                case BytesMessage():
                    self._end(CloseReason.UNSUPPORTED_DATA)
                case CloseConnection() if self._frames.state is ConnectionState.REMOTE_CLOSING:
                    self.code = event.code
                case CloseConnection():
                    self._end(event.code)
                case Ping():
                    self._pongs += self._frames.send(event.response())
            self.last = FRAME_BYTES
            return b""
        return None

    def rest(self) -> None:
        """Return None: an unfinished message is dropped."""

    def replies(self) -> bytes:
        """Return the replies to the frames that have come, and clear them."""
        pongs, self._pongs = self._pongs, b""
        return pongs

    def goodbye(self) -> bytes:
        """Return the last frame to send, b"" if closed already. No frame is read after it."""
        if self._frames.state not in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            return b""
        return self._frames.send(CloseConnection(CloseReason.NORMAL_CLOSURE if self.code is None else self.code))

    def _end(self, code: int) -> None:
        self.code, self.why = code, WHY.get(code, "That is not WebSocket. Goodbye.")

    def _add(self, text: str, head: int) -> None:
        data = text.encode()
        self._size += len(data) + head
        if self._size > self._longest:
            self.code = CloseReason.MESSAGE_TOO_BIG
            raise NoLineEnd(f"A message has at most {self._longest} bytes. Goodbye.")
        self._parts.append(data)

    def _whole(self) -> bytes:
        message, self.last = b"".join(self._parts), self._size
        self._parts.clear()
        self._size = 0
        return message
