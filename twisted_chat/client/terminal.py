"""The client on a terminal: a prompt that incoming messages never disturb, with history, completion and colour."""

import asyncio
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.patch_stdout import patch_stdout
from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_chat.client.connection import ConnectionFactory, Conversation, Front
from twisted_chat.client.encryption import Endpoint, Server
from twisted_chat.core.command_table.completion import candidates
from twisted_chat.core.command_table.prompts import leaves
from twisted_chat.core.events import (
    Done,
    Event,
    Joined,
    Left,
    People,
    Receipt,
    Refused,
    Remark,
    Renamed,
    Welcome,
)
from twisted_chat.core.text.sanitize import altered_words
from twisted_chat.protocols.terminal.rendering import GREETING, lines, painted, terminal_text
from twisted_chat.protocols.terminal.wrapping import GUTTER, LEAST, rows


class Interrupt(Exception):
    """Control-C. prompt_toolkit's default, KeyboardInterrupt, would stop the reactor abruptly."""


class Words(Completer):
    """A completer for commands, their arguments, names and rooms."""

    def __init__(self) -> None:
        self.usages: dict[str, str] = {}  # usages by command
        self.people: dict[str, set[str]] = {}  # users by room

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Called by prompt_toolkit when the user asks for completion."""
        typed = document.text_before_cursor
        begun = len(re.split(r"\s", typed)[-1])
        for word in candidates(typed, self.usages, set().union(*self.people.values()), self.people.keys()):
            yield Completion(word, start_position=-begun)

    def learn(self, event: Event) -> None:
        """Update the commands, and the users of rooms, from an event."""
        match event:
            case Welcome():
                self.usages = dict(event.commands)
            case People():
                self.people[event.room] = set(event.names)
            case Joined():
                self.people.setdefault(event.room, set()).add(event.name)
            case Left():
                self.people.get(event.room, set()).discard(event.name)
            case Renamed():
                self.people.get(event.room, set()).discard(event.name)
                self.people.setdefault(event.room, set()).add(event.new)


# The codes of errors that refuse an answer unchecked.
AGAIN = ("too-often", "busy")


class Terminal:
    """The conversation's front end, and the loop that reads the prompt."""

    def __init__(self, reactor: Any, server: Server, converse: Callable[[Front], Conversation]) -> None:
        self.status = 0
        self._reactor = reactor
        self._words = Words()
        self._colour = not os.environ.get("NO_COLOR")
        self._conversation = converse(self)
        self._prompt: PromptSession[str] = PromptSession(
            completer=self._words,
            complete_while_typing=False,
            erase_when_done=True,
            interrupt_exception=Interrupt,
            eof_exception=EOFError,
        )
        self._secret_prompt: PromptSession[str] = PromptSession(  # with its own history, which no other prompt shows
            erase_when_done=True, interrupt_exception=Interrupt, eof_exception=EOFError
        )
        self._asking = False
        self._secret = False  # True while the prompt asks for a secret
        self._deserted = False  # True if the connection that asked is gone: the answer is not sent
        self._leaving = False
        self._claims = False  # True if the secret is the code that claims an operator's name
        self._reading: asyncio.Future[str] | None = None
        endpoint = Endpoint(reactor, server, lambda line: self._show_folded(lines(Remark(line))), self._fail)
        self._service = ClientService(endpoint, ConnectionFactory(self._conversation), backoffPolicy(), reactor)

    async def run(self) -> None:
        """Ask for a name, connect, and run until the user leaves."""
        with patch_stdout(raw=True):
            if not self._conversation.name:
                self.show(GREETING)
                self._conversation.name = (await self._read() or "").strip()
                self._leaving = self._leaving or leaves(self._conversation.name)
            if not self._leaving:
                self._service.whenConnected(failAfterFailures=1).addErrback(self._unreachable)
                self._service.startService()
            while not self._leaving:
                text = await self._read()
                if text is None or self._leaving:
                    continue
                if self._asking or self._secret:
                    self._answered(text.strip())
                elif text.strip():
                    self._typed(text)
        self.show("Disconnecting from server...")
        self._conversation.leave()
        await self._service.stopService().asFuture(asyncio.get_running_loop())
        self.show("Connection closed.")

    def _answered(self, text: str) -> None:
        """Process a password or a name. An empty password asks for another name. Typing stays hidden while a secret is due."""
        if leaves(text):
            self._leaving = True
            return
        if not self._asking:
            if self._deserted or not self._conversation.answer(text):
                self._deserted = self._secret = False
                self.show(*lines(Remark("The connection was lost meanwhile: nothing was changed. Enter the command again.")))
        elif self._secret and text and self._claims:
            self._conversation.claim, self._conversation.password = text, None
        elif self._secret and text:
            self._conversation.password = text
        elif text:
            self._conversation.name, self._conversation.password, self._conversation.claim = text, None, None
        elif self._secret:
            self._secret = False
            self.show(GREETING)
        if self._asking and text:
            self._asking = self._secret = False
            self._conversation.come_in()

    async def _read(self) -> str | None:
        """Return the next line: empty after Control-C, None if another prompt is needed. Leave at the end of input."""
        prompt = self._secret_prompt if self._secret else self._prompt
        self._reading = asyncio.ensure_future(prompt.prompt_async("> ", handle_sigint=False, is_password=self._secret))
        try:
            return await self._reading
        except Interrupt:
            return ""
        except asyncio.CancelledError:
            return None
        except EOFError:
            self._leaving = True
            return ""

    def _typed(self, text: str) -> None:
        if leaves(text) or text.split()[0] in ("/quit", "/exit"):
            self._leaving = True
        for one in text.splitlines():
            if one.strip():
                self._conversation.say(one, "line")

    def show(self, *shown: str) -> None:
        """Print lines above the prompt."""
        for one in shown:
            print_formatted_text(ANSI(one) if self._colour else one)

    def _show_folded(self, shown: Iterable[str]) -> None:
        """Print rendered lines, sanitized and folded at the terminal's width."""
        columns = max(LEAST, self._prompt.output.get_size().columns)
        self.show(*(f"\n{GUTTER}".join(rows(terminal_text(one), columns)) for one in shown))

    def leave(self) -> None:
        """Stop reading the prompt, so that the terminal is restored before the process ends."""
        self._leaving = True
        if self._reading is not None and not self._reading.done():
            self._reading.cancel()

    # The conversation's front end

    def happened(self, event: Event) -> None:
        """Show an event from the server."""
        self._words.learn(event)
        if not self._asking and not self._deserted:
            self._ask_secretly(self._conversation.prompt is not None)
        if isinstance(event, Receipt | Done):
            return
        marked = getattr(event, "room", None) != self._conversation.room
        paint = painted if self._colour else str
        self._show_folded(lines(event, marked=marked, paint=paint))

    def settled(self, text: str, answer: Event) -> None:
        """Show a receipt if the user is alone in the room, as the server does. Report messages not persisted or altered."""
        if isinstance(answer, Receipt):
            if answer.stored is not None:
                self._show_folded(lines(Remark(altered_words(answer.stored))))
            alone = len(self._words.people.get(answer.room, ())) == 1
            if alone or (not answer.kept and answer.room.startswith("#")):
                said = Receipt(answer.seq, answer.room, answer.stored or text, answer.kept)
                self.show(*(terminal_text(one) for one in lines(said)))

    def turned_away(self, why: Refused) -> None:
        """Ask for another name."""
        self._asking = True
        self._claims = why.code in ("claim-needed", "wrong-claim") or (self._claims and why.code in AGAIN)
        self._ask_secretly(self._claims or why.code in ("password-needed", "wrong-password", "bad-password", *AGAIN))
        self._show_folded(lines(why))

    def lost(self) -> None:
        """Report the lost connection; the service connects again. A password that is being typed is not sent."""
        self._deserted = self._secret and not self._asking
        if not self._leaving:
            self.show(*lines(Remark("The connection is lost. Trying to get it back; what you type is sent then.")))

    def _ask_secretly(self, secret: bool) -> None:
        """Hide the next line while it is typed if ``secret`` is true, or show it as usual."""
        if secret != self._secret:
            self._secret = secret
            if self._reading is not None:
                self._reading.cancel()

    def _unreachable(self, failure: Failure) -> None:
        if not self._leaving:
            self._fail(f"Can't connect: {failure.getErrorMessage()}")

    def _fail(self, why: str) -> None:
        self.status = 1
        self._show_folded(why.splitlines())
        self.leave()


def run(server: Server, converse: Callable[[Front], Conversation]) -> int:
    """Run until the user leaves. Return the exit status."""
    from twisted.internet import asyncioreactor

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)
    from twisted.internet import reactor as installed

    reactor: Any = installed
    terminal = Terminal(reactor, server, converse)

    def start() -> None:
        ended: Deferred[None] = Deferred.fromFuture(asyncio.ensure_future(terminal.run()))
        ended.addErrback(lambda failure: terminal.show(f"twisted-chat: {failure.getErrorMessage()}"))

        def before_shutdown() -> Deferred[None]:
            terminal.leave()
            return ended

        trigger = reactor.addSystemEventTrigger("before", "shutdown", before_shutdown)

        def stop(_: object) -> None:
            if reactor.running and not reactor._stopped:
                reactor.removeSystemEventTrigger(trigger)
                reactor.stop()

        ended.addCallback(stop)

    reactor.callWhenRunning(start)
    reactor.run()
    return terminal.status
