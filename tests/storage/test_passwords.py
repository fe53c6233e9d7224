"""How passwords are hashed and kept, and who waits for whom while they are."""

import base64
import hashlib
import secrets
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from kept_chat import KeptChat
from storage_bench import Reactor
from twisted.internet.defer import Deferred

from twisted_chat.core.errors import BadPassword, Busy
from twisted_chat.storage.passwords.fair_queue import FairQueue
from twisted_chat.storage.passwords.hashing import LANES, MEMORY_KIB, NOBODY, PASSES, compared, hashed
from twisted_chat.storage.passwords.portal import MOST_OF_A_SOURCE, MOST_WAITING, HashingThread, PortalAccounts


def scrypt(password: str) -> str:
    """A hash as earlier versions made it."""
    salt = secrets.token_bytes(16)
    key = hashlib.scrypt(password.encode(), salt=salt, n=2**15, r=8, p=1, maxmem=2**26, dklen=32)
    return "$".join(["scrypt", str(2**15), "8", "1", base64.b64encode(salt).decode(), base64.b64encode(key).decode()])


class Real:
    """The daemon's accounts, with their thread."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        self.kept: dict[str, str] = {}
        self.replaced: list[tuple[str, str, str]] = []
        self.accounts = PortalAccounts(
            self.kept.get, lambda *changed: self.replaced.append(changed), self.reactor.callFromThread
        )

    def done(self, awaitable: Any) -> Any:
        """What comes of something."""
        results: list[Any] = []

        async def wait() -> None:
            try:
                results.append(await awaitable)
            except Exception as error:
                results.append(error)

        Deferred.fromCoroutine(wait())
        self.reactor.until(lambda: results)
        if isinstance(results[0], Exception):
            raise results[0]
        return results[0]


@pytest.fixture
def real() -> Any:
    """Accounts with a thread."""
    one = Real()
    yield one
    one.accounts.stop()


def test_new_hashes_are_argon2id_at_the_recommended_costs(real: Real) -> None:
    """19 MiB, two passes, one lane, in the standard form: any other program can check them."""
    kept = real.done(real.accounts.hash("correct horse", "local"))
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PasswordHasher().verify(kept, "correct horse")
    costs = extract_parameters(NOBODY)
    assert (costs.memory_cost, costs.time_cost, costs.parallelism) == (MEMORY_KIB, PASSES, LANES)
    assert extract_parameters(kept) == costs, "an unknown name takes as long"


@pytest.mark.parametrize("password", ["", "seven77", "\x00" * 9, "x" * 301, "\ud800" * 9])
def test_what_is_no_new_password(real: Real, password: str) -> None:
    """Shorter than 8 characters, longer than 300 bytes, or not of visible characters."""
    with pytest.raises(BadPassword):
        real.done(real.accounts.hash(password, "local"))


@pytest.mark.parametrize("password", ["tea!", "correct horse", "cafe\u0301"])
def test_an_older_hash_is_good_and_is_replaced_at_a_login(real: Real, password: str) -> None:
    """Also of a password that would be too short now; a wrong password, and a second login, replace nothing."""
    real.kept["ann"] = old = scrypt("caf\u00e9" if password.startswith("caf") else password)
    assert not real.done(real.accounts.check("ann", "wrong", "local"))
    assert not real.replaced
    assert real.done(real.accounts.check("ann", password, "local"))
    ((key, before, new),) = real.replaced
    assert (key, before) == ("ann", old)
    real.kept["ann"] = new
    assert real.done(real.accounts.check("ann", password, "local"))
    assert len(real.replaced) == 1


def test_a_hash_of_other_costs_is_replaced_too() -> None:
    """So costs can be raised later."""
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash("correct horse")
    right, new = compared(b"correct horse", weak)
    assert right
    assert new.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert compared(b"correct horse", new) == (True, "")
    assert compared(b"wrong", weak) == (False, "")
    assert compared(b"correct horse", None) == (False, "")


def test_a_hash_that_was_changed_meanwhile_proves_nothing_and_is_not_replaced(real: Real) -> None:
    """/password, or another person who has registered the name, has the last word."""
    real.kept["ann"] = scrypt("old password")
    login = Deferred.fromCoroutine(real.accounts.check("ann", "old password", "local"))
    real.kept["ann"] = hashed(b"new password")
    assert not real.done(login)
    assert not real.replaced


def test_what_is_replaced_is_kept_unless_it_was_changed(tmp_path: Path) -> None:
    """The record on disk has the new hash, and nothing else of it is changed; a newer one stays."""
    chat = KeptChat(tmp_path)
    chat.enter("Ann").send("/register correct-horse")
    account = chat.hub.registry.accounts["ann"]
    chat.hub.rehashed("ann", account.password, "new hash")
    assert chat.hub.registry.accounts["ann"] == replace(account, password="new hash")
    chat.hub.rehashed("ann", account.password, "of a login that was slower")
    chat.hub.rehashed("nobody", "old", "new")
    chat.end()
    chat = KeptChat(tmp_path)
    assert chat.hub.registry.accounts["ann"].password == "new hash"
    assert chat.hub.registry.accounts["ann"].sources
    chat.end()


# The order


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("xyz")), max_size=60))
def test_sources_take_turns_and_so_do_their_accounts(items: list[tuple[str, str]]) -> None:
    """Between two of one source all other waiting sources have had one; likewise for accounts at a source; each in order."""
    queue: FairQueue[tuple[int, str, str]] = FairQueue(100, 100)
    for number, (source, account) in enumerate(items):
        assert queue.add(source, account, (number, source, account)) is None
    taken = [queue.next() for _ in range(len(queue))]
    assert sorted(taken) == [(number, *item) for number, item in enumerate(items)]
    for at, (number, source, account) in enumerate(taken):
        later = taken[at + 1 :]
        assert all(number < one[0] for one in later if one[1:] == (source, account))
        again = next((place for place, one in enumerate(later) if one[1] == source), None)
        if again is not None:
            between = [one[1] for one in later[:again]]
            assert set(between) >= {one[1] for one in later[again:]} - {source}
            assert len(between) == len(set(between))


class Thread:
    """A thread that hashes when the test says so."""

    def __init__(self) -> None:
        self.work: deque[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = deque()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Deferred[Any]":
        """Take work."""
        result: Deferred[Any] = Deferred()
        self.work.append((result, function, arguments))
        return result

    def step(self) -> None:
        """Do the next piece of it."""
        result, function, arguments = self.work.popleft()
        result.callback(function(*arguments))


class Hashing(RuleBasedStateMachine):
    """Crowds at some sources, and a newcomer now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = Thread()
        self.hashing = HashingThread(self.thread.submit)
        self.number = 0
        self.outcomes: dict[int, object] = {}
        self.sources: dict[int, str] = {}
        self.newcomers: dict[int, int] = {}  # how many hashes each may still wait for
        self.steps = 0

    def login(self, source: str, account: str) -> int:
        """Somebody logs in."""
        self.number += 1
        number, self.sources[self.number] = self.number, source
        self.hashing.run(source, account, lambda: "hashed").addBoth(lambda outcome: self.outcomes.__setitem__(number, outcome))
        return number

    @property
    def waiting(self) -> list[str]:
        """The sources of those whose hash has not come back."""
        return [source for number, source in self.sources.items() if number not in self.outcomes]

    @rule(source=st.integers(0, 5), account=st.integers(0, 40), times=st.integers(1, 60))
    def crowd(self, source: int, account: int, times: int) -> None:
        """Many at once, of one account or of many."""
        for number in range(times):
            self.login(f"s{source}", f"a{account + number % 7}")

    @rule(networks=st.integers(1, 300))
    def many_sources(self, networks: int) -> None:
        """One each."""
        for number in range(networks):
            self.login(f"n{number}", "a1")

    @rule()
    def newcomer(self) -> None:
        """Somebody at a source of their own is never turned away for another's crowd, and waits for one hash of each source."""
        others = len(set(self.waiting))
        crowded = max(Counter(self.waiting).values(), default=0) > 2
        number = self.login(f"new{self.number}", "a1")
        if crowded or others < MOST_WAITING:
            assert number not in self.outcomes
            self.newcomers[number] = others + 1

    @precondition(lambda self: self.thread.work)
    @rule(times=st.integers(1, 30))
    def hash_comes_back(self, times: int) -> None:
        """The thread does some work."""
        for _ in range(times):
            if self.thread.work:
                self.thread.step()
                for number in [number for number in self.newcomers if number in self.outcomes]:
                    if self.outcomes[number] == "hashed" or len(set(self.waiting)) >= MOST_WAITING:
                        del self.newcomers[number]
                for number in self.newcomers:
                    self.newcomers[number] -= 1

    @invariant()
    def all_is_bounded(self) -> None:
        """One hash at a time; so many wait, by source and in all; whoever gives way is told."""
        assert len(self.thread.work) <= 1
        assert len(self.waiting) <= MOST_WAITING + 1
        assert all(self.waiting.count(source) <= MOST_OF_A_SOURCE + 1 for source in set(self.waiting))
        assert bool(self.thread.work) == bool(self.waiting)
        assert all(left >= 0 for number, left in self.newcomers.items() if number not in self.outcomes)
        for outcome in self.outcomes.values():
            assert outcome == "hashed" or isinstance(outcome.value, Busy)  # type: ignore[attr-defined]


Hashing.TestCase.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)
TestHashing = Hashing.TestCase


def test_one_accounts_crowd_does_not_make_others_busy() -> None:
    """17 connections of one account, then 12 others: all of them are served, and first of all in turns."""
    thread, outcomes = Thread(), []
    hashing = HashingThread(thread.submit)
    for _ in range(17):
        hashing.run("203.0.113.7", "ann", lambda: "ann").addCallback(outcomes.append)
    for number in range(12):
        hashing.run(f"198.51.100.{number}", f"person{number}", lambda: "person").addCallback(outcomes.append)
    while thread.work:
        thread.step()
    assert outcomes.count("person") == 12
    assert outcomes.index("person") <= 2
    assert outcomes.count("ann") == 17
