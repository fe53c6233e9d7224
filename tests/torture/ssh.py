"""SSH as a client of the harness speaks it: bytes in, bytes out, as `encryption` has it for TLS.

It is conch's, without a reactor. It comes in under a name that can be none, so that one is asked for: what is said in the
session then is what `Line` says.
"""

import contextlib
import socket
import struct
import threading
from typing import Any

from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.transport import SSHClientTransport
from twisted.conch.ssh.userauth import SSHUserAuthClient
from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import StringTransport
from twisted.logger import Logger

NOBODY = b"?"
# What the server says last before it listens for a name.
PROMPT = b"What's your name?\n"
# The number of the session.
FIRST = struct.pack(">L", 0)
QUIET = Logger(observer=lambda event: None)


class Session(SSHChannel):
    """The session, from the client's side."""

    name = b"session"
    _log = QUIET

    def __init__(self) -> None:
        super().__init__(1 << 20, 32768)
        self.received = bytearray()
        self.over = False
        self.refusal = ""

    def channelOpen(self, specificData: bytes) -> None:
        self.conn.sendRequest(self, b"shell", b"")

    def openFailed(self, reason: Any) -> None:
        self.refusal = str(reason)
        self.over = True

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def closeReceived(self) -> None:
        self.over = True
        self.buf = b""
        super().closeReceived()


class Connection(SSHConnection):
    """Opens the session."""

    _log = QUIET

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def serviceStarted(self) -> None:
        self.openChannel(self.session)

    def ssh_CHANNEL_OPEN_FAILURE(self, packet: bytes) -> None:
        """Also for channels that are none of ours: a case has asked for them."""
        if packet[:4] == FIRST:
            super().ssh_CHANNEL_OPEN_FAILURE(packet)

    def ssh_REQUEST_FAILURE(self, packet: bytes) -> None:
        """Nobody waits for it."""


class Keyless(SSHUserAuthClient):
    """Says who it is, and proves nothing."""

    _log = QUIET

    def getPublicKey(self) -> None:
        return None


class Client(SSHClientTransport):
    """The transport."""

    _log = QUIET

    def __init__(self, user: bytes, session: Session) -> None:
        self.user = user
        self.session = session
        self.last_words = ""

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> "Deferred[int]":
        return succeed(1)

    def connectionSecure(self) -> None:
        if self.service is None:
            self.requestService(Keyless(self.user, Connection(self.session)))

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        self.last_words = description.decode("utf-8", "replace")


class SecureShell:
    """One connection. One thread may read while another writes."""

    def __init__(self, wire: socket.socket, user: bytes = NOBODY) -> None:
        self.closed = False
        self.refusal = b""  # what came instead of SSH
        self.session = Session()
        self.client = Client(user, self.session)
        self._wire = wire
        self._lock = threading.Lock()
        self._told = False
        self.client.makeConnection(StringTransport())

    def shake_hands(self) -> None:
        """Come as far as the question for a name. Raises `OSError` where that fails: what came is in `refusal`."""
        self.flush()
        while PROMPT not in self.session.received:
            data = self._wire.recv(65536) if not self.session.over else b""
            if not self.client.gotVersion:
                self.refusal += data
            if not data:
                raise OSError(self.session.refusal or self.client.last_words)
            self.take(data)
        del self.session.received[: self.session.received.index(PROMPT) + len(PROMPT)]

    def take(self, data: bytes) -> None:
        """Let the client have what came, and the server what it says to that."""
        self.client.dataReceived(data)
        self.flush()

    def flush(self) -> None:
        """Send what the client has to say."""
        data = self.client.transport.value()
        self.client.transport.clear()
        self._wire.sendall(data)

    def encrypted(self, data: bytes) -> bytes:
        """Say these bytes in the session, as far as the server's window has room for them: the rest waits for that.

        Nothing is left to be sent. Raises `OSError` where there is no session.
        """
        with self._lock:
            if self.session.conn is None:
                raise ConnectionError
            self.session.write(data)
            self.flush()
        return b""

    def decrypted(self, data: bytes) -> bytes:
        """What came in the session. `closed` is so once the server has ended it, with its last words as a line of its own."""
        with self._lock:
            with contextlib.suppress(OSError):  # it has closed, which is seen from what it has sent
                self.take(data)
            received, self.session.received = bytes(self.session.received), bytearray()
            self.closed = self.session.over or bool(self.client.last_words)
            if self.client.last_words and not self._told:
                self._told = True
                received += f"-> {self.client.last_words}\n".encode()
            return received

    def end(self) -> bytes:
        """Say that there is no more to come."""
        with self._lock:
            self.client.service.sendEOF(self.session)
            self.flush()
        return b""

    def send_packet(self, number: int, payload: bytes = b"") -> None:
        """Send a packet of any kind."""
        with self._lock:
            self.client.sendPacket(number, payload)
            self.flush()

    def request(self, name: bytes, data: bytes = b"") -> None:
        """Ask for something in the session, and for an answer."""
        self.send_packet(98, FIRST + struct.pack(">L", len(name)) + name + b"\1" + data)
