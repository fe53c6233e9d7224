"""A TLS client in memory, so that time and the cutting of bytes are the test's."""

import json
from pathlib import Path
from typing import Any

from OpenSSL import SSL

from twisted_chat.net.certificates import CERTIFICATE, KEY, load, make
from twisted_chat.net.tls import Credentials
from twisted_chat.testing import Chat, Client


def credentials(folder: Path) -> Credentials:
    """A certificate of our own in a folder."""
    make(folder)
    return Credentials(lambda: load(folder / CERTIFICATE, folder / KEY))


class Encrypted:
    """The other end of a connection, inside TLS of one version."""

    def __init__(self, chat: Chat, version: int = SSL.TLS1_3_VERSION, offering: tuple[bytes, ...] = ()) -> None:
        """``offering`` are applications that are asked for by ALPN."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
        if offering:
            context.set_alpn_protos(list(offering))
        self.chat = chat
        self.raw: Client = chat.connect()
        self.tls = SSL.Connection(context, None)
        self.tls.set_connect_state()
        self._read = b""

    def hello(self) -> bytes:
        """The first bytes of the handshake."""
        self._shake()
        return self.tls.bio_read(65536)

    def shake_hands(self) -> "Encrypted":
        """Do the whole handshake at once, but for the client's last flight, which `flush` sends."""
        self.raw.send_bytes(self.hello())
        while not self._take_in() or not self._shake():
            self.flush()
        return self

    def flush(self) -> None:
        """Let the server have what was encrypted."""
        try:
            self.raw.send_bytes(self.tls.bio_read(1 << 20))
        except SSL.WantReadError:
            return

    def send_bytes(self, data: bytes) -> None:
        """Send bytes, encrypted."""
        self.tls.send(data)
        self.flush()

    def send(self, *lines: str | dict[str, Any]) -> None:
        """Send lines, or objects as JSON, and let the server work."""
        self.send_bytes("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in lines).encode())
        self.chat.turn()

    def lines(self) -> list[str]:
        """What has come since this was asked last."""
        self._take_in()
        data = b""
        try:
            while True:
                data += self.tls.recv(65536)
        except (SSL.WantReadError, SSL.ZeroReturnError):
            return data.decode().splitlines()

    def _take_in(self) -> bool:
        data, self.raw.transport.received = self.raw.transport.received, b""
        if data:
            self.tls.bio_write(data)
        return bool(data)

    def _shake(self) -> bool:
        try:
            self.tls.do_handshake()
        except SSL.WantReadError:
            return False
        return True
