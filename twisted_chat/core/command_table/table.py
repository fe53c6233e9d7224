"""The command table: declaration, look-up, checks and help texts of commands.

1. A command is declared once: name, usage, role, and a docstring whose first sentence explains it.
2. The usage defines the arguments: see `command_table.arguments`. If the handler's parameters differ, the import fails.
3. Role, arguments and rate limit are checked here, before the handler runs. It receives values: numbers, seconds, rooms.
4. A line without a slash is a message; ``//`` sends a line that begins with a slash; a bare ``exit`` leaves. Text is cleaned
   before commands are looked up. A line that looks like a command is one, or is refused: see `core.text.lookalikes`.
5. A session without a name may type the bare word of a command for visitors (``who``). Any other line is its name.
6. A pending prompt consumes the next line, whatever it is: see `core.command_table.prompts`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TypeAlias
from unicodedata import normalize

from twisted_chat.core.command_table import prompts
from twisted_chat.core.command_table.arguments import Place, Usage
from twisted_chat.core.errors import NotAllowed, NotInRoom, NotUnderstood, PasswordNeeded
from twisted_chat.core.events import Answer, Remark
from twisted_chat.core.hub.hub import Hub
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text import durations, lookalikes, names
from twisted_chat.core.text.sanitize import INVISIBLE, altered, altered_words, as_reason, clean, one_line
from twisted_chat.core.users.session import Question, Role, Session

# The refusals of lines that might have revealed a secret to others.
OTHER_SLASH = "That looks like a command, but does not begin with a plain /. To say it, type /say before it."
NO_SLASH = "That looks like a command without its slash, and has not been sent. To say it, type /say before it."

Answering: TypeAlias = Coroutine[object, object, None]
Handler: TypeAlias = Callable[..., Answering | None]


@dataclass(slots=True)
class Call:
    """One command in progress: its session, its room, and the client's own id for it."""

    hub: Hub
    me: Session
    table: Table
    id: str | None = None
    again: bool = False  # True for a message that may have been sent before, on another connection
    in_room: Room | None = None  # None: the current room
    everywhere: bool = False  # the whole server was named, not a room

    @property
    def room(self) -> Room:
        """The room the command is about. Raises `NotInRoom`."""
        room = self.in_room or self.me.current
        if room is None:
            raise NotInRoom("You are in no room. Join one first: /join #lobby")
        return room

    @property
    def role(self) -> Role:
        """The session's role in the place where the command acts, never elsewhere."""
        return self.hub.role(self.me, None if self.everywhere else self.in_room or self.me.current)

    @property
    def acts_somewhere(self) -> bool:
        """True if the command names a room or the server, or there is a current room."""
        return self.everywhere or self.in_room is not None or self.me.current is not None

    def require(self, role: Role) -> None:
        """Raise `NotAllowed` if the session's role is lower than this one."""
        if self.everywhere and role > Role.REGISTERED:
            role = Role.OPERATOR
        unregistered = role is Role.REGISTERED and not self.me.registered  # a guest may have a higher rank in a room
        if self.role < role or unregistered:
            raise NotAllowed(REFUSALS[role])

    def sentence(self, text: str) -> str:
        """Return a reason or similar text as it will be shown, and reply with a remark if it was altered. Raises `BadText`."""
        stored = as_reason(one_line(text))
        if altered(text, stored):
            self.reply(Remark(altered_words(stored) if stored else "Nothing of that can be shown."))
        return stored

    def reply(self, *answers: Answer) -> None:
        """Answer the session that gave the command."""
        self.me.tell(*answers)


REFUSALS = {
    Role.MEMBER: "Please tell us your name first.",
    Role.REGISTERED: "Only registered names may do that. See /help register",
    Role.MODERATOR: "Only an operator of this room may do that.",
    Role.OWNER: "Only the owner of this room may do that.",
    Role.OPERATOR: "Only an operator of the server may do that.",
}


class Command:
    """A declared command."""

    def __init__(
        self,
        name: str,
        usage: str,
        role: Role,
        receipted: bool,
        looks_up: bool,
        within: tuple[int, int] | None,
        handler: Handler,
    ) -> None:
        """Raise `TypeError` if the handler's parameters do not match the usage, or it has no docstring."""
        self.name = name
        self.role = role
        self.receipted = receipted  # a receipt answers it, so programs need no other answer
        self.looks_up = looks_up  # it changes nothing, but its answer may be long: it is rate-limited
        self.usage = f"/{name} {usage}".rstrip()
        self.explanation = " ".join((handler.__doc__ or "").split())
        self.handler = handler
        self.arguments = Usage(usage, within)
        # An action without a duration: a duration after the name would be read as the reason.
        self.is_momentary = role >= Role.MODERATOR and usage == "NAME [REASON...]"
        self.names_room = usage.startswith(("[ROOM]", "[ROOM|*]"))  # the role in that room counts, not in the current one
        self.acts_in_room = Role.REGISTERED < role < Role.OPERATOR
        self.names_server = usage.startswith("[ROOM|*]")  # "*" is the whole server
        parameters = list(inspect.signature(handler).parameters.values())[1:]
        self._missing = [None if one.default is one.empty else one.default for one in parameters]
        if not self.explanation or not _fits(self.arguments.places, parameters):
            raise TypeError(f"{self.usage}: the handler has other parameters than the usage, or no docstring")

    def split(self, rest: str) -> list[str]:
        """Return the words after the command. The last word of a ``...`` usage keeps its blanks. Raises `NotUnderstood`.

        A password must be one word: two words could also be a name and a password. A duration is not accepted as a reason.
        """
        words = self.arguments.split(rest)
        if self.arguments.takes_secret and len(words) > len(self.arguments.places):
            raise NotUnderstood(
                f"Usage: {self.usage}. A password with spaces can't stand in the line: leave it out, and you are asked for it."
            )
        if self.is_momentary and len(words) == len(self.arguments.places) and durations.seconds(words[-1].split()[0]):
            raise NotUnderstood(f"/{self.name} does not last, and takes no duration; /help ban explains what does.")
        return words

    def values(self, words: Sequence[str], now: float) -> list[object]:
        """Return the values of the words. ``now`` is in seconds since 1970. Raises `NotUnderstood` or `BadName`."""
        try:
            return self.arguments.values(words, self._missing, now)
        except NotUnderstood as error:
            raise NotUnderstood(f"/{self.name} {error}. Usage: {self.usage}") from None


def _fits(places: Sequence[Place], parameters: Sequence[inspect.Parameter]) -> bool:
    """Return whether a handler fits a usage: optional places have defaults, unless a needed place follows."""
    last_needed = max((index for index, place in enumerate(places) if place.needed), default=-1)
    return len(places) == len(parameters) and all(
        parameter.kind is parameter.POSITIONAL_OR_KEYWORD and (parameter.default is parameter.empty) is (index <= last_needed)
        for index, parameter in enumerate(parameters)
    )


class Table:
    """All commands, and the only path from a protocol to the hub."""

    def __init__(self) -> None:
        self.commands: dict[str, Command] = {}

    def command(
        self,
        name: str,
        usage: str = "",
        role: Role = Role.MEMBER,
        *,
        receipted: bool = False,
        looks_up: bool = False,
        within: tuple[int, int] | None = None,
    ) -> Callable[[Handler], Handler]:
        """Declare the decorated handler as a command. ``within`` is the range of the numbers in its usage."""

        def declare(handler: Handler) -> Handler:
            self.commands[name] = Command(name, usage, role, receipted, looks_up, within, handler)
            return handler

        return declare

    @property
    def words(self) -> frozenset[str]:
        """The words that are commands at the name prompt, and so cannot be names."""
        return frozenset(name for name, command in self.commands.items() if command.role is Role.VISITOR)

    def for_role(self, role: Role) -> list[Command]:
        """Return the commands for this role, in alphabetical order."""
        return [command for name, command in sorted(self.commands.items()) if command.role <= role]

    def find(self, name: str, role: Role = Role.MEMBER) -> Command:
        """Return the command of this name, with or without its slash. Raises `NotUnderstood`.

        The error suggests the command that was probably meant, among those for this role.
        """
        word = name.removeprefix("/").casefold()
        command = self.commands.get(word)
        if command is None:
            meant = lookalikes.nearest(word, (one.name for one in self.for_role(role)))
            if not word.isalpha() or len(word) > lookalikes.LONGEST_WORD:  # it may contain a secret: do not repeat it
                shown, hint = "", "To say a line that begins with /, type // instead."
            else:
                shown, hint = f" /{names.shown(word)}", "Try /help"
            raise NotUnderstood(f"Unknown command{shown}. " + (f"Did you mean /{meant}?" if meant else hint))
        return command

    def run(self, call: Call, line: str) -> Answering | None:
        """Run a typed line. Returns a coroutine if that takes longer: the next line must wait for its end.

        Raises `ChatError`.
        """
        me = call.me
        if me.question is not None:
            return self.answer(call, line)
        command, arguments = self.parse(call, line)
        return self.begin(call, command, arguments)

    def begin(self, call: Call, command: Command, arguments: Sequence[str]) -> Answering | None:
        """Run a command for a person, and prompt for a missing secret. Raises `ChatError`."""
        try:
            answering = self._invoke(call, command, arguments)
        except PasswordNeeded as needed:
            self._ask(call.me, command, arguments, needed)
            raise
        return None if answering is None else self._begun(call, command, arguments, answering)

    async def _begun(self, call: Call, command: Command, arguments: Sequence[str], answering: Answering) -> None:
        try:
            await answering
        except PasswordNeeded as needed:
            self._ask(call.me, command, arguments, needed)
            raise

    def _ask(self, me: Session, command: Command, arguments: Sequence[str], needed: PasswordNeeded) -> None:
        """Ask for the next argument. Raises `TypeError` if it is not a secret: a bug in the command."""
        command = self.commands[needed.command] if needed.command else command
        arguments = arguments if needed.given is None else needed.given
        places = command.arguments.places
        if len(arguments) >= len(places) or not places[len(arguments)].secret:
            raise TypeError(f"{command.usage} has no place for a secret after {len(arguments)} words")
        prompts.ask(me, command.name, tuple(arguments), needed)

    def answer(self, call: Call, line: str) -> Answering | None:
        """Read a line as the answer to a session's question. Raises `ChatError`; the question then stays open."""
        me = call.me
        question = me.question
        if question is None:
            raise NotUnderstood("Nothing was asked.")
        line = prompts.edited(line)
        if prompts.leaves(line):
            return self._invoke(call, self.commands["exit"], [])
        if prompts.is_empty(line):
            raise prompts.give_up(me)
        command, arguments = self._understood(call, question, line)
        answering = self.begin(call, command, arguments)
        if answering is not None:
            return self._answered(me, question, line, answering)
        prompts.accepted(me, question, line)
        return None

    def _understood(self, call: Call, question: Question, line: str) -> tuple[Command, list[str]]:
        """Return the command and arguments that an answer completes. Raises `NotUnderstood`.

        Typing the same command again restarts it: `/register` is not a password. A new password cannot be a command either.
        """
        word = clean(line).lstrip().partition(" ")[0].casefold()
        command = self.commands[question.command]
        if word == f"/{command.name}":
            return self.parse(call, line)
        if question.new and word.startswith("/") and word[1:] in self.commands:
            raise NotUnderstood("That is a command, not a password.")
        return command, [*question.arguments, line]

    async def _answered(self, me: Session, question: Question, line: str, answering: Answering) -> None:
        await answering
        prompts.accepted(me, question, line)

    def parse(self, call: Call, line: str) -> tuple[Command, list[str]]:
        """Return a typed line as a command and its words. Raises `NotUnderstood` if it only looks like a command."""
        me = call.me
        if self.only_said(line[:1]) and me.name and not me.answered and line.isprintable():
            return self.commands["say"], [line.rstrip()]
        if me.answered:
            prompts.check_not_confirmed(me, line)
        if not line.isprintable() and (typed := prompts.edited(line)) != line:
            command, arguments = self._parse_line(call, typed)
            hidden = not clean(line).lstrip().startswith("/") and command.name != "say"  # a command after erased text
            if hidden or command.arguments.takes_secret:
                return command, arguments
        return self._parse_line(call, line)

    def _parse_line(self, call: Call, line: str) -> tuple[Command, list[str]]:
        if not call.me.name:
            return self._parse_visitor(call, line.strip())
        text = clean(line).lstrip()
        if text.startswith("//"):
            return self.commands["say"], [line[line.index("/") + 1 :].rstrip()]
        if text.startswith("/"):
            word, *rest = line[line.index("/") + 1 :].split(None, 1) if text[1:2].strip() else [""]
            command = self.find(clean(word), call.role)
            return command, command.split(rest[0] if rest else "")
        if prompts.leaves(text):
            return self.commands["exit"], []
        if lookalikes.is_like_command(text, self.commands):
            raise NotUnderstood(OTHER_SLASH)
        if lookalikes.is_like_secret(text, self.secrets):
            raise NotUnderstood(NO_SLASH)
        return self.commands["say"], [line.rstrip()]

    def _parse_visitor(self, call: Call, line: str) -> tuple[Command, list[str]]:
        text = clean(line).lstrip()
        word, *rest = text.removeprefix("/").split(None, 1) or [""]
        command = self.commands.get(word.casefold())
        if command is not None and (text.startswith("/") or (not rest and command.role is Role.VISITOR)):
            return command, command.split(rest[0] if rest else "")
        return self.commands["name"], [line]

    @cached_property
    def secrets(self) -> dict[str, tuple[int, int]]:
        """The commands that take a secret: see `lookalikes.is_like_secret`. ``identify`` is a command of IRC services."""
        found = {"identify": (2, 3)}
        for command in self.commands.values():
            places = [index for index, place in enumerate(command.arguments.places, 2) if place.secret]
            if places and command.name != "name":
                found[command.name] = (places[0], places[-1])
        return found

    @cached_property
    def only_said(self) -> Callable[[str], bool]:
        """A function that returns whether each line with this first character is a message. Most lines are messages."""
        suspicious = {word[0] for word in ("exit", *self.secrets)}

        @lru_cache(maxsize=4096)
        def found(first: str) -> bool:
            seen = first.isalnum() and ord(first) not in INVISIBLE and not lookalikes.slash(first)
            return seen and normalize("NFKC", first).casefold()[:1] not in suspicious

        return found

    def invoke(self, call: Call, name: str, arguments: Sequence[str]) -> Answering | None:
        """Run a command whose words are already split, for a program, without prompts. Raises `ChatError`."""
        command = self.find(name)
        if not command.arguments.takes_secret:
            return self._invoke(call, command, arguments)
        try:
            answering = self._invoke(call, command, arguments)
        except PasswordNeeded as needed:
            raise _missing(command, needed) from None
        return None if answering is None else self._invoked(command, answering)

    async def _invoked(self, command: Command, answering: Answering) -> None:
        try:
            await answering
        except PasswordNeeded as needed:
            raise _missing(command, needed) from None

    def _invoke(self, call: Call, command: Command, arguments: Sequence[str]) -> Answering | None:
        if command.names_room and arguments and not command.arguments.places[0].passed_over(arguments[0]):
            call = _placed(call, command, arguments[0])
        if command.role is not Role.MEMBER or not call.me.name:  # fast path: most commands need only MEMBER
            if command.acts_in_room and call.me.name and not call.acts_somewhere:
                raise NotInRoom(_no_room(command))
            call.require(command.role)
        if command.arguments.is_text and len(arguments) == 1:  # fast path, mostly for messages: nothing to parse
            return command.handler(call, arguments[0])
        values = command.values(arguments, call.hub.now())
        if command.looks_up:
            call.hub.queries.charge(call.me, f"You ask for /{command.name} and the like")
        return command.handler(call, *values)


def _missing(command: Command, needed: PasswordNeeded) -> PasswordNeeded:
    """Return the error for a program that omitted a secret. An operator's unclaimed name needs more than an argument."""
    if needed.command:
        return needed
    why, stop, _ = str(needed).partition(". ")
    return PasswordNeeded(f"{why + stop if stop else ''}The password is missing: {command.usage}")


def _placed(call: Call, command: Command, place: str) -> Call:
    """Return the call in the room or the server that it names. Raises `BadName` or `NotInRoom`.

    Commands for members need no rank here: each checks itself what a session may do in a room it is not in.
    """
    if place == "*":
        return replace(call, in_room=None, everywhere=True)
    if command.acts_in_room:
        return replace(call, in_room=call.hub.room(place, call.me))
    return replace(call, in_room=call.me.rooms.get(names.room(place), call.in_room))


def _no_room(command: Command) -> str:
    if not command.names_room:
        return "You are in no room. Join one first: /join #lobby"
    everywhere = f", or, as a server operator, the whole server: /{command.name} * …" if command.names_server else ""
    return f"You are in no room. Name one: /{command.name} #ROOM …{everywhere}"


# The one table. `core.commands.builtins` fills it.
table = Table()
