"""People in an SSH session.

1. The SSH user name becomes the chat name. If it is not a valid name, the session asks for another.
2. Without a terminal (``ssh -T``, or a pipe) the session works like nc: lines in, lines out.
"""

from __future__ import annotations

from twisted_chat.core.command_table.prompts import AskedAgain, refused
from twisted_chat.core.errors import ChatError
from twisted_chat.core.events import Refused, Remark
from twisted_chat.core.text.sanitize import decode
from twisted_chat.core.users.session import Way
from twisted_chat.protocols.connection import ChatFactory, LineConnection
from twisted_chat.protocols.ssh.channel import SessionChannel
from twisted_chat.protocols.ssh.identity import Identity
from twisted_chat.protocols.terminal.rendering import PLAIN


class SshPerson(LineConnection):
    """One person in an SSH session, without a terminal."""

    dialect = PLAIN
    kind = "ssh"
    longest = 4096
    most = 16 * 1024
    line_end = b"\n"  # as in files: there is no terminal

    transport: SessionChannel

    def __init__(self, factory: ChatFactory, identity: Identity) -> None:
        super().__init__(factory)
        self.identity = identity

    def greet(self) -> None:
        """Begin the session under the requested name."""
        self.perform(self.come_in, None, self.follow_question)

    async def come_in(self) -> None:
        """Take the requested name. Raises the errors of ``/name``."""
        self.session.proven = self.identity.proven
        self.session.public_key = self.identity.public_key
        table = self.factory.table
        answering = table.begin(self.call(), table.find("name"), [decode(self.identity.user)])
        if answering is not None:
            await answering

    def lineReceived(self, line: bytes) -> None:
        """Called for each line, without its end."""
        if line.strip() or self.session.question is not None:
            self.perform(lambda: self.factory.table.run(self.call(), decode(line)), None, self.follow_question)

    def refuse(self, error: ChatError, request: str | None = None) -> None:
        """Report an error to the person."""
        error = refused(self.session, error)
        self.tell_refusal(error)
        self.follow_question()
        if self.session.question is not None and not self.typed_ahead and not isinstance(error, AskedAgain):
            self.say_if_shown()

    def follow_question(self) -> None:
        """Do nothing. `SshTerminal` hides the input here during a password prompt."""

    def say_if_shown(self) -> None:
        """Warn that the password is visible. `SshTerminal` hides it, and does not warn."""
        self.say_last("Your password will be visible as you type.")

    def tell_refusal(self, error: ChatError) -> None:
        """Send the error. Ask an unnamed person for a name too, unless another prompt is pending."""
        refused = Refused(error.code, str(error))
        unnamed = not self.session.name and self.session.question is None
        self.session.tell(refused, *([Remark("What's your name?")] if unnamed else []))

    def write(self, data: bytes) -> None:
        """Write lines, with this connection's line end."""
        super().write(data.replace(b"\r\n", self.line_end))

    def resize(self, width: int, height: int) -> None:
        """Do nothing. `SshTerminal` adapts to the new window size."""

    def say_last(self, text: str) -> None:
        """Send a remark to the client."""
        self.session.tell(Remark(text))

    def way(self) -> Way:
        """Return how the client has connected."""
        return self.transport.conn.transport.way

    def unsent(self) -> int:
        """Return the number of bytes that the peer has not taken yet."""
        return self.transport.unsent


def nothing() -> None:
    """Do nothing: people see the result and need no confirmation."""
