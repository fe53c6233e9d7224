"""A person in an SSH session with a terminal: `protocols.terminal.editor` edits the line, and shows output above it.

1. The server draws the input: a client that has requested a terminal passes all keys on.
2. A reader's turn makes one write: the output, and the input line below it. An entered line vanishes; its result is shown.
3. Keys that arrive while nothing can be written wait, at most as many as the session's window allows.
"""

from __future__ import annotations

from dataclasses import replace

from twisted_chat.core.command_table.completion import for_person
from twisted_chat.protocols.connection import ChatFactory, LineConnection
from twisted_chat.protocols.ssh.identity import Identity
from twisted_chat.protocols.ssh.protocol import SshPerson
from twisted_chat.protocols.ssh.pty import Pty
from twisted_chat.protocols.terminal.editor import EndOfInput, Entered, Terminal, colours
from twisted_chat.protocols.terminal.rendering import Plain


class SshTerminal(SshPerson):
    """One person at a terminal."""

    dialect = Plain(typed=False)

    def __init__(self, factory: ChatFactory, identity: Identity, pty: Pty) -> None:
        super().__init__(factory, identity)
        self._pty = pty
        self._terminal = Terminal(pty.width, pty.height, pty.term, pty.colour, self._complete)
        self._keys = b""  # keys that wait until output can be written
        self._feeding = False

    def greet(self) -> None:
        """Begin the session, with colours if the terminal has them."""
        self._fit(self._pty.width)
        if self._pty.colour and colours(self._pty.term):
            self.session.set(replace(self.session.settings, colour="on"))
        super().greet()

    def dataReceived(self, data: bytes) -> None:
        """Called with keyboard input."""
        if self.full:
            self._keys += data
            return
        self._feeding = True
        for typed in self._terminal.feed(data):
            match typed:
                case Entered(text):
                    super().dataReceived(b"".join(line.encode() + b"\n" for line in text.split("\n")))
                case EndOfInput():
                    self.readConnectionLost()
        self._feeding = False
        self._paint()

    @property
    def hides(self) -> bool:
        """True while the input is hidden."""
        return self.session.question is not None

    def follow_question(self) -> None:
        """Hide the input during a password prompt."""
        self._terminal.hide(self.session.question is not None)
        self._paint()

    def say_if_shown(self) -> None:
        """Do nothing: the password is hidden."""

    def write(self, data: bytes) -> None:
        """Show lines above the input line."""
        if data:
            self._terminal.show(data)
            self._paint()

    def drained(self) -> None:
        """Handle the waiting keys: all output is written."""
        super().drained()
        keys, self._keys = self._keys, b""
        self.dataReceived(keys)

    def resize(self, width: int, height: int) -> None:
        """Adapt to the new window size."""
        self._fit(width)
        self._terminal.resize(width, height)
        self._paint()

    def _hang_up(self, last_words: str) -> None:
        """Restore the terminal, then hang up."""
        if last_words:
            self.say_last(last_words)
        self._terminal.close()
        LineConnection.write(self, self._terminal.take())
        super()._hang_up("")

    def _paint(self) -> None:
        if not self._feeding:
            LineConnection.write(self, self._terminal.take())

    def _fit(self, width: int) -> None:
        self.session.change_dialect(self.dialect.at_width(width))

    def _complete(self, line: str, cursor: int) -> list[str]:
        return for_person(self.factory.hub, self.factory.table, self.session, line[:cursor])
