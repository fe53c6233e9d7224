"""What an outsider may send: anything that the tables of commands, of IRC's verbs and of JSON's requests have, with any words.

A new command, verb or request is drawn from the moment it is declared: nothing of them is listed here. A word of a usage
that is not known here is taken for a text.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

from twisted_chat.core.commands.builtins import table
from twisted_chat.protocols.irc.commands.table import VERBS
from twisted_chat.protocols.irc.protocol import VERBS_IN
from twisted_chat.protocols.irc.wire.capabilities import Negotiation
from twisted_chat.protocols.jsonlines.protocol import REQUESTS

assert VERBS_IN and Negotiation  # imported, the verbs are declared

# What ends a connection: tried, but not so often that outsiders do little else.
ENDINGS = {"quit", "exit", "QUIT"}
# What tells of rooms, more often than the rest.
READING = ("CHATHISTORY", "JOIN", "LIST", "MODE", "NAMES", "TOPIC", "WHO", "WHOIS")
HISTORY = ("BEFORE", "AFTER", "LATEST", "AROUND", "BETWEEN", "TARGETS")
CAPS = "batch message-tags server-time draft/chathistory labeled-response away-notify extended-join multi-prefix echo-message"


class Grammar:
    """Draws what is sent."""

    def __init__(self, dice: random.Random, newest: Callable[[], int], rooms: Sequence[str], names: Sequence[str]) -> None:
        """``newest`` is the highest sequence number; ``rooms`` and ``names`` are those that outsiders may have heard of."""
        self.dice = dice
        self._newest = newest
        self._rooms, self._names = rooms, names

    def line(self) -> str:
        """A line at a terminal."""
        command, words = self.command()
        shown = command.upper() if self.dice.random() < 0.02 else command
        return f"/{shown} {' '.join(words)}".rstrip()

    def command(self) -> tuple[str, list[str]]:
        """A command and its words."""
        everything = sorted(table.commands.values(), key=lambda one: one.name)
        reading = [one for one in everything if one.looks_up or one.name == "join"]
        while True:
            command = self.dice.choice(everything if self.dice.random() < 0.6 else reading)
            if command.name not in ENDINGS or self.dice.random() < 0.1:
                return command.name, self.words(command.usage.split()[1:])

    def words(self, usage: Sequence[str]) -> list[str]:
        """Words as a usage has them; what may be missing may be missing, and now and then something is wrong."""
        found: list[str] = []
        for place in usage:
            if place.startswith("[") and self.dice.random() < 0.35:
                if self.dice.random() < 0.7:
                    break
                continue
            one = self.dice.choice(place.strip("[]").removesuffix("...").split("|"))
            found.append(self.word(one))
        if self.dice.random() < 0.05:
            found.append(self.word(self.dice.choice(("NAME", "ROOM", "N", "TEXT"))))
        return found

    def word(self, kind: str) -> str:
        """One word of a usage's kind."""
        dice = self.dice
        match kind.lstrip("#"):
            case "ROOM":
                return self.room()
            case "NAME":
                return self.name()
            case "N" | "NUMBER" | "SEQ" | "SECONDS":
                return str(self.number())
            case "TIME" | "DURATION":
                return dice.choice(("10m", "2h", "1d", "12:00", "2026-11-23", "0"))
            case "MASK" | "ADDRESS" | "CIDR":
                return dice.choice((f"{self.name()}!*@*", "*!*@*", "192.0.2.0/24", "198.51.100.1", "*"))
            case "WORDS":
                filters = (f"in:{self.room()}", f"from:{self.name()}", "since:2h", f"before:{self.number()}", "canary", "said")
                return " ".join({"canary", dice.choice(filters), dice.choice(filters)})
            case "POLICY":
                return dice.choice(("private", "key", "invite-only", "registered", "limit", "open", "outsiders", "moderated"))
            case "VALUE":
                return dice.choice(("on", "off", "leaf", "3", "many"))
            case "SETTING":
                return dice.choice(("numbers", "devices", "msgs", "quiet"))
            case "KEY" | "CODE" | "PASSWORD":
                return dice.choice(("leaf", "CODE-1", "secret12", "k"))
            case "COMMAND":
                return dice.choice(sorted(table.commands))
            case lower if lower.islower() or not lower.isalpha():
                return lower
        return dice.choice(("hello", "what", "yes", "no idea", "-"))

    def room(self) -> str:
        """A room that one has heard of."""
        return self.dice.choice(self._rooms)

    def name(self) -> str:
        """Somebody one has heard of."""
        return self.dice.choice(self._names)

    def number(self) -> int:
        """A number, often of a message."""
        return self.dice.choice((self.dice.randint(0, self._newest() + 2), self._newest(), self.dice.randint(0, 60), 0, 10**9))

    def request(self) -> dict[str, Any]:
        """A JSON request."""
        command, words = self.command()
        request: dict[str, Any] = {"type": self.dice.choice(list(REQUESTS))}
        if request["type"] == "line":
            request["text"] = self.line()
        elif request["type"] == "do":
            request |= {"command": command, "arguments": words}
        elif request["type"] == "hello":
            request |= self.hello(self.name())
        else:
            request["text"] = self.word("TEXT")
        if self.dice.random() < 0.3:
            request["id"] = f"r{self.dice.randint(0, 9)}"
        if self.dice.random() < 0.2:
            request["room"] = self.room()
        return request

    def hello(self, name: str, client: str = "") -> dict[str, Any]:
        """The first object of a program, which says how far it has read in rooms."""
        rooms = {self.room(): self.dice.choice((None, 0, self.number())) for _ in range(self.dice.randint(0, 5))}
        hello: dict[str, Any] = {"type": "hello", "name": name, "rooms": rooms}
        return hello | ({"client": client} if client else {})

    def irc(self) -> str:
        """A line of IRC."""
        dice = self.dice
        while True:
            verb = dice.choice(sorted(VERBS) if dice.random() < 0.6 else READING)
            if verb not in ENDINGS or dice.random() < 0.1:
                break
        tags = dice.choice(("", "", "", f"@label=l{dice.randint(0, 9)} ", "@+typing=active "))
        return f"{tags}{verb} {' '.join(self._irc_words(verb))}".rstrip()

    def _irc_words(self, verb: str) -> list[str]:
        dice = self.dice
        kinds: dict[str, Callable[[], list[str]]] = {
            "CHATHISTORY": self._chathistory,
            "CHAT": lambda: [f":{self.line()}"],
            "CAP": lambda: [dice.choice(("LS 302", f"REQ :{dice.choice(CAPS.split())}", f"REQ :{CAPS}", "LIST", "END"))],
            "WHO": lambda: [dice.choice((self.room(), self.name(), "*", "0")), *dice.choice(([], ["%tcuihsnfdlaor,5"]))],
            "LIST": lambda: [dice.choice(("", ">0", "C>0", "C<99", "T>0", "T<99", "*", self.room(), "!#x"))],
            "MODE": lambda: [
                self.room(),
                *dice.choice(([], ["b"], ["+b"], ["e"], ["+I"], ["k"], ["+o", self.name()], ["-k", "*"])),
            ],
            "MONITOR": lambda: [dice.choice(("+", "-", "C", "L", "S")), ",".join(self.name() for _ in range(3))],
        }
        if verb in kinds and dice.random() < 0.9:
            return kinds[verb]()
        any_word = (self.room, self.name, lambda: str(self.number()), lambda: "*", lambda: f"{self.room()},{self.room()}")
        first = [] if verb not in READING else [self.name() if verb == "WHOIS" else self.room()]
        words = first or [dice.choice(any_word)() for _ in range(dice.randint(0, 3))]
        return [*words, ":what"] if dice.random() < 0.3 else words

    def _chathistory(self) -> list[str]:
        def place() -> str:
            times = ("2026-11-23T00:00:00.000Z", "2026-11-23T23:59:59.000Z", "2000-01-01T00:00:00.000Z")
            return self.dice.choice((f"msgid={self.number()}", f"timestamp={self.dice.choice(times)}"))

        kind = self.dice.choice(HISTORY)
        target = [] if kind == "TARGETS" else [self.room()]
        places = [place() for _ in range(2 if kind in ("BETWEEN", "TARGETS") else 1)]
        return [
            kind,
            *target,
            *(["*"] if kind == "LATEST" and self.dice.random() < 0.5 else places),
            str(self.dice.choice((1, 3, 50))),
        ]
