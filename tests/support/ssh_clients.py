"""An SSH client in memory, so that time and the cutting of bytes are the test's. conch's own, which does what it is told."""

import struct
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import SSHClientTransport
from twisted.conch.ssh.userauth import SSHUserAuthClient
from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import StringTransport

from twisted_chat.protocols.ssh.transport import nothing
from twisted_chat.testing import Chat, Client


def new_key() -> Key:
    """A key of one's own."""
    return Key(Ed25519PrivateKey.generate())


def public_line(key: Key, comment: str = "") -> str:
    """As it stands in a file .pub."""
    return f"{key.public().toString('openssh').decode()} {comment}".strip()


class Session(SSHChannel):
    """The client's end of the session."""

    name = b"session"

    def __init__(self, client: "SshClient", window: int, packet: int) -> None:
        super().__init__(window, packet)
        self.localMaxPacket = packet  # also if it is nothing
        self.client = client
        self.requests: list[bytes] = []
        self.status: int | None = None
        self.over = False

    def channelOpen(self, specificData: bytes) -> None:
        """Called when it is open."""
        self.client.opened()

    def openFailed(self, reason: Any) -> None:
        """Called when it is refused."""
        self.client.failed = str(reason)

    def dataReceived(self, data: bytes) -> None:
        """Called with what the server writes."""
        self.client.received += data

    def request_exit_status(self, data: bytes) -> bool:
        """Called with the status."""
        (self.status,) = struct.unpack(">L", data)
        return True

    def closed(self) -> None:
        """Called at the end."""
        self.over = True


class Keeping(SSHConnection):
    """A connection that leaves the windows as they are, if it is told so."""

    def __init__(self, client: "SshClient") -> None:
        super().__init__()
        self.client = client

    def serviceStarted(self) -> None:
        """Called when one is let in."""
        self.client.let_in = True
        if self.client.opens:
            self.openChannel(self.client.session)

    def adjustWindow(self, channel: Any, bytesToAdd: int) -> None:
        """Called when half of the window is used."""
        if self.client.reads:
            super().adjustWindow(channel, bytesToAdd)


class Proving(SSHUserAuthClient):
    """Offers keys, then a password."""

    preferredOrder = [b"publickey", b"keyboard-interactive"]  # noqa: RUF012

    def __init__(self, client: "SshClient") -> None:
        super().__init__(client.user, client.connection)
        self.client = client
        self._left = list(client.keys)
        self._passwords = list(client.passwords)

    def getPublicKey(self) -> Key | None:
        """Called for the next key to offer."""
        self._key = self._left.pop(0) if self._left else None
        return self._key.public() if self._key else None

    def getPrivateKey(self) -> "Deferred[Key | None]":
        """Called to sign with it."""
        return succeed(self._key)

    def getGenericAnswers(self, name: bytes, instruction: bytes, prompts: list[Any]) -> "Deferred[list[str]]":
        """Called with what is asked."""
        self.client.told.append(instruction.decode())
        self.client.prompts += [prompt for prompt, _ in prompts]
        return succeed([self._passwords.pop(0) if self._passwords else "" for _ in prompts])

    def ssh_USERAUTH_BANNER(self, packet: bytes) -> None:
        """Called with what is to be shown."""
        self.client.told.append(getNS(packet)[0].decode())


class Speaking(SSHClientTransport):
    """The client's transport."""

    client: "SshClient"

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> "Deferred[int]":
        """Called with the server's key."""
        self.client.host_key = hostKey
        return succeed(1)

    def connectionSecure(self) -> None:
        """Called when nobody else can read or change anything."""
        if self.client.proves and self.service is None:
            self.requestService(Proving(self.client))

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        """Called with the server's last word."""
        self.client.last_words = description.decode()


class SshClient:
    """The other end of an SSH connection, with a session in it; see `twisted_chat.testing.Client`."""

    def __init__(
        self,
        chat: Chat,
        user: str | bytes = b"Ann",
        *passwords: str,
        keys: tuple[Key, ...] = (),
        command: str | None = None,
        address: str = "192.0.2.1",
        door: str = "detect",
        window: int = 1 << 20,
        packet: int = 32768,
        opens: bool = True,
        proves: bool = True,
        begins: bool = True,
        term: str = "",
        width: int = 80,
        colour: bool = True,
    ) -> None:
        """With ``term`` it asks for a terminal, of so many columns.

        It stops short of what it is told not to: to open a session, to say who it is, to begin a shell.
        """
        self.chat, self.user, self.keys, self.passwords = (
            chat,
            user.encode() if isinstance(user, str) else user,
            keys,
            passwords,
        )
        self.command, self.opens, self.proves, self.begins = command, opens, proves, begins
        self.term, self.width, self.colour = term, width, colour
        self.received, self.host_key, self.failed, self.last_words = b"", b"", "", ""
        self.let_in, self.reads = False, True
        self.told: list[str] = []
        self.prompts: list[bytes] = []
        self.session = Session(self, window, packet)
        self.connection = Keeping(self)
        self.raw: Client = chat.connect(door, address)
        self.ssh = Speaking()
        self.ssh.client = self
        for part in (Speaking, Session, Keeping, Proving):
            part._log = type(part._log)(observer=nothing)
        self.ssh.makeConnection(StringTransport())
        self.flush()

    @property
    def transport(self) -> Any:
        """The server's end of the socket."""
        return self.raw.transport

    @property
    def closed(self) -> bool:
        """Whether the server has ended the session, or the connection."""
        return self.session.over or self.raw.closed

    def opened(self) -> None:
        """The session is open: begin."""
        if not self.begins:
            return
        if not self.colour:
            self.connection.sendRequest(self.session, b"env", NS(b"NO_COLOR") + NS(b"1"))
        if self.term:
            pty = NS(self.term) + struct.pack(">4L", self.width, 24, 0, 0) + NS(b"")
            self.connection.sendRequest(self.session, b"pty-req", pty, wantReply=True)
        if self.command is None:
            self.connection.sendRequest(self.session, b"shell", b"", wantReply=True)
        else:
            asked = self.connection.sendRequest(self.session, b"exec", NS(self.command), wantReply=True)
            asked.addErrback(nothing)  # it has ended before that was answered

    def flush(self) -> None:
        """Let both have what the other has written, until neither has more to say."""
        while True:
            data = self.ssh.transport.value()
            self.ssh.transport.clear()
            if data and not self.raw.closed:
                self.raw.send_bytes(data)
            self.chat.turn()
            answer, self.raw.transport.received = self.raw.transport.received, b""
            if not answer:
                return
            self.ssh.dataReceived(answer)

    def send(self, *lines: str) -> None:
        """Send lines, and let the server work."""
        self.send_bytes("".join(f"{line}\n" for line in lines).encode())

    def send_bytes(self, data: bytes) -> None:
        """Send bytes in the session."""
        self.session.write(data)
        self.flush()

    def resize(self, width: int, height: int) -> None:
        """Change the size of the window."""
        self.connection.sendRequest(self.session, b"window-change", struct.pack(">4L", width, height, 0, 0))
        self.flush()

    def bytes(self) -> bytes:
        """What has come since this was asked last, as it came."""
        self.flush()
        data, self.received = self.received, b""
        return data

    def end_input(self) -> None:
        """There is no more."""
        self.connection.sendEOF(self.session)
        self.flush()

    def lines(self) -> list[str]:
        """What has come since this was asked last."""
        self.flush()
        data, self.received = self.received, b""
        return data.decode().splitlines()
