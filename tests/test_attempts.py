"""Guesses: what attackers get evaluated, over any number of addresses; and that nobody else is the worse for it."""

import json
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred

from twisted_chat.config import Config, Limits
from twisted_chat.core.errors import ChatError
from twisted_chat.core.session import Way
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
