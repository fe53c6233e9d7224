"""How a command is declared, found, checked and explained.

1. A command is declared once: name, usage, role, and a docstring whose first sentence explains it.
2. The usage says how many words it takes: ``WORD`` is needed, ``[WORD]`` may be missing, ``...`` takes the rest of the
   line as it is. The handler's parameters have to match, or the import fails.
3. Role and number of words are checked here, before the handler runs.
4. A line without a slash is said; ``//`` says a line that begins with a slash; a bare ``exit`` leaves.
5. Whoever has no name yet may type a command's bare word (``who``); anything else is the name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from twisted_chat.core import names
from twisted_chat.core.errors import NotAllowed, NotInRoom, NotUnderstood
from twisted_chat.core.events import Answer
from twisted_chat.core.hub import Hub
from twisted_chat.core.room import Room
from twisted_chat.core.session import Role, Session

Answering: TypeAlias = Coroutine[object, object, None]
Handler: TypeAlias = Callable[..., Answering | None]


@dataclass(frozen=True, slots=True)
class Call:
    """One command on its way: who gave it, in which room, and under which id of their own."""

    hub: Hub
    me: Session
    table: Table
    id: str | None = None
    again: bool = False  # a message that may have been sent before, on another connection
    in_room: Room | None = None  # None: the current one

    @property
    def room(self) -> Room:
        """The room the command is about. Raises `NotInRoom`."""
        room = self.in_room or self.me.current
        if room is None:
            raise NotInRoom("You are in no room. Join one first: /join #lobby")
        return room

    def reply(self, *answers: Answer) -> None:
        """Answer the person who gave the command."""
        self.me.tell(*answers)


class Command:
    """A declared command."""

    def __init__(self, name: str, usage: str, role: Role, receipted: bool, handler: Handler) -> None:
        """Raises `TypeError` if the handler's parameters, or its missing docstring, don't match the declaration."""
        words = usage.split()
        self.name = name
        self.role = role
        self.receipted = receipted  # a receipt answers it, so that a program needs no other answer
        self.usage = f"/{name} {usage}".rstrip()
        self.explanation = " ".join((handler.__doc__ or "").split())
        self.handler = handler
        self.needed = sum(not word.startswith("[") for word in words)
        self.most = len(words)
        self.takes_rest = bool(words) and words[-1].rstrip("]").endswith("...")
        parameters = list(inspect.signature(handler).parameters.values())[1:]
        needed = sum(parameter.default is parameter.empty for parameter in parameters)
        if (needed, len(parameters)) != (self.needed, self.most) or not self.explanation:
            raise TypeError(f"{self.usage}: the handler has other parameters than the usage, or no docstring")

    def split(self, rest: str) -> list[str]:
        """The words after the command. The last word of a ``...`` usage keeps its blanks."""
        return rest.split(None, self.most - 1) if self.takes_rest and self.most else rest.split()

    def check(self, arguments: Sequence[str]) -> None:
        """Raises `NotUnderstood` if there are too few or too many words."""
        if not self.needed <= len(arguments) <= self.most:
            raise NotUnderstood(f"Usage: {self.usage}")


class Table:
    """All commands, and the one way from a protocol to the hub."""

    def __init__(self) -> None:
        self.commands: dict[str, Command] = {}

    def command(
        self, name: str, usage: str = "", role: Role = Role.MEMBER, *, receipted: bool = False
    ) -> Callable[[Handler], Handler]:
        """Declare the decorated handler as a command."""

        def declare(handler: Handler) -> Handler:
            self.commands[name] = Command(name, usage, role, receipted, handler)
            return handler

        return declare

    @property
    def words(self) -> frozenset[str]:
        """The names of all commands: nobody may be called so."""
        return frozenset(self.commands)

    def for_role(self, role: Role) -> list[Command]:
        """What somebody of this role may do, in alphabetical order."""
        return [command for name, command in sorted(self.commands.items()) if command.role <= role]

    def find(self, name: str) -> Command:
        """The command of this name, with or without its slash. Raises `NotUnderstood`."""
        command = self.commands.get(name.removeprefix("/").lower())
        if command is None:
            raise NotUnderstood(f"There is no command /{names.shown(name.removeprefix('/'))}. Try /help")
        return command

    def run(self, call: Call, line: str) -> Answering | None:
        """Do what a typed line says. A coroutine comes back if that takes longer: the next line waits for its end.

        Raises `ChatError`.
        """
        name, arguments = self.parse(call.me.role, line)
        return self.invoke(call, name, arguments)

    def parse(self, role: Role, line: str) -> tuple[str, list[str]]:
        """A typed line as the name of a command and its words. Raises `NotUnderstood`."""
        if role is Role.VISITOR:
            return self._parse_visitor(line.strip())
        if line.strip() == "exit":
            return "exit", []
        if line.startswith("/") and not line.startswith("//"):
            word, _, rest = line[1:].partition(" ")
            command = self.find(word)
            return command.name, command.split(rest)
        return "say", [line[1:] if line.startswith("/") else line]

    def _parse_visitor(self, line: str) -> tuple[str, list[str]]:
        word, _, rest = line.removeprefix("/").partition(" ")
        command = self.commands.get(word.lower())
        if command is not None and (line.startswith("/") or not rest):
            return command.name, command.split(rest)
        return "name", [line]

    def invoke(self, call: Call, name: str, arguments: Sequence[str]) -> Answering | None:
        """Run a command whose words are already apart. Raises `ChatError`."""
        command = self.find(name)
        if call.me.role < command.role:
            if call.me.role is Role.VISITOR:
                raise NotAllowed("Please tell us your name first.")
            raise NotAllowed(f"Only an operator may use /{command.name}.")
        command.check(arguments)
        return command.handler(call, *arguments)
