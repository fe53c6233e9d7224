"""People are asked for secrets while others do as they like: no answer ever gets to anybody, by whatever protocol.

What a person answers is unlike anything else, and is looked for in all that anybody was sent, in the log and its tail, and in
what the daemon has logged. A person takes a line for an answer as long as the last they were shown asks for one: nothing that
the server knows is looked at.
"""

import re
from contextlib import suppress
from itertools import count
from typing import Any

from chat_clients import Guest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from parties import LateAccounts
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.logger import eventAsText, globalLogPublisher
from twisted.python.failure import Failure

from twisted_chat.config import Config, Limits
from twisted_chat.core.errors import Busy, ChatError
from twisted_chat.testing import Chat

ASKS = re.compile(r"press Enter to (cancel|choose another name)|Password:\s*\Z")
ENDS = re.compile(
    r"Nothing was changed|is yours now|is changed|You may be|operator of the server now|connected!|not registered any more"
    r"|What's your name|Goodbye|\* \S+ is now"
)
COMMANDS = (
    *("/register", "/password", "/unregister", "/nick Bob", "/nick Cleo"),
    *("/oper Bob", "/login Bob", "\u200b/register", " /oper Bob"),
)
FORMS = (
    *("{}", " {} ", "{} long enough", "/{} with a slash", "//{} with two", "{}\x7f\x7fxx of it"),
    *("\u200b/{} unseen", "exit {}", "{}" + "y" * 400),
)
SECRETS = st.sampled_from(FORMS)
ACTS = ("kick", "part", "disown", "rename", "drop", "lockdown", "time")
KINDS = ("line", "telnet", "json", "answers", "ssh", "irc")


class Person:
    """Somebody who believes what they are shown."""

    def __init__(self, chat: Chat, kind: str, number: int) -> None:
        self.chat, self.kind, self.number = chat, kind, number
        self.names = count()
        self.connect()

    def connect(self, name: str | None = None) -> None:
        """Come in, under a new name or the one given."""
        self.asked = self.waits = False
        self.sent = ""
        self.name = name or f"P{self.number}n{next(self.names)}"
        if self.kind == "irc":
            self.client: Any = self.chat.connect("irc")
            self.client.send(f"NICK {self.name}", "USER x 0 * :X")
        else:
            kind = {"telnet": "line", "answers": "json"}.get(self.kind, self.kind)
            guest = Guest(self.chat, kind, self.name)
            self.client, self.shown = guest.client, guest.shown
        if self.kind == "telnet":
            self.client.send_bytes(b"\xff\xfd\x01")
        self.look()

    def look(self) -> str:
        """Read what has come, and believe it."""
        if self.kind == "telnet":
            received, self.client.transport.received = self.client.transport.received, b""
            text = received.decode("utf-8", "replace")
        else:
            text = "\n".join(self.client.lines()) if self.kind == "irc" else self.shown()
        for line in text.splitlines():
            if ASKS.search(line):
                self.asked, self.waits = True, False
                if self.kind == "telnet":
                    self.client.send_bytes(b"\xff\xfd\x01")
            elif ENDS.search(line):
                self.asked = self.waits = False
        self.sent += text
        return text

    @property
    def closed(self) -> bool:
        """Whether they have to come back."""
        return bool(self.client.closed)

    def type(self, line: str, *, answers: bool = False) -> None:
        """Type a line."""
        if self.closed:
            return
        if self.kind == "irc":
            self.client.send(f"CHAT :{line}")
        elif self.kind in ("json", "answers"):
            self.client.send({"type": "answer" if answers and self.kind == "answers" else "line", "text": line})
        else:
            self.client.send(line)


class Prompts(RuleBasedStateMachine):
    """Persons of every kind, an operator who pesters them, and hashes that come late."""

    @initialize()
    def begin(self) -> None:
        """Bob and Cleo are registered; Bob is an operator and is not here."""
        self.chat = Chat(Config(limits=Limits.OFF))
        self.logged: list[str] = []
        globalLogPublisher.addObserver(self.observe)
        for name in ("Bob", "Cleo", "Dora"):
            self.chat.enter(name).send("/register bobspassword")
        self.accounts = LateAccounts(self.chat._password_of)
        self.chat.hub.accounts = self.accounts
        self.boss = self.chat.enter("Boss", "json")
        self.canaries: list[str] = []
        self.persons = [Person(self.chat, kind, number) for number, kind in enumerate(KINDS)]
        self.watcher = self.chat.enter("Watcher")

    def observe(self, event: dict[str, Any]) -> None:
        """Take down what the daemon logs."""
        self.logged.append(eventAsText(event, includeTimestamp=False, includeSystem=False))

    def teardown(self) -> None:
        """Stop observing."""
        globalLogPublisher.removeObserver(self.observe)

    @rule(
        who=st.integers(0, len(KINDS) - 1),
        command=st.sampled_from(COMMANDS),
        forms=st.lists(st.tuples(SECRETS, st.booleans()), max_size=4),
        byte_wise=st.booleans(),
    )
    def converse(self, who: int, command: str, forms: list[tuple[str, bool]], byte_wise: bool) -> None:
        """Somebody types a command that asks for a secret, unless one is asked for already, and answers some times.

        Hashes come in between, or not: who sees nothing of what they type does not wait for them.
        """
        person = self.persons[who]
        if person.closed:
            person.connect()
        if not (person.asked or person.waits):
            person.type(command)
            person.look()
        for form, hashed in forms:
            if person.closed or not person.asked or (person.waits and person.kind not in ("telnet", "answers")):
                return
            self.answer(person, form, byte_wise)
            if hashed:
                self.hash(0, None)

    def answer(self, person: Person, form: str, byte_wise: bool) -> None:
        """Answer with what nobody else says."""
        canary = f"cny{len(self.canaries)}q"
        self.canaries.append(canary)
        person.waits = True
        if byte_wise and person.kind in ("line", "telnet"):
            for byte in f"{form.format(canary)}\r\n".encode():
                person.client.send_bytes(bytes([byte]))
            self.chat.turn()
        else:
            person.type(form.format(canary), answers=True)
        person.look()

    @rule(who=st.integers(0, len(KINDS) - 1))
    def give_up(self, who: int) -> None:
        """Somebody presses Enter."""
        person = self.persons[who]
        if person.asked and not person.waits:
            person.type("", answers=True)
            person.look()

    @rule(who=st.integers(0, len(KINDS) - 1))
    def know(self, who: int) -> None:
        """Somebody gives the right answer, for once."""
        person = self.persons[who]
        if person.asked and not person.waits:
            person.waits = True
            person.type("bobspassword", answers=True)
            person.look()

    @rule(index=st.integers(0, 9), kind=st.sampled_from([None, None, Busy, ValueError]))
    def hash(self, index: int, kind: type[Exception] | None) -> None:
        """A hash is done, or fails."""
        if kind is None or not self.accounts.waiting:
            self.accounts.answer(index)
        else:
            self.fail(index % len(self.accounts.waiting), kind("It can't be done."))
        self.chat.turn()
        for person in self.persons:
            person.look()

    def fail(self, index: int, error: Exception) -> None:
        """Let a hash that waits fail."""
        finish = self.accounts.waiting.pop(index)
        cells = [cell.cell_contents for cell in finish.__closure__ or ()]
        done: Deferred[Any] = next(one for one in cells if isinstance(one, Deferred))
        done.errback(Failure(error))

    @rule(
        who=st.integers(0, len(KINDS) - 1),
        act=st.sampled_from(ACTS),
    )
    def pester(self, who: int, act: str) -> None:
        """Something happens to somebody, or to all."""
        hub, session = self.chat.hub, self.persons[who].client
        session = next((one for people in hub.people.values() for one in people if one.name == self.persons[who].name), None)
        boss = self.boss.transport.protocol.session
        match act:
            case "kick" if session is not None and session.current is not None:
                hub.kick(boss, session.current, session.key, "noise")
            case "part" if session is not None and session.current is not None:
                hub.part(session, session.current)
            case "disown":
                for name in ("bob", "cleo", session.key if session is not None else ""):
                    account = hub.registry.accounts.get(name)
                    if account is not None and len(hub.registry.accounts) > 1:
                        hub.disown(account, by=session or boss)
                        break
            case "rename" if session is not None and not session.registered:
                with suppress(ChatError):  # somebody has that name
                    hub.rename(session, f"Renamed{len(self.canaries)}")
            case "drop":
                self.persons[who].client.transport.protocol.connectionLost(Failure(ConnectionLost()))
                self.chat.turn()
                self.persons[who].sent += self.persons[who].look()
                self.persons[who].connect("Bob" if len(self.canaries) % 2 else None)
            case "lockdown":
                hub.facts["lockdown"] = "on" if hub.facts.get("lockdown") != "on" else "off"
            case "time":
                self.chat.clock.advance(2)
        self.chat.turn()

    @rule()
    def come_back(self) -> None:
        """Whoever was sent away comes back."""
        for person in self.persons:
            if person.closed:
                person.look()
                person.connect()

    @rule(who=st.integers(0, len(KINDS) - 1))
    def talk(self, who: int) -> None:
        """Somebody who was asked nothing says something."""
        person = self.persons[who]
        if not (person.asked or person.waits):
            person.type("hello")

    @precondition(lambda self: hasattr(self, "chat"))
    @invariant()
    def nobody_was_told(self) -> None:
        """No answer is in what anybody was sent, in the log, or in the daemon's."""
        tail = self.chat.log._tail  # type: ignore[attr-defined]
        told = [*(repr(tail.before(room, 10**9)) for room in ("#lobby",)), *self.logged]
        told += [person.sent + person.look() for person in self.persons]
        told += [self.watcher.transport.received.decode("utf-8", "replace")]
        told += [session.name for people in self.chat.hub.people.values() for session in people]
        for text in told:
            assert "cny" not in text, text[text.index("cny") - 60 :][:120]


TestPrompts = Prompts.TestCase
TestPrompts.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
