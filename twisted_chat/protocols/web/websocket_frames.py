"""WebSocket messages out of bytes, and back (RFC 6455), sans-I/O. wsproto reads the frames; what they may cost is ours.

1. A message is a line, as for everybody else who sends some: it comes out whole, with its last frame. With every other
   frame, of a message that goes on or of control, an empty line comes out: so each frame is counted by the sender's rate.
2. A message has at most ``longest`` bytes, with `FRAME_BYTES` for each of its frames. It is counted as it comes, in
   linear time: no frame is waited for because it says how long it will be.
3. Pings are answered. Whatever breaks the rules ends the connection, as the peer's own wish does: see ``code``.
4. Nothing is compressed: no extension is offered, and a frame that needs one breaks the rules.
"""

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from twisted_chat.protocols.framing import NoLineEnd

# What each frame counts for besides its bytes: browsers send a message in one, and none is in hundreds.
FRAME_BYTES = 64
# How much is handed to wsproto at once, in bytes: what it holds is not seen by who counts what waits.
PIECE = 4096
# The heads of a text message in one frame: FIN and text, then the length in one, two or eight bytes (RFC 6455, 5.2).
TEXT = 0x81
SHORT, MEDIUM = 125, 0xFFFF
# What is told of some codes.
WHY: dict[int, str] = {
    CloseReason.INVALID_FRAME_PAYLOAD_DATA: "A message has to be UTF-8. Goodbye.",
    CloseReason.UNSUPPORTED_DATA: "A message has to be text. Goodbye.",
}
# A ping without anything in it.
PING = b"\x89\x00"


def text_frame(payload: bytes) -> bytes:
    """A text message as a server sends it: the same bytes for everybody."""
    size = len(payload)
    if size <= SHORT:
        return bytes((TEXT, size)) + payload
    if size <= MEDIUM:
        return bytes((TEXT, 126)) + size.to_bytes(2, "big") + payload
    return bytes((TEXT, 127)) + size.to_bytes(8, "big") + payload


class MessageReader:
    """Takes the bytes of a client as they come, gives messages as they are asked for."""

    def __init__(self, longest: int) -> None:
        """``longest`` is in bytes."""
        self.last = 0
        self.code: int | None = None  # why the peer, or what it sent, has ended this (RFC 6455, 7.4); None while it lasts
        self.why = ""  # the same for people, where the peer does not know it already
        self._longest = longest
        self._frames = Connection(ConnectionType.SERVER)
        self._waiting = bytearray()
        self._parts: list[bytes] = []
        self._size = 0  # of the message that has not ended yet
        self._pongs = b""

    def __len__(self) -> int:
        """How many bytes wait."""
        return len(self._waiting)

    def feed(self, data: bytes) -> None:
        """Add bytes."""
        self._waiting += data

    def next(self) -> bytes | None:
        """The message that the next frame ends, empty if it ends none; None if there is no whole frame. Raises `NoLineEnd`."""
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
        """A message that has not ended is none."""

    def replies(self) -> bytes:
        """What is to be sent for what has come, taken out."""
        pongs, self._pongs = self._pongs, b""
        return pongs

    def goodbye(self) -> bytes:
        """The last frame that is sent, and the last that is read."""
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
