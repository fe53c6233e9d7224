"""Limits on guesses: every check of a guessable secret passes through this module.

1. Secrets that people choose go through `Attempts.reserve`. It counts the attempt as wrong before anything is hashed or
   compared; the count is given back if the secret was right. Three limits apply, one after the other:
   - by source and subject (`Retries`): a few at once, then a wait that doubles. Beyond it an attempt is refused;
   - by source, over all subjects (`Rate`): larger. Beyond it an attempt is refused;
   - by subject, over all sources (`Rate`): beyond it an attempt *waits for its turn*, see `logins.turns`. An attack from many
     addresses is slow, and its victim is never shut out.
   The last two do not apply to a source that the subject knows: one from which the right secret has come before. An account
   remembers eight of these in its record.
2. Secrets that the server makes, or that are long enough, cannot be guessed. They are looked up first: a right one is never
   refused, whatever else came from its source. `Attempts.wrong` counts the wrong ones and returns "too often" after too many.
3. A success does not reset the count: a person who knows one password could otherwise guess another's without limit.
4. Every table is bounded. `logins.failures` and `logins.turns` say what is forgotten, and why that helps no attacker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from twisted_chat.core.errors import Busy, ChatError, TooOften
from twisted_chat.core.interfaces import Waits
from twisted_chat.core.logins.failures import Failures
from twisted_chat.core.logins.sources import network_of, source_of
from twisted_chat.core.logins.turns import Turns, too_often
from twisted_chat.core.rate_limits import GuessLimits, Rate
from twisted_chat.core.users.session import Way

# The factor by which limits are raised for requests that may not be guesses: a class asks for one name from one address.
LENIENCE = 10
# The most sources whose failures at all subjects together are remembered.
MOST_SOURCES = 50_000
# The most attempts of one source at one subject that wait for the outcome of earlier ones.
MOST_WAITING = 16
# The longest subject, in characters, that is counted separately; no name is longer.
LONGEST_SUBJECT = 100
# The most sources remembered for right secrets other than an account's.
MOST_KNOWN = 10_000


class Kind(Enum):
    """A kind of secret. The value is its word in the log and in the metrics."""

    PASSWORD = "password"  # noqa: S105
    SSH_KEY = "ssh-key"
    SERVER_PASSWORD = "server-password"  # noqa: S105
    ROOM_KEY = "room-key"
    TOKEN = "token"  # noqa: S105
    INVITATION = "invitation"
    RESUME = "resume-code"
    CLAIM = "claim-code"


@dataclass(frozen=True, slots=True)
class FailedLogin:
    """A wrong secret, for the log."""

    kind: Kind
    way: Way
    name: str  # the account's registered name; empty if there is no account


_Key: TypeAlias = tuple[str, Kind, str, str]


class Attempt:
    """An attempt at a chosen secret. It ends with the first call of one of the three methods; later calls do nothing."""

    __slots__ = ("_attempts", "_known", "_pair", "_subject", "kind", "way")

    def __init__(self, attempts: Attempts, way: Way, kind: Kind, pair: _Key, subject: tuple[Kind, str], known: bool) -> None:
        self.way = way
        self.kind = kind
        self._attempts: Attempts | None = attempts
        self._pair = pair
        self._subject = subject
        self._known = known

    def right(self) -> None:
        """Note that the secret was right, and give the attempt back."""
        if self._attempts is not None:
            self._attempts.count_right(self.way, self.kind)
            self._attempts.know(self._pair)
        self.withdraw()

    def wrong(self, name: str = "") -> None:
        """Note that the secret was wrong. ``name`` is the account's, if there is one."""
        attempts, self._attempts = self._attempts, None
        if attempts is not None:
            attempts.settle(self._pair, failed=True)
            attempts.count_wrong(FailedLogin(self.kind, self.way, name))

    def withdraw(self) -> None:
        """Give the attempt back: the secret was not checked."""
        attempts, self._attempts = self._attempts, None
        if attempts is not None:
            attempts.settle(self._pair, failed=False)
            if not self._known:
                attempts.give_back(self._pair[0], self._subject)


class Attempts:
    """The counter of attempts, which decides when the next is allowed."""

    def __init__(
        self,
        clock: Callable[[], float],
        waits: Waits,
        limits: GuessLimits,
        report: Callable[[FailedLogin], None] = lambda failed: None,
    ) -> None:
        """``clock`` gives monotonic seconds; ``report`` is called for each failure."""
        self.failures: Counter[tuple[str, Kind]] = Counter()  # by protocol and kind, since the start
        self.successes: Counter[tuple[str, Kind]] = Counter()
        self._clock = clock
        self._waits = waits
        self._limits = limits
        self._report = report
        self._pairs: Failures[_Key] = Failures(clock, limits.pair)  # for secrets that people choose
        self._strong: Failures[_Key] = Failures(clock, limits.pair)  # for unguessable ones: apart, as cheap to send
        self._lenient: Failures[_Key] = Failures(clock, replace(limits.pair, free=LENIENCE * limits.pair.free))
        self._sources: dict[str, float] = {}  # see `Rate`
        self._known: dict[tuple[str, Kind, str], None] = {}  # the sources of right secrets, the latest last
        self._subjects: Turns[tuple[Kind, str]] = Turns(clock, waits, limits.subject, limits.patience)

    # Secrets that people choose

    async def reserve(self, way: Way, kind: Kind, subject: str, *, who: str = "", known: bool = False) -> Attempt:
        """Count an attempt before it is evaluated, and wait until it may be evaluated.

        ``subject`` is the key of the account or room that the secret opens. ``who`` names the person if many share one
        secret: then one person's wrong attempts do not shut out others at the same source. ``known`` says that the right
        secret has come from this source before. Raises `TooOften` or `Busy`.
        """
        source = source_of(way.address)
        subject, who = (one if len(one) <= LONGEST_SUBJECT else "" for one in (subject, who))
        pair: _Key = (source, kind, subject, who)
        known = known or (source, kind, subject) in self._known
        await self._reserve_pair(pair)
        attempt = Attempt(self, way, kind, pair, (kind, subject), known)
        if known:
            return attempt
        try:
            self._charge_source(source)
        except TooOften:
            self.settle(pair, failed=False)
            raise
        network = (network_of(source), kind, subject, "")
        turn = self._subjects.take((kind, subject), lambda: (self._pairs.settled(network), self._pairs.settled(pair)))
        if turn is not None:
            try:
                await turn
            except BaseException:
                self.settle(pair, failed=False)
                self._sources[source] = _given_back(self._sources.get(source, 0.0), self._limits.source)
                raise
        return attempt

    async def check(
        self,
        way: Way,
        kind: Kind,
        subject: str,
        evaluate: Callable[[], Awaitable[bool]],
        *,
        who: str = "",
        known: bool = False,
        name: str = "",
    ) -> bool:
        """Return whether a secret is right: see `reserve`. ``evaluate`` is awaited once, at the attempt's turn."""
        attempt = await self.reserve(way, kind, subject, who=who, known=known)
        try:
            right = await evaluate()
        except BaseException:
            attempt.withdraw()
            raise
        if right:
            attempt.right()
        else:
            attempt.wrong(name)
        return right

    async def _reserve_pair(self, key: _Key) -> None:
        while True:
            pair = self._pairs.entry(key)
            wait = self._pairs.wait(pair)
            if wait:
                raise too_often(wait)
            if pair.reserved < max(1, self._limits.pair.free - pair.settled):
                pair.reserved += 1
                return
            if len(pair.waiting) >= MOST_WAITING:
                raise Busy("Too many logins at once from your address. Try again in a few seconds.")
            promise = self._waits.promise()
            pair.waiting.append(promise)
            await promise

    def _charge_source(self, source: str) -> None:
        rate, now = self._limits.source, self._clock()
        due = self._sources.get(source, 0.0)
        wait = rate.wait(due, now)
        if wait:
            raise too_often(wait)
        self._sources[source] = rate.spent(due, now)
        if len(self._sources) > MOST_SOURCES:  # drop recovered sources, which loses nothing, then those that owe least
            live = sorted((item for item in self._sources.items() if item[1] > now), key=lambda item: -item[1])
            self._sources = dict(live[: MOST_SOURCES * 3 // 4])

    def settle(self, key: _Key, *, failed: bool) -> None:
        """Settle an attempt that has ended. Called by the attempt."""
        pair = self._pairs.entry(key)
        pair.reserved -= 1
        if failed:
            self._pairs.failed(key)
            self._pairs.failed((network_of(key[0]), *key[1:3], ""))
        waiting, pair.waiting = pair.waiting, []
        for promise in waiting:
            promise.fire()

    def give_back(self, source: str, subject: tuple[Kind, str]) -> None:
        """Give back an attempt that was right or was withdrawn. Called by the attempt."""
        self._sources[source] = _given_back(self._sources.get(source, 0.0), self._limits.source)
        self._subjects.give_back(subject)

    def know(self, key: _Key) -> None:
        """Remember that the right secret came from a source. Called by an attempt."""
        if key[1] is not Kind.PASSWORD:  # accounts remember their own sources
            self._known.pop(key[:3], None)
            self._known[key[:3]] = None
            if len(self._known) > MOST_KNOWN:
                del self._known[next(iter(self._known))]

    # Secrets that cannot be guessed

    def wrong(
        self,
        way: Way,
        kind: Kind,
        error: ChatError,
        *,
        subject: str = "",
        name: str = "",
        meant: bool = True,
        reported: bool = True,
    ) -> ChatError:
        """Count a wrong secret. Return the error for the person: ``error``, or `TooOften` after too many.

        A request that was hardly ``meant`` as an attempt may be made `LENIENCE` times as often.
        """
        table = self._strong if meant else self._lenient
        key = (source_of(way.address), kind, subject[:LONGEST_SUBJECT], "")
        wait = table.wait(table.entry(key))
        if not wait:
            table.failed(key)
        if reported:
            self.count_wrong(FailedLogin(kind, way, name))
        return too_often(wait) if wait else error

    def check_allowed(self, way: Way, kind: Kind, subject: str) -> None:
        """Raise `TooOften` after too many wrong secrets: for secrets short enough to be guessed."""
        wait = self._strong.wait(self._strong.entry((source_of(way.address), kind, subject[:LONGEST_SUBJECT], "")))
        if wait:
            raise too_often(wait)

    # Counting

    def count_right(self, way: Way, kind: Kind) -> None:
        """Count a right secret, chosen or unguessable."""
        self.successes[way.protocol, kind] += 1

    def count_wrong(self, failed: FailedLogin) -> None:
        """Count a wrong secret and report it."""
        self.failures[failed.way.protocol, failed.kind] += 1
        self._report(failed)


def _given_back(due: float, rate: Rate) -> float:
    return due - 1 / rate.per_second
