"""SSH on the same port: ``ssh -p 5555 you@host``. It is encrypted, and every machine has a client.

The parts: `ssh.transport` is the connection, `ssh.auth` the authentication, `ssh.channel` the session. `ssh.protocol`,
`ssh.shell` and `ssh.exec` are the chat connections of people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory

from twisted_chat.protocols.connection import ChatFactory
from twisted_chat.protocols.ssh.auth import Authentication
from twisted_chat.protocols.ssh.exec import SshCommand
from twisted_chat.protocols.ssh.identity import Identity
from twisted_chat.protocols.ssh.protocol import SshPerson
from twisted_chat.protocols.ssh.pty import Pty
from twisted_chat.protocols.ssh.shell import SshTerminal
from twisted_chat.protocols.ssh.transport import SshTransport

if TYPE_CHECKING:
    from twisted.conch.ssh.service import SSHService

    from twisted_chat.net.ssh_host_key import HostKey
    from twisted_chat.protocols.detect.detector import Undecided


class SshPeople(ChatFactory):
    """The factory of chat connections for SSH sessions that have begun. It keeps a set of them."""

    protocol = SshPerson


class SshFactory(ServerFactory):
    """The ServerFactory of SSH connections."""

    noisy = False

    def __init__(self, people: ChatFactory, host_key: HostKey, undecided: set[Undecided]) -> None:
        """Set up the factory. ``undecided`` holds the connections that have no session yet."""
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
        """Called by conch for the first service. Authentication then starts the second."""
        return Authentication if service == b"ssh-userauth" else None

    def person(self, identity: Identity, pty: Pty | None, command: bytes | None) -> SshPerson:
        """Return the chat connection of a new session: for one command, or for a conversation with or without a terminal."""
        if command is not None:
            return SshCommand(self.people, identity, command, b"\n" if pty is None else b"\r\n")
        return SshPerson(self.people, identity) if pty is None else SshTerminal(self.people, identity, pty)
