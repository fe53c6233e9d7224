"""TLS as a client of the harness speaks it: bytes in, bytes out; `network.Person` has the socket.

The daemon's certificate is one of its own making, and is not verified: what goes through TLS is the matter here, not to whom.
"""

import contextlib
import socket
import ssl
import threading

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE


class Encryption:
    """One connection's TLS. One thread may read while another writes."""

    def __init__(self, wire: socket.socket) -> None:
        self.closed = False
        self.refusal = b""  # what came instead of a handshake
        self._wire = wire
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._inside = CONTEXT.wrap_bio(self._in, self._out)
        self._lock = threading.Lock()

    def shake_hands(self) -> None:
        """Do the handshake. Raises `OSError` where it fails: what came is in `refusal`."""
        while not self._shaken():
            self._wire.sendall(self._out.read())
            data = self._wire.recv(65536)
            self.refusal += data
            self._in.write(data)
            if not data:
                self._in.write_eof()
        self._wire.sendall(self._out.read())

    def _shaken(self) -> bool:
        try:
            self._inside.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def encrypted(self, data: bytes) -> bytes:
        """These bytes, as they go over the wire."""
        with self._lock:
            self._inside.write(data)
            return self._out.read()

    def decrypted(self, data: bytes) -> bytes:
        """What came, without its encryption. `closed` is so once the other end has said that it ends, or has broken TLS."""
        with self._lock:
            self._in.write(data)
            inside = bytearray()
            try:
                while piece := self._inside.read(65536):
                    inside += piece
                self.closed = True
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                self.closed = True
            return bytes(inside)

    def end(self) -> bytes:
        """The words that there is no more to say."""
        with self._lock:
            with contextlib.suppress(ssl.SSLWantReadError):
                self._inside.unwrap()
            return self._out.read()
