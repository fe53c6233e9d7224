"""People who come in by SSH: ``ssh -p 5555 you@host``. Encrypted, and on every machine there is.

1. The user name that one asks for is the name one has here. What can't be one is asked for again, in the session.
2. Without a terminal (``ssh -T``, or a pipe) it is what nc is: lines in, lines out.
3. With a command it is done, and that is all: see `protocols.ssh_command`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory

from twisted_chat.core.errors import ChatError
from twisted_chat.core.events import Refused, Remark
from twisted_chat.core.session import Way
from twisted_chat.core.text import decode
from twisted_chat.protocols.connection import ChatFactory, LineConnection
from twisted_chat.protocols.ssh_auth import Authentication, Identity
from twisted_chat.protocols.ssh_session import SessionChannel
from twisted_chat.protocols.ssh_transport import SshTransport
from twisted_chat.protocols.text import PLAIN

if TYPE_CHECKING:
    from twisted.conch.ssh.service import SSHService

    from twisted_chat.host_key import HostKey
    from twisted_chat.protocols.detect import Undecided


class SshPerson(LineConnection):
    """One person in an SSH session, without a terminal."""

    dialect = PLAIN
    kind = "ssh"
    longest = 4096
    most = 16 * 1024

    transport: SessionChannel

    def __init__(self, factory: ChatFactory, identity: Identity) -> None:
        super().__init__(factory)
        self.identity = identity

    def greet(self) -> None:
        """Come in under the name that was asked for."""
        self.session.proven = self.identity.proven
        self.session.public_key = self.identity.public_key
        self.perform(lambda: self.factory.table.invoke(self.call(), "name", [decode(self.identity.user)]), None, nothing)

    def lineReceived(self, line: bytes) -> None:
        """Called for each line, without its end."""
        if line.strip() or self.session.question is not None:
            self.perform(lambda: self.factory.table.run(self.call(), decode(line)), None, nothing)

    def refuse(self, error: ChatError, request: str | None = None) -> None:
        """Tell the person what can't be done."""
        self.session.tell(Refused(error.code, str(error)))
        if self.session.question is not None:
            self.say_last("What you type can't be hidden on this connection.")

    def write(self, data: bytes) -> None:
        """Hand over lines, which end as those of files do: there is no terminal of ours."""
        super().write(data.replace(b"\r\n", b"\n"))

    def say_last(self, text: str) -> None:
        """Say something to whoever is at the other end."""
        self.session.tell(Remark(text))

    def way(self) -> Way:
        """How the other end has come in."""
        return self.transport.conn.transport.way

    def unsent(self) -> int:
        """How many bytes the peer has not taken yet."""
        return self.transport.unsent


def nothing() -> None:
    """People see what happened; they need no word that it is done."""


class SshPeople(ChatFactory):
    """Makes the connections of people whose SSH session has begun, and knows them."""

    protocol = SshPerson


class SshFactory(ServerFactory):
    """The ServerFactory of SSH connections."""

    noisy = False

    def __init__(self, people: ChatFactory, host_key: HostKey, undecided: set[Undecided]) -> None:
        """``undecided`` holds the connections with which nobody has come in yet."""
        self.people = people
        self.undecided = undecided
        self.clock = people.clock
        self.closing_seconds = people.config.closing_seconds
        self.privateKeys = {b"ssh-ed25519": host_key.key}  # where conch looks for them
        self.publicKeys = {b"ssh-ed25519": host_key.key.public()}

    def buildProtocol(self, addr: IAddress | None) -> SshTransport:
        """Called for each connection."""
        return SshTransport(self)

    def getService(self, transport: SshTransport, service: bytes) -> type[SSHService] | None:
        """Called by conch for the first service, which lets one in to the other."""
        return Authentication if service == b"ssh-userauth" else None

    def person(self, identity: Identity, command: bytes | None) -> LineConnection:
        """The connection to the chat of somebody whose session begins, to talk or to do one thing."""
        return SshPerson(self.people, identity)
