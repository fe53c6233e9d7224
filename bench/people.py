"""People of a benchmark, each of whom comes in by one way: in clear text, inside TLS, by SSH.

1. What is said is encrypted at once, and sent by `flush`.
2. What comes is taken as it is, and decrypted by `understand`: whoever measures a server has the time for that afterwards.
"""

import re
import socket
import ssl
import struct

from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.transport import SSHClientTransport
from twisted.conch.ssh.userauth import SSHUserAuthClient
from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import StringTransport
from twisted.logger import Logger

from bench.idle import connect, name

PAYLOAD = b"x" * 50
SHOWN = re.compile(rb"<[^<>]+> (\d+) x{50}\r?\n")
# After so many seconds without a byte what is missing counts as lost.
PATIENCE = 10.0
WELCOME = b"you are now connected!"
QUIET = Logger(observer=lambda event: None)
# The daemon's certificate is one of its own making.
UNCHECKED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
UNCHECKED.check_hostname = False
UNCHECKED.verify_mode = ssl.CERT_NONE


class InClear:
    """Somebody who comes in as nc does. The other ways put something between what is said and the socket."""

    title = "clear text"
    end = b"\n"

    def __init__(self, port: int, number: int) -> None:
        self.name = name("guest", number).encode()
        self.socket = connect(port, number)
        self.socket.settimeout(PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unsent = bytearray()
        self.taken: list[bytes] = []  # as it came
        self.received = bytearray()  # decrypted, after the last message in it
        self.told: list[int] = []  # the numbers of the messages

    def come_in(self) -> None:
        """Be in the lobby. It has to follow at once: who is silent is taken for a person at a keyboard."""
        self.say(self.name)
        self.until(WELCOME)

    def say(self, line: bytes) -> None:
        """Say something. It is not sent yet."""
        self.write(line + self.end)

    def write(self, data: bytes) -> None:
        """Encrypt."""
        self.unsent += data

    def read(self, data: bytes) -> bytes:
        """Decrypt."""
        return data

    def flush(self) -> None:
        """Send what there is to be sent."""
        self.socket.sendall(self.unsent)
        self.unsent.clear()

    def take(self) -> int:
        """Take what has come, or wait for it. Returns how many bytes that was."""
        self.taken.append(self.socket.recv(1 << 20))
        assert self.taken[-1], f"sent away: {bytes(self.received)!r}"
        return len(self.taken[-1])

    def understand(self) -> None:
        """Decrypt what was taken."""
        self.received += b"".join(map(self.read, self.taken))
        self.taken.clear()

    def listen(self) -> None:
        """Look which messages are in what was taken."""
        self.understand()
        found = list(SHOWN.finditer(self.received))
        self.told += (int(message[1]) for message in found)
        if found:
            del self.received[: found[-1].end()]

    def until(self, text: bytes) -> None:
        """Read until this has come."""
        self.flush()
        while text not in self.received:
            self.take()
            self.understand()
            self.flush()


class InTls(InClear):
    """The same inside TLS, as ``openssl s_client`` does it."""

    title = "TLS"

    def __init__(self, port: int, number: int) -> None:
        super().__init__(port, number)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._inside = UNCHECKED.wrap_bio(self._in, self._out)

    def come_in(self) -> None:
        """Shake hands first."""
        while not self._shaken():
            self.flush()
            self._in.write(self.socket.recv(65536))
        super().come_in()

    def _shaken(self) -> bool:
        try:
            self._inside.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self.unsent += self._out.read()
        return True

    def write(self, data: bytes) -> None:
        """A record each."""
        self._inside.write(data)
        self.unsent += self._out.read()

    def read(self, data: bytes) -> bytes:
        """The whole records."""
        self._in.write(data)
        pieces = []
        try:
            while piece := self._inside.read(1 << 20):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        return b"".join(pieces)


class Session(SSHChannel):
    """A session whose window is never used up, so that nobody has to say so while it is measured."""

    name = b"session"
    _log = QUIET

    def __init__(self, terminal: bool) -> None:
        super().__init__(0xFFFFFFFF, 32768)
        self.terminal = terminal
        self.received = bytearray()

    def channelOpen(self, specificData: bytes) -> None:
        """Called by conch."""
        if self.terminal:
            pty = NS(b"xterm-256color") + struct.pack(">4L", 80, 24, 0, 0) + NS(b"")
            self.conn.sendRequest(self, b"pty-req", pty)
        self.conn.sendRequest(self, b"shell", b"")

    def dataReceived(self, data: bytes) -> None:
        """Called by conch."""
        self.received += data


class Connection(SSHConnection):
    """Opens the session."""

    _log = QUIET

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def serviceStarted(self) -> None:
        """Called by conch."""
        self.openChannel(self.session)


class Keyless(SSHUserAuthClient):
    """Proves nothing."""

    _log = QUIET


class Client(SSHClientTransport):
    """Takes the server for what it says it is."""

    _log = QUIET

    def __init__(self, user: bytes, session: Session) -> None:
        self.user = user
        self.session = session

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> "Deferred[int]":
        """Called by conch."""
        return succeed(1)

    def connectionSecure(self) -> None:
        """Called by conch."""
        self.requestService(Keyless(self.user, Connection(self.session)))

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        """Called by conch, with the server's last words."""
        raise AssertionError(f"sent away: {description!r}")


class BySsh(InClear):
    """Lines by SSH, as ``ssh -T`` sends them."""

    title = "SSH"
    terminal = False

    def __init__(self, port: int, number: int) -> None:
        super().__init__(port, number)
        self._session = Session(self.terminal)
        self._client = Client(self.name, self._session)
        self._client.makeConnection(StringTransport())

    def come_in(self) -> None:
        """SSH has told the name."""
        self.until(WELCOME)

    def write(self, data: bytes) -> None:
        """A packet each."""
        self._session.write(data)

    def read(self, data: bytes) -> bytes:
        """The whole packets."""
        self._client.dataReceived(data)
        received, self._session.received = bytes(self._session.received), bytearray()
        return received

    def flush(self) -> None:
        """Send also what conch has to say by itself."""
        self.unsent += self._client.transport.value()
        self._client.transport.clear()
        super().flush()


class AtTerminal(BySsh):
    """Keys pressed at a terminal of 80 columns."""

    title = "SSH, at a terminal"
    terminal = True
    end = b"\r"


WAYS: dict[str, type[InClear]] = {"line": InClear, "tls": InTls, "ssh": BySsh, "terminal": AtTerminal}
