"""A WebSocket as a client of the harness speaks it: lines in, frames out, and back; `network.Person` has the socket.

What stands in a line is a text message; what has no end of line yet is a message that goes on.
"""

import socket
import threading

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import FrameProtocol

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
# How much goes into one frame, in bytes.
FRAME = 65536


class Frames:
    """One connection's WebSocket. One thread may read while another writes."""

    def __init__(self, wire: socket.socket) -> None:
        self.closed = False
        self.refusal = b""  # what came instead of a WebSocket
        self._wire = wire
        self._connection = Connection(ConnectionType.CLIENT)
        self._sender = FrameProtocol(client=True, extensions=[])
        self._lock = threading.Lock()

    def shake_hands(self) -> None:
        """Do the handshake. Raises `OSError` where it fails: what came is in `refusal`."""
        self._wire.sendall(HANDSHAKE)
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = self._wire.recv(1)
            answer += data
            if not data:
                self.refusal = answer
                raise ConnectionResetError
        if not answer.startswith(b"HTTP/1.1 101 "):
            self.refusal = answer
            raise ConnectionRefusedError

    def encrypted(self, data: bytes) -> bytes:
        """These bytes, as they go over the wire: bytes that are not UTF-8, too, which wsproto's own messages could not hold."""
        out = bytearray()
        with self._lock:
            for line in data.splitlines(keepends=True):
                for at in range(0, len(line), FRAME):
                    piece = line[at : at + FRAME]
                    out += self._text(piece.removesuffix(b"\n"), piece.endswith(b"\n"))
        return bytes(out)

    def _text(self, piece: bytes, final: bool) -> bytes:
        data = self._sender.send_data(piece, final)
        if data[0] & 0x0F == 2:  # wsproto takes bytes for a binary message: it is text all the same
            data[0] ^= 3
        return bytes(data)

    def decrypted(self, data: bytes) -> bytes:
        """What came, as lines. `closed` is so once the other end has closed the WebSocket, or has broken its rules."""
        lines = b""
        with self._lock:
            if self._connection.state is ConnectionState.CLOSED:
                return b""
            self._connection.receive_data(data)
            for event in self._connection.events():
                match event:
                    case TextMessage():
                        lines += event.data.encode() + (b"\n" if event.message_finished else b"")
                    case Ping():
                        self._wire.sendall(self._connection.send(event.response()))
                    case CloseConnection():
                        self.closed = True
        return lines

    def end(self) -> bytes:
        """The words that there is no more to say."""
        return bytes(self._sender.close(1000))
