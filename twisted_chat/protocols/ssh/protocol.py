"""People in an SSH session.

1. The user name that one asks for is the name one has here. What can't be one is asked for again, in the session.
2. Without a terminal (``ssh -T``, or a pipe) it is what nc is: lines in, lines out.
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
    line_end = b"\n"  # as those of files end, where there is no terminal

    transport: SessionChannel

    def __init__(self, factory: ChatFactory, identity: Identity) -> None:
        super().__init__(factory)
        self.identity = identity

    def greet(self) -> None:
        """Come in under the name that was asked for."""
        self.perform(self.come_in, None, self.follow_question)

    async def come_in(self) -> None:
        """Take that name. Raises as the command does."""
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
        """Tell the person what can't be done."""
        error = refused(self.session, error)
        self.tell_refusal(error)
        self.follow_question()
        if self.session.question is not None and not self.typed_ahead and not isinstance(error, AskedAgain):
            self.say_if_shown()

    def follow_question(self) -> None:
        """A password is asked for, or no longer: who has a terminal is not shown it."""

    def say_if_shown(self) -> None:
        """Say that what is typed is shown, where it is."""
        self.say_last("Your password will be visible as you type.")

    def tell_refusal(self, error: ChatError) -> None:
        """Say why; to who has no name yet, and was asked for nothing else, also what is to be done now."""
        refused = Refused(error.code, str(error))
        unnamed = not self.session.name and self.session.question is None
        self.session.tell(refused, *([Remark("What's your name?")] if unnamed else []))

    def write(self, data: bytes) -> None:
        """Hand over lines."""
        super().write(data.replace(b"\r\n", self.line_end))

    def resize(self, width: int, height: int) -> None:
        """The window of whoever has a terminal is of another size."""

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
