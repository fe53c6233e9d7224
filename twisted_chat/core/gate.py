"""Who may connect: how many in all, how many from one address, and how many who have no name yet.

1. A connection that is let in has a `Slot`, and gives it back once, when its socket is gone.
2. An IPv6 address counts with its whole /64: one customer has that many (RFC 6177). Exempt addresses don't count at
   all, only what they take of the whole: loopback is where tunnels and proxies come from.
3. Those without a name hold at most a quarter of all slots. From an eighth on, newcomers are refused at random, ever
   more of them (as OpenSSH's MaxStartups does): whoever tries again gets in, a flood does not.
4. What was refused is counted by reason: ten thousand refusals are one line in a log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from twisted_chat.core.errors import TooOften
from twisted_chat.core.limits import Often, Window

NETWORK_BITS = 64  # of an IPv6 address
UNNAMED_MOST, UNNAMED_EARLY = 1 / 4, 1 / 8  # of all slots


class Full(Exception):
    """There is no room for this connection. ``reason`` is one word, of which there are few, for counting."""

    def __init__(self, sentence: str, reason: str) -> None:
        super().__init__(sentence)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many connections there may be; None is no limit."""

    most: int | None = None  # in all
    per_address: int | None = None  # at once
    new: Often | None = None  # from one address


class Slot:
    """One connection's place."""

    __slots__ = ("_gate", "_source")

    def __init__(self, gate: Gate, source: str) -> None:
        """``source`` is whom it counts for; empty for exempt ones."""
        self._gate: Gate | None = gate
        self._source = source

    def release(self) -> None:
        """Give it back. May be called twice."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.left(self._source)


class Gate:
    """Counts connections."""

    def __init__(self, numbers: Numbers, exempt: Iterable[str], named: Callable[[], int], dice: Callable[[], float]) -> None:
        """``exempt`` are networks; ``named`` counts the connections that have a name; ``dice`` gives numbers from 0 to 1."""
        self.taken = 0
        self.refused: Counter[str] = Counter()  # by reason, since the start
        self._numbers = numbers
        self._exempt = [ip_network(network, strict=False) for network in exempt]
        self._named = named
        self._dice = dice
        self._sources: Counter[str] = Counter()
        self._new = Window(numbers.new)

    def enter(self, address: str, now: float) -> Slot:
        """Let a connection in. ``address`` is empty if it has none, as a Unix socket. Raises `Full`."""
        try:
            self._check_whole()
            source = self._source(address)
            if source:
                self._check_address(source, now)
        except Full as error:
            self.refused[error.reason] += 1
            raise
        self.taken += 1
        self._sources[source] += 1
        return Slot(self, source)

    def left(self, source: str) -> None:
        """A connection has ended. Called by its slot."""
        self.taken -= 1
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]

    def _source(self, address: str) -> str:
        """Whom an address counts for; empty if it does not count."""
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return ""
        if any(found in network for network in self._exempt if network.version == found.version):
            return ""
        return str(ip_network((found, NETWORK_BITS), strict=False)) if isinstance(found, IPv6Address) else str(found)

    def _check_whole(self) -> None:
        most = self._numbers.most
        if most is None:
            return
        if self.taken >= most:
            raise Full("The server is full. Please try again later.", "full")
        early = most * UNNAMED_EARLY
        if self.taken >= early:
            unnamed = self.taken - self._named()
            # From 0 at an eighth to 1 at a quarter.
            if unnamed >= early and self._dice() < (unnamed - early) / (most * UNNAMED_MOST - early):
                raise Full("Too many are coming in just now. Please try again in a few seconds.", "unnamed")

    def _check_address(self, source: str, now: float) -> None:
        per_address = self._numbers.per_address
        if per_address is not None and self._sources[source] >= per_address:
            raise Full(f"There are too many connections from {source}: {per_address} are allowed at once.", "address")
        try:
            self._new.take(source, now, f"{source} connects")
        except TooOften as error:
            raise Full(str(error), "often") from None
