"""The protocol for people: telnet, nc, openssl s_client, anything that sends lines and shows what comes back."""

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

# How long a telnet client may take to agree that it hides what is typed, in seconds: a slow line's round trip.
AGREEING_SECONDS = 1.0
# Bytes up to what may be the end of a line for telnet (LF, CR NUL).
LINES = re.compile(rb"[^\n\0]*[\n\0]|[^\n\0]+")


class PersonProtocol(LineConnection):
    """One person at a terminal. Their first line is their name."""

    dialect = PLAIN
    kind = "telnet or nc"
    longest = 4096  # ssh-chat allows 1024, NATS 4096: room for a paragraph
    most = 16 * 1024

    def __init__(self, factory: ChatFactory) -> None:
        super().__init__(factory)
        self.telnet = Telnet()
        self._size: tuple[int, int] | None = None  # of the window, as lines are folded for it
        self._agreeing: IDelayedCall | None = None  # when a telnet client that was asked must have agreed not to show typing

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport. Telnet is taken out before there are lines, and answered in its place among them."""
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
        """True while a telnet client hides what is typed."""
        return self.telnet.hidden

    def greet(self) -> None:
        """Ask for the name."""
        self.write(GREETING.encode() + b"\r\n")

    def lineReceived(self, line: bytes) -> None:
        """Called for each line, without its end."""
        if self.session.question is not None:
            if self.telnet.hidden:
                self.write(b"\r\n")  # the line's end was not shown, either
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
        """Fold lines at the window's width, if it has become another. Looked at when it counts, not each time it is told."""
        if self.telnet.size is not None and self.telnet.size != self._size:
            self._size = self.telnet.size
            self.session.change_dialect(PLAIN.at_width(self._size[0]))

    def refuse(self, error: ChatError, request: str | None = None) -> None:
        """Tell the person what can't be done, or ask for a password."""
        error = refused(self.session, error)
        self._follow_question()
        self.session.tell(Refused(error.code, str(error)))

    def tell(self, answers: Sequence[Answer | RoomEvent]) -> None:
        """Say something to this person alone. Once a password is accepted, what is typed is shown again before that."""
        if self._agreeing is not None and self.session.question is None:
            self._follow_question()
        super().tell(answers)

    def _follow_question(self) -> None:
        """Show nothing of what is typed as long as a password is asked for."""
        if self.session.question is not None:
            self._hide_typing()
        elif self._agreeing is not None:
            self._stop_waiting()
            self._agreeing = None
            self.write(self.telnet.show_typing())

    def _hide_typing(self) -> None:
        """Ask a telnet client not to show what is typed. Others can't; what was typed ahead is past hiding.

        The CR lets what comes next stand in the place of what the request looks like on other screens.
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
        """Say something to whoever is at the other end."""
        self.session.tell(Remark(text))


def nothing() -> None:
    """People see what happened; they need no word that it is done."""


class PersonFactory(ChatFactory):
    """The ServerFactory of terminals."""

    protocol = PersonProtocol
