"""Guesses: what attackers get evaluated, over any number of addresses; and that nobody else is the worse for it."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from kept_chat import KeptChat
from ssh_clients import SshClient, new_key, public_line
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred

from twisted_chat.config import Config, Limits
from twisted_chat.core.errors import ChatError
from twisted_chat.core.logins import failures
from twisted_chat.core.users.session import Way
from twisted_chat.testing import Chat, MemoryTransport, PlainAccounts

RIGHT = "correct-horse"
HOME = "198.51.100.1"  # where accounts were registered
# Addresses, and what they count as. An empty one is a Unix socket's.
SOURCES = {
    "203.0.113.7": "203.0.113.7",
    "::ffff:203.0.113.7": "203.0.113.7",
    "203.0.113.8": "203.0.113.8",
    "2001:db8:0:1::1": "2001:db8:0:1",
    "2001:db8:0:1:ffff::2": "2001:db8:0:1",
    "2001:db8:0:2::1": "2001:db8:0:2",
    "127.0.0.1": "127.0.0.1",
    "": "",
}


class LateAccounts(PlainAccounts):
    """Passwords that are compared when the test says so. It notes what is compared, and when."""

    def __init__(self, chat: Chat) -> None:
        super().__init__(chat._password_of)
        self.late = False
        self.compared: list[tuple[float, str]] = []  # when, and the password
        self.waiting: list[Deferred[None]] = []
        self._chat = chat

    async def check(self, key: str, password: str, *source: str) -> bool:
        """Note it, wait, compare."""
        self.compared.append((self._chat.clock.seconds(), password))
        if self.late:
            answer: Deferred[None] = Deferred()
            self.waiting.append(answer)
            await answer
        return self._kept(key) == password


class Place:
    """Connections of programs from one address, each for one command at a time."""

    def __init__(self, chat: Chat, address: str) -> None:
        self.chat = chat
        self.transport = MemoryTransport(address or "192.0.2.1")
        if not address:
            self.transport.peerAddr = UNIXAddress(b"")
        self.protocol = chat.programs.buildProtocol(None)
        self.protocol.makeConnection(self.transport)

    def do(self, command: str, *arguments: str) -> None:
        """Give a command."""
        self.send({"type": "do", "command": command, "arguments": list(arguments), "id": "1"})

    def send(self, request: dict[str, Any]) -> None:
        """Send a request, and let the server work."""
        self.protocol.dataReceived(json.dumps(request).encode() + b"\n")
        self.chat.turn()

    @property
    def answers(self) -> list[str]:
        """What has come of the commands: an error's code, or ``ok``."""
        found = [json.loads(line) for line in self.transport.received.splitlines()]
        return [one.get("code", one["type"]) for one in found if one["type"] in ("error", "ok")]


class World:
    """A chat where Ann and Bob are registered, and a room has a token."""

    def __init__(self, **config: Any) -> None:
        self.chat = Chat(Config(limits=Limits.OFF, **config))
        self.accounts = self.chat.hub.accounts = LateAccounts(self.chat)
        for name in ("Ann", "Bob"):
            owner = self.chat.connect("json", HOME)
            owner.send({"type": "hello", "name": name}, {"type": "line", "text": f"/register {RIGHT}"})
            if name == "Bob":
                owner.send({"type": "line", "text": "/join #ops"}, {"type": "line", "text": "/token deploy"})
                token = next(one["text"] for one in owner.objects("remark") if "shown this once" in one["text"])
                self.token = token.split()[-1]
            owner.vanish()
        self.number = 0
        self.made: dict[str, tuple[str, str]] = {}  # a wrong password: from where, and for whom

    def guess(self, address: str, name: str) -> Place:
        """A wrong password, on a new connection."""
        self.number += 1
        password = f"wrong-{self.number}"
        self.made[password] = (SOURCES.get(address, address), name)
        place = Place(self.chat, address)
        place.do("login", name, password)
        return place

    def login(self, address: str, name: str) -> Place:
        """The right password, on a new connection."""
        place = Place(self.chat, address)
        place.do("login", name, RIGHT)
        return place

    def answer(self, number: int = -1) -> None:
        """Hashes come back: one of those that are under way, or all."""
        waiting = self.accounts.waiting
        for one in [waiting.pop(number % len(waiting))] if waiting and number >= 0 else [waiting.pop(0) for _ in waiting[:]]:
            one.callback(None)
        self.chat.turn()

    def end(self) -> None:
        """Let all that is under way come to an end."""
        self.accounts.late = False
        self.answer()
        self.chat.clock.pump([1] * 60)

    def compared(self, source: str | None = None, name: str | None = None) -> list[float]:
        """When wrong passwords were compared."""
        found = ((at, *self.made[password]) for at, password in self.accounts.compared if password in self.made)
        return [at for at, where, who in found if source in (None, where) and name in (None, who)]


def most_in(times: Iterable[float], burst: float, seconds: float) -> None:
    """In no stretch of time more than a burst, and one in so many seconds."""
    times = sorted(times)
    for (first, begin), (last, end) in combinations(enumerate(times), 2):
        assert last - first + 1 <= burst + (end - begin) / seconds + 1e-6, (last - first + 1, end - begin)


class Guessing(RuleBasedStateMachine):
    """Attackers and owners, at every kind of source, with hashes that come back late and in any order."""

    @initialize(late=st.booleans())
    def begin(self, late: bool) -> None:
        """A chat."""
        self.world = World()
        self.world.accounts.late = late
        self.flooded = 0

    @rule(address=st.sampled_from(list(SOURCES)), name=st.sampled_from(["Ann", "Bob", "Zoe"]), times=st.integers(1, 6))
    def guesses(self, address: str, name: str, times: int) -> None:
        """Wrong passwords in parallel."""
        for _ in range(times):
            self.world.guess(address, name)

    @rule(name=st.sampled_from(["Ann", "Bob", "Zoe"]), networks=st.booleans())
    def many_addresses(self, name: str, networks: bool) -> None:
        """One each, from 20 addresses that were not seen before: of one network, or of 20."""
        for _ in range(20):
            self.flooded += 1
            self.world.guess(f"2001:db8:{self.flooded:x}::1" if networks else f"192.0.2.{self.flooded % 250}", name)

    @rule(address=st.sampled_from(list(SOURCES)))
    def many_accounts(self, address: str) -> None:
        """Three for each of 15 names, from one address."""
        for number in range(45):
            self.world.guess(address, f"Someone{self.world.number // 3}x{number % 2}")

    @rule(address=st.sampled_from(list(SOURCES)), times=st.integers(1, 6))
    def wrong_tokens_and_codes(self, address: str, times: int) -> None:
        """Each is refused; the right ones are found all the same."""
        hub, way = self.world.chat.hub, Way("HTTP", address)
        for number in range(times):
            with pytest.raises(ChatError):
                hub.token(f"guess-{number}", "ops", way)
            Place(self.world.chat, address).do("code", f"GUESS-{number}")
        assert hub.token(self.world.token, "ops", way).name == "deploy"
        ann = self.world.chat.enter("Cleo", "json")
        ann.send({"type": "line", "text": "/invite"})
        code = f"CODE-{hub.accounts._codes}"
        guest = Place(self.world.chat, address)
        guest.do("code", code)
        assert guest.answers == ["ok"]
        ann.vanish()

    @rule(seconds=st.sampled_from([0.5, 5, 11, 60, 700]))
    def time_passes(self, seconds: float) -> None:
        """In small steps, as it does."""
        for _ in range(10):
            self.world.chat.clock.advance(seconds / 10)

    @rule(number=st.integers(-1, 20))
    def hashes_come_back(self, number: int) -> None:
        """One, or all."""
        self.world.answer(number)

    @rule(name=st.sampled_from(["Ann", "Bob"]))
    def the_owner_at_home(self, name: str) -> None:
        """Nothing that others do elsewhere delays or refuses who comes from where they were before."""
        place = self.world.login(HOME, name)
        self.world.answer()
        assert place.answers == ["ok"]

    def teardown(self) -> None:
        """Nothing stays under way."""
        if hasattr(self, "world"):
            self.world.end()

    @invariant()
    def attackers_are_slow(self) -> None:
        """By account over all sources; by source and account; by source over all accounts."""
        for name in ("Ann", "Bob", "Zoe"):
            most_in(self.world.compared(name=name), 10, 5)
        for source in set(SOURCES.values()):
            for name in ("Ann", "Bob", "Zoe"):
                most_in(self.world.compared(source, name), 11, 100)
            most_in(self.world.compared(source), 30, 10)

    @invariant()
    def few_are_under_way(self) -> None:
        """At most three of one source at one account."""
        assert len(self.world.accounts.waiting) <= 3 * len(set(self.world.made.values()))


Guessing.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestGuessing = Guessing.TestCase


def test_sixty_addresses_are_slow_and_the_owner_comes_in_from_a_new_one() -> None:
    """60 addresses at one account: 10 at once, then one in 5 s. At a new address its owner waits for 5 s at most meanwhile."""
    world = World()
    for number in range(60):
        world.guess(f"203.0.113.{number}", "Ann")
    assert len(world.compared()) == 10
    for second in range(120):
        world.chat.clock.advance(1)
        for number in range(3):
            world.guess(f"203.0.113.{(second * 3 + number) % 60}", "Ann")
        if second % 20 == 10:
            began, owner = world.chat.clock.seconds(), world.login(f"192.0.2.{second}", "Ann")
            while not owner.answers:
                world.chat.clock.advance(1)
            assert owner.answers == ["ok"]
            assert world.chat.clock.seconds() - began <= 5
    most_in(world.compared(), 10, 5)


@pytest.mark.parametrize("address", list(SOURCES))
def test_parallel_attempts_count_before_they_are_hashed(address: str) -> None:
    """16 wrong ones at once, from one source: three are hashed, also through a Unix socket or from one IPv6 network."""
    world = World()
    world.accounts.late = True
    places = [world.guess(address, "Ann") for _ in range(16)]
    assert len(world.accounts.waiting) == 3
    world.answer()
    assert len(world.compared()) == 3
    assert sorted(code for place in places for code in place.answers) == ["too-often"] * 13 + ["wrong-password"] * 3
    twins = [other for other, source in SOURCES.items() if source == SOURCES[address]]
    for other in twins:
        assert world.guess(other, "Ann").answers == ["too-often"]


def test_many_right_ones_at_once_are_all_taken() -> None:
    """What is right is given back: ten devices come in together, again and again, with no wait."""
    world = World()
    world.accounts.late = True
    for _ in range(10):
        places = [world.login("203.0.113.9", "Ann") for _ in range(10)]
        for _ in range(10):
            world.answer()
        assert [place.answers for place in places] == [["ok"]] * 10


def test_one_persons_mistakes_do_not_shut_out_another_at_the_same_address() -> None:
    """Subjects are told apart; yet one address can't try every account."""
    world = World()
    for _ in range(40):
        world.guess("203.0.113.7", "Ann")
        world.chat.clock.advance(1)
    assert world.guess("203.0.113.7", "Ann").answers == ["too-often"]
    assert world.login("203.0.113.7", "Bob").answers == ["ok"]
    sprayed = [world.guess("203.0.113.8", f"Name{number}").answers for number in range(60)]
    assert sprayed.count(["wrong-password"]) == 30
    assert world.login("203.0.113.7", "Bob").answers == ["ok"]


def test_what_is_said_does_not_tell_whether_an_account_exists() -> None:
    """The same words and the same waits for a name that nobody has."""
    said: list[list[bytes]] = []
    for name in ("Ann", "Zoe"):
        world = World()
        said.append([world.guess("203.0.113.7", name).transport.received for _ in range(6)])
        said[-1] += [world.guess(f"203.0.113.{number}", name).transport.received for number in range(20)]
    assert said[0] == said[1]
    assert any(b"Try again in 5 seconds." in one for one in said[0])


def test_waits_are_told_in_whole_seconds_and_are_true() -> None:
    """Never "in 0 seconds": who waits as long as was told may try again."""
    world = World()
    for _ in range(3):
        world.guess("203.0.113.7", "Ann")
    world.chat.clock.advance(4.7)
    assert b"Try again in 1 second." in world.guess("203.0.113.7", "Ann").transport.received
    world.chat.clock.advance(1)
    assert world.guess("203.0.113.7", "Ann").answers == ["wrong-password"]


def test_the_owner_at_the_attackers_address_is_told_of_wrong_ones_alone() -> None:
    """A success resets nothing: with one password nobody gets more tries at another."""
    world = World()
    for _ in range(3):
        assert world.guess("203.0.113.7", "Ann").answers == ["wrong-password"]
        assert world.login("203.0.113.7", "Bob").answers == ["ok"]
    assert world.guess("203.0.113.7", "Ann").answers == ["too-often"]


# Other secrets


class Keyed(World):
    """A chat with a room that has a key, and a password for IRC clients."""

    def __init__(self) -> None:
        super().__init__(irc_password="let-me-in")
        self.bob = self.chat.connect("json", HOME)
        self.bob.send({"type": "hello", "name": "Bob", "password": RIGHT}, {"type": "line", "text": "/join #keyed"})
        self.bob.send({"type": "line", "text": "/room key leaf"})
        self.guests = 0

    def room_key(self, address: str, key: str) -> Callable[[], str]:
        """Somebody at an address tries a key; what they are told."""
        self.guests += 1
        place = Place(self.chat, address)
        place.send({"type": "hello", "name": f"Guest{self.guests}"})
        place.do("join", "#keyed", key)
        return lambda: {"ok": "in", "not-invited": "wrong", "too-often": "wait"}.get("".join(place.answers), "")

    def server_password(self, address: str, password: str) -> Callable[[], str]:
        """An IRC client comes in."""
        self.guests += 1
        client = self.chat.connect("irc", address or "192.0.2.1")
        client.send(f"PASS {password}\r", f"NICK Guest{self.guests}\r", "USER u * * :R\r")

        def told() -> str:
            shown = client.transport.received
            return "in" if b" 001 " in shown else "wait" if b"Too many" in shown else "wrong" if b" 464 " in shown else ""

        return told


@pytest.mark.parametrize(("kind", "right"), [("room_key", "leaf"), ("server_password", "let-me-in")])
def test_secrets_that_many_share_are_bounded_too(kind: str, right: str) -> None:
    """From one address 30 wrong ones; from many, ten at once, and then slowly; and who has the right one comes in."""
    world = Keyed()
    attempt = getattr(world, kind)
    assert attempt("198.51.100.9", right)() == "in"
    told = [attempt(f"203.0.113.{number}", f"guess{number}") for number in range(60)]
    assert [one() for one in told].count("wrong") == 10
    assert attempt("198.51.100.9", right)() == "in", "from where it was right before, at once"
    newcomer = attempt("198.51.100.10", right)
    world.chat.clock.pump([1] * 6)
    assert newcomer() == "in", "from elsewhere, soon"
    world.chat.clock.pump([1] * 60)
    assert {one() for one in told} == {"wrong", "wait"}
    world = Keyed()
    told = [getattr(world, kind)("203.0.113.7", f"guess{number}") for number in range(60)]
    world.chat.clock.pump([1] * 120)
    assert [one() for one in told].count("wrong") <= 30


def test_who_leaves_while_waiting_is_in_no_room() -> None:
    """Their turn comes, and nobody is there."""
    world = Keyed()
    for number in range(20):
        world.room_key(f"203.0.113.{number}", "wrong")
    late = Place(world.chat, "203.0.113.99")
    late.send({"type": "hello", "name": "Late"})
    late.do("join", "#keyed", "leaf")
    assert "late" in world.chat.hub.people
    late.protocol.connectionLost()
    world.chat.clock.pump([1] * 120)
    assert world.chat.hub.rooms["#keyed"].names() == ("Bob",)


def test_a_resume_code_is_found_among_wrong_ones() -> None:
    """A guest's code gives the name back, whatever others have tried from the same address; a short secret can't be guessed."""
    world = World()
    for secret, command in (("", True), ("tea", False)):
        guest = world.chat.connect("json", "203.0.113.7")
        guest.send({"type": "hello", "name": "Gil", "client": secret})
        guest.send({"type": "line", "text": "/resume"})
        code = guest.objects("remark")[-1]["text"].split()[-1]
        for number in range(20):
            place = Place(world.chat, "203.0.113.7")
            if command:
                place.do("resume", "Gil", f"GUESS-{number}")
            else:
                place.send({"type": "hello", "name": "Gil", "client": f"te{number}", "id": "1"})
            assert place.answers == ["name-taken" if number < 3 else "too-often"]
        place = Place(world.chat, "203.0.113.7")
        if command:
            place.do("resume", "Gil", code)
            assert place.answers == ["ok"]
            place.protocol.connectionLost()
            world.chat.clock.advance(700)
        else:
            place.send({"type": "hello", "name": "Gil", "client": secret, "id": "1"})
            assert place.answers == ["too-often"], "else four letters would be found one by one"


def test_a_name_that_is_taken_is_said_to_be_taken() -> None:
    """Browsers show a secret with any name: a class behind one address that wants the same name is told that it is taken."""
    world = World()
    world.chat.enter("Alex", "json", client="a-secret-of-128-bits")
    answers = []
    for number in range(50):
        place = Place(world.chat, "203.0.113.7")
        place.send({"type": "hello", "name": "Alex", "client": f"another-secret-{number}", "id": "1"})
        answers += place.answers
    assert answers == ["name-taken"] * 30 + ["too-often"] * 20
    assert not world.chat.failed_logins


def test_a_code_is_no_way_around_for_a_short_secret() -> None:
    """Who has to wait with a program's secret can't have it compared with a wrong code beside it."""
    world = World()
    world.chat.enter("Alex", "json", client="tea")
    for number in range(4):
        place = Place(world.chat, "203.0.113.7")
        place.send({"type": "hello", "name": "Alex", "client": f"te{number}", "id": "1"})
    place.send({"type": "hello", "name": "Alex", "client": "tea", "id": "1"})
    place.do("resume", "Alex", "WRONG-CODE")
    assert place.answers == ["too-often"] * 3


def test_the_owners_sources_outlive_the_daemon(tmp_path: Path) -> None:
    """An attack that goes on over a restart does not delay who comes from where they were before."""
    chat = KeptChat(tmp_path)
    owner = chat.connect("json", HOME)
    owner.send({"type": "hello", "name": "Ann"}, {"type": "line", "text": f"/register {RIGHT}"})
    chat.end()
    chat = KeptChat(tmp_path)
    for number in range(30):
        Place(chat, f"203.0.113.{number}").do("login", "Ann", "wrong")
    for address, answers in ((HOME, ["ok"]), ("198.51.100.2", [])):
        place = Place(chat, address)
        place.do("login", "Ann", RIGHT)
        assert place.answers == answers
    assert HOME not in "".join(chat.hub.registry.accounts["ann"].sources)
    chat.clock.pump([1] * 60)
    chat.end()


def test_an_account_knows_few_sources_and_forgets_them_with_its_password() -> None:
    """The latest eight; with a new password only the one it was given from."""
    world = World()
    for number in range(20):
        world.login(f"198.51.100.{number}", "Ann")
    assert len(world.chat.hub.registry.accounts["ann"].sources) == 8
    ann = world.chat.connect("json", "198.51.100.99")
    ann.send({"type": "hello", "name": "Ann", "password": RIGHT})
    ann.send({"type": "do", "command": "password", "arguments": [RIGHT, "new-password"]})
    account = world.chat.hub.registry.accounts["ann"]
    assert account.password == "new-password"
    assert len(account.sources) == 1


def test_nobody_flushes_what_makes_them_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a full table those with the fewest failures are forgotten first."""
    monkeypatch.setattr(failures, "MOST_REMEMBERED", 60)
    monkeypatch.setattr(failures, "LEFT", 45)
    world = World()
    for _ in range(3):
        world.guess("203.0.113.7", "Ann")
    for number in range(400):
        world.guess(f"2001:db8:{number:x}::1", f"Name{number}")
    assert world.guess("203.0.113.7", "Ann").answers == ["too-often"]
    assert len(world.chat.hub.attempts._pairs) <= 60
    world.chat.clock.advance(3000)
    world.guess("203.0.113.8", "Ann")
    for number in range(60):
        world.guess(f"2001:db8:{number:x}::1", f"Name{number}")
    assert len(world.chat.hub.attempts._pairs) <= 60


def test_a_key_of_ssh_is_never_refused_for_wrong_ones() -> None:
    """Nor for wrong passwords, from the same address."""
    world, key = World(), new_key()
    account = world.chat.hub.registry.accounts["ann"]
    world.chat.hub.put_account(replace(account, keys=(public_line(key),)))
    for _ in range(10):
        SshClient(world.chat, "Ann", keys=(new_key(),), address="203.0.113.7").raw.vanish()
        world.guess("203.0.113.7", "Ann")
    assert SshClient(world.chat, "Ann", keys=(new_key(), key), address="203.0.113.7").let_in
