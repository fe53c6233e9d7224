"""One command by SSH, such as ``ssh host who``. Piped lines can be posted: ``make | ssh build@host say '#ci'``.

1. The command is a chat command, with or without its slash. One that needs no name runs unnamed: others do not notice it.
2. ``say`` and ``me`` may name a room first. Without a text they post each line of the input.
3. The output is the command's answer, without a greeting or other people's messages.
4. The exit status is 0 if all was done and every message is on disk. Otherwise it is 1, and the reason is shown.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_chat.config import Config
from twisted_chat.core.errors import ChatError
from twisted_chat.core.events import Answer, Receipt, Refused, Remark, RoomEvent
from twisted_chat.core.rate_limits import Rate
from twisted_chat.core.rooms.room import LOBBY
from twisted_chat.core.text import names
from twisted_chat.core.text.sanitize import altered_words, decode, one_line
from twisted_chat.core.users.session import Role
from twisted_chat.protocols.connection import ChatFactory
from twisted_chat.protocols.ssh.identity import Identity
from twisted_chat.protocols.ssh.protocol import SshPerson, nothing
from twisted_chat.protocols.terminal.rendering import Plain
from twisted_chat.protocols.terminal.wrapping import ENDLESS

# Commands that post in a room, and take their text from the input if they are given none.
SAYING = ("say", "me")


class SshCommand(SshPerson):
    """A session that runs one command and ends."""

    dialect = Plain(columns=ENDLESS)  # readers of a pipe expect one line for each message
    program = True  # every message is receipted

    def __init__(self, factory: ChatFactory, identity: Identity, command: bytes, line_end: bytes) -> None:
        super().__init__(factory, identity)
        self.line_end = line_end
        self._command = command
        self._saying = ""  # the command that posts each line of the input
        self._answering = False  # answers now come from the command

    @staticmethod
    def rate(config: Config) -> Rate | None:
        """Return the rate of lines: that of programs."""
        return config.programs_rate

    def greet(self) -> None:
        """Run the command."""
        self.perform(self._obey, None, self._done)

    async def _obey(self) -> None:
        table = self.factory.table
        word, _, rest = one_line(decode(self._command)).strip().partition(" ")
        command, rest = table.find(word), rest.strip()
        first, _, text = rest.partition(" ")
        room = first if first.startswith("#") and (command.names_room or command.name in SAYING) else ""
        if command.name in SAYING:
            rest = text.strip() if room else rest
            await self._come_in(room or LOBBY)
        elif command.role is not Role.VISITOR:
            await self._come_in(room)
        if self.transport.status:  # the room cannot be entered, and the reason was sent
            return
        if command.name in SAYING and not rest:
            self._saying = command.name
            return
        self._answering = True
        answering = table.invoke(self.call(), command.name, command.split(rest))
        if answering is not None:
            await answering

    async def _come_in(self, room: str) -> None:
        """Take the requested name, and join the room if one is given."""
        self.session.lands = self.session.shows_past = False
        self.session.landing = {names.room(room): None} if room else {}
        await self.come_in()

    def _done(self) -> None:
        if not self._saying:
            self.close()

    def lineReceived(self, line: bytes) -> None:
        """Called for each line of the input."""
        text = line.decode("utf-8", "replace")  # a build may print any bytes, and its output must be seen
        if self._saying and text.strip():
            if text.encode() != line:
                self._show([Remark(altered_words(text))])
            self.perform(lambda: self.factory.table.invoke(self.call(), self._saying, [text]), None, nothing)

    def refuse(self, error: ChatError, request: str | None = None) -> None:
        """Send the error. End the session unless it posts the lines of the input."""
        self.session.tell(Refused(error.code, str(error)))
        if not self._saying:
            self.close()

    def tell(self, answers: Sequence[Answer | RoomEvent]) -> None:
        """Show the command's answers, and all failures."""
        for one in answers:
            if isinstance(one, Receipt) and one.stored is not None:
                self._show([Remark(altered_words(one.stored))])
        failed = [one for one in answers if isinstance(one, Refused) or (isinstance(one, Receipt) and not one.kept)]
        if failed:
            self.transport.status = 1
        self._show([one for one in answers if not isinstance(one, Receipt)] if self._answering and not failed else failed)

    def write(self, data: bytes) -> None:
        """Discard room events."""

    def say_last(self, text: str) -> None:
        """Show the reason for ending before all is done."""
        self.transport.status = 1
        self._show([Remark(text)])

    def _show(self, answers: Sequence[Answer | RoomEvent]) -> None:
        super().write(self.session.dialect.render(answers))
