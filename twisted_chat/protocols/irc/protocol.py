"""The protocol of IRC clients such as irssi and weechat. docs/irc.md lists the supported parts of IRC.

The pieces: `wire.message` (lines), `connection` (one client), `rendering` (events), and `commands`, by subject.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_chat.core.errors import ChatError, TooOften
from twisted_chat.core.events import (
    Answer,
    History,
    Invited,
    Kicked,
    Noticed,
    People,
    Receipt,
    Refused,
    Remark,
    RoomEvent,
    Welcome,
    Whispered,
)
from twisted_chat.protocols.framing import TooLong
from twisted_chat.protocols.irc import welcome
from twisted_chat.protocols.irc.commands import channels, chathistory, messages, mode, monitor, queries, registration, tagmsg
from twisted_chat.protocols.irc.connection import IrcConnection, PeopleFactory
from twisted_chat.protocols.irc.wire.message import LineTooLong, NotUtf8, format_body
from twisted_chat.protocols.irc.wire.numerics import Numeric
from twisted_chat.protocols.terminal import rendering

# The modules that declare the verbs.
VERBS_IN = (queries, channels, mode, chathistory, registration, tagmsg, messages, monitor)

# The capabilities offered to clients, with their values.
OFFERED = {
    "account-notify": "",
    "account-tag": "",
    "away-notify": "",
    "batch": "",
    "cap-notify": "",
    "draft/account-registration": "",
    "draft/chathistory": "",
    "draft/read-marker": "",
    "echo-message": "",
    "extended-join": "",
    "invite-notify": "",
    "labeled-response": "",
    "message-tags": "",
    "multi-prefix": "",
    "sasl": "PLAIN",
    "server-time": "",
    "setname": "",
    "standard-replies": "",
    "userhost-in-names": "",
}


class IrcProtocol(IrcConnection):
    """One IRC client, and the core's answers to it."""

    offered = OFFERED

    def tell(self, answers: Sequence[Answer | RoomEvent]) -> None:
        """Called by the session."""
        self._out.hold()
        try:
            for answer in answers:
                self._tell(answer)
        finally:
            self._out.release()

    def _tell(self, answer: Answer | RoomEvent) -> None:
        match answer:
            case Welcome():
                welcome.welcome(self)
            case Receipt():
                said = self._said.pop(answer.seq, None)
                if said is not None:
                    self.show(said)
                if not answer.kept and not isinstance(said, Whispered):
                    why = f"Your message was shown, but not kept: '{answer.text}'"
                    self.fail("PRIVMSG", "NOT_KEPT", text=why, kind="WARN")
            case History() if answer.room in self.shown_rooms:
                welcome.past(self, answer)
            case History():
                self._pasts[answer.room] = answer
            case People():
                welcome.arrive(self, answer, self._pasts.pop(answer.room, None))
            case Kicked():
                self.shown_rooms.discard(answer.room)
                self.show(answer)
            case Whispered() | Noticed():
                pass  # `own` shows them to their author
            case Invited():
                source = self.people.source(answer.name)
                tags = self.irc.tags(answer.name, self.factory.hub.now())
                self.emit([(tags, format_body(source, "INVITE", (answer.whom, answer.room)))])
            case Refused():
                self.notice(answer.text)
            case _:
                if not self._quiet:
                    self._left_behind()
                if not (self._quiet and isinstance(answer, Remark)):
                    for line in rendering.lines(answer):
                        self.notice(line.removeprefix("-> "))

    def _left_behind(self) -> None:
        """Send PART for the rooms that the session was removed from."""
        for room in sorted(self.shown_rooms - self.session.rooms.keys()):
            self.shown_rooms.discard(room)
            self.send("PART", room, source=self.people.source(self.session.name))

    def refuse(self, error: ChatError, request: str | None = None) -> None:
        """Send the client an error."""
        match error:
            case TooLong() | LineTooLong():
                self.reply(Numeric.ERR_INPUTTOOLONG)
            case NotUtf8():
                self.fail(error.command, "INVALID_UTF8", text=str(error))
            case TooOften():
                self.reply(Numeric.RPL_TRYAGAIN, self._command, text=str(error))
            case _ if "standard-replies" in self.caps.enabled:
                self.fail(self._command, error.code.upper().replace("-", "_"), text=str(error))
            case _:
                self.reply(Numeric.ERR_UNKNOWNERROR, self._command, str(error))

    def say_last(self, sentence: str) -> None:
        """Send ERROR with the reason, as the last line."""
        self._out.last(format_body("", "ERROR", (f"Closing link: {sentence}",)))


class IrcFactory(PeopleFactory):
    """The ServerFactory of IRC clients."""

    protocol = IrcProtocol
