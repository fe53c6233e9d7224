"""The protocol for people: telnet, nc, openssl s_client, and any program that sends lines and shows the output."""

import re
from collections.abc import Sequence

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_chat.core.command_table.prompts import refused
from twisted_chat.core.errors import ChatError
from twisted_chat.core.events import Answer, Refused, Remark, RoomEvent
from twisted_chat.core.text.sanitize import decode
from twisted_chat.protocols.connection import ChatFactory, LineConnection
from twisted_chat.protocols.line.telnet import IAC, Telnet
from twisted_chat.protocols.terminal.rendering import GREETING, PLAIN

# The time in which a telnet client must agree to hide typing, in seconds: a slow line's round trip.
AGREEING_SECONDS = 1.0
# Bytes up to a possible end of a telnet line (LF, CR NUL).
LINES = re.compile(rb"[^\n\0]*[\n\0]|[^\n\0]+")


class PersonProtocol(LineConnection):
    """One person at a terminal. The first line is the person's name."""

    dialect = PLAIN
    kind = "telnet or nc"
    longest = 4096  # ssh-chat allows 1024, NATS 4096: room for a paragraph
    most = 16 * 1024

    def __init__(self, factory: ChatFactory) -> None:
        super().__init__(factory)
        self.telnet = Telnet()
        self._size: tuple[int, int] | None = None  # the window's size, for which lines are folded now
        self._agreeing: IDelayedCall | None = None  # the deadline of a telnet client to agree to hide typing

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport. Remove telnet commands before line splitting, and answer each in order with the lines."""
        for part in LINES.findall(data) if IAC in data else (data,):
            text = self.telnet.receive(part)
            self.write(self.telnet.replies())
            self._fit_window()
            super().dataReceived(text)
        if self.telnet.abused:
            self.close("That is not telnet. Goodbye.")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport."""
        self._stop_waiting()
        super().connectionLost(reason)

    @property
    def hides(self) -> bool:
        """True while a telnet client hides typing."""
        return self.telnet.hidden

    def greet(self) -> None:
        """Ask for the name."""
        self.write(GREETING.encode() + b"\r\n")

    def lineReceived(self, line: bytes) -> None:
        """Called for each line, without its end."""
        if self.session.question is not None:
            if self.telnet.hidden:
                self.write(b"\r\n")  # the client has not shown the line's end, either
            self.perform(lambda: self.factory.table.answer(self.call(), decode(line)), None, self._follow_question)
        elif line.strip():
            try:  # as `perform` does it, without a closure for each line
                answering = self.factory.table.run(self.call(), decode(line))
            except Exception as error:
                self.went_wrong(error)
            else:
                if answering is not None:
                    self.wait_for(answering, None, nothing)

    def _fit_window(self) -> None:
        """Fold lines at the window's width if it has changed. Checked once per line, not for each telnet report."""
        if self.telnet.size is not None and self.telnet.size != self._size:
            self._size = self.telnet.size
            self.session.change_dialect(PLAIN.at_width(self._size[0]))

    def refuse(self, error: ChatError, request: str | None = None) -> None:
        """Send an error to the person, or ask for a password."""
        error = refused(self.session, error)
        self._follow_question()
        self.session.tell(Refused(error.code, str(error)))

    def tell(self, answers: Sequence[Answer | RoomEvent]) -> None:
        """Send replies to this person alone. Stop hiding typing first, once a password was accepted."""
        if self._agreeing is not None and self.session.question is None:
            self._follow_question()
        super().tell(answers)

    def _follow_question(self) -> None:
        """Hide typing while the server asks for a password, and show it again after that."""
        if self.session.question is not None:
            self._hide_typing()
        elif self._agreeing is not None:
            self._stop_waiting()
            self._agreeing = None
            self.write(self.telnet.show_typing())

    def _hide_typing(self) -> None:
        """Ask a telnet client to hide typing. Other clients cannot, and type-ahead cannot be hidden.

        The CR lets the next output overwrite the request, which other clients show as text.
        """
        if self.typed_ahead or self._agreeing is not None:
            return
        request = self.telnet.hide_typing()
        self.write(request + b"\r" if request else b"")
        self._agreeing = self.factory.clock.callLater(AGREEING_SECONDS, self._not_hidden)

    def _not_hidden(self) -> None:
        if not self.telnet.hidden and self.session.question is not None:
            self.say_last("Your password will be visible as you type.")

    def _stop_waiting(self) -> None:
        if self._agreeing is not None and self._agreeing.active():
            self._agreeing.cancel()

    def say_last(self, text: str) -> None:
        """Send a sentence to the person, with or without a name."""
        self.session.tell(Remark(text))


def nothing() -> None:
    """Do nothing: people see the result of a command and need no acknowledgement."""


class PersonFactory(ChatFactory):
    """The ServerFactory of terminals."""

    protocol = PersonProtocol
