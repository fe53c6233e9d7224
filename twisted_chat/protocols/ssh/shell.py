"""A person in an SSH session with a terminal: `protocols.terminal.editor` edits the line, and shows what comes above it.

1. What is typed is shown by us: the person's own terminal leaves all keys to the one who is asked for a terminal.
2. One write a turn of a reader: what is shown, and the line below it. What was entered vanishes; what becomes of it is shown.
3. Keys that come while nothing can be written wait, as many as the session's window has room for.
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
        self._keys = b""  # that wait until something can be written
        self._feeding = False

    def greet(self) -> None:
        """Come in, with colours if the terminal has them."""
        self._fit(self._pty.width)
        if self._pty.colour and colours(self._pty.term):
            self.session.set(replace(self.session.settings, colour="on"))
        super().greet()

    def dataReceived(self, data: bytes) -> None:
        """Called with what the keyboard sends."""
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
        """True while what is typed is hidden."""
        return self.session.question is not None

    def follow_question(self) -> None:
        """Show nothing of what is typed as long as a password is asked for."""
        self._terminal.hide(self.session.question is not None)
        self._paint()

    def say_if_shown(self) -> None:
        """Nothing is shown."""

    def write(self, data: bytes) -> None:
        """Show lines."""
        if data:
            self._terminal.show(data)
            self._paint()

    def drained(self) -> None:
        """Nothing waits to be written any more."""
        super().drained()
        keys, self._keys = self._keys, b""
        self.dataReceived(keys)

    def resize(self, width: int, height: int) -> None:
        """The window is of another size now."""
        self._fit(width)
        self._terminal.resize(width, height)
        self._paint()

    def _hang_up(self, last_words: str) -> None:
        """Leave the terminal as it was."""
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
