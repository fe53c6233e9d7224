"""Limit the connections: in all, per address, and without a name.

1. An accepted connection has a `Slot`, and releases it once, when its socket is closed.
2. An IPv6 address counts with its whole /64: one customer has that many (RFC 6177). Exempt addresses only count towards
   the total, because tunnels and proxies connect from loopback.
3. Fewer connections may be unnamed: a fixed number per address, and at most a quarter of all. From an eighth on, newcomers
   are refused at random with rising probability (like OpenSSH's MaxStartups): a client that retries gets in, a flood
   does not.
4. A connection that a browser keeps idle for later requests gives way to another from the same address.
5. Refusals are counted by reason: ten thousand refusals are one line in the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from twisted_chat.core.errors import TooOften
from twisted_chat.core.rate_limits import Numbers, Window

if TYPE_CHECKING:
    from twisted_chat.core.users.session import Session

NETWORK_BITS = 64  # of an IPv6 address
UNNAMED_MOST, UNNAMED_EARLY = 1 / 4, 1 / 8  # of all slots


class Full(Exception):
    """A refused connection. ``reason`` is one of a few words, for counting."""

    def __init__(self, sentence: str, reason: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class Slot:
    """The slot of one connection."""

    __slots__ = ("_gate", "_source")

    def idle(self, close: Callable[[], object]) -> None:
        """Mark the connection as idle. The limiter calls ``close`` if its address needs the slot."""
        if self._gate is not None:
            self._gate.idle(self, self._source, close)

    def busy(self) -> None:
        """Mark the connection as busy."""
        if self._gate is not None:
            self._gate.busy(self, self._source)

    def __init__(self, gate: Gate, source: str) -> None:
        """``source`` is the address or network that it counts for, empty if exempt."""
        self._gate: Gate | None = gate
        self._source = source

    def release(self) -> None:
        """Release the slot. May be called twice."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.busy(self, self._source)
            gate.left(self._source)


class Gate:
    """The limiter of connections."""

    def __init__(self, numbers: Numbers, exempt: Iterable[str], named: Callable[[], int], dice: Callable[[], float]) -> None:
        """``exempt`` are networks, ``named`` counts the named connections, and ``dice`` returns random numbers from 0 to 1."""
        self.taken = 0
        self.refused: Counter[str] = Counter()  # by reason, since the start
        self._numbers = numbers
        self._exempt = [ip_network(network, strict=False) for network in exempt]
        self._named = named
        self._dice = dice
        self._sources: Counter[str] = Counter()
        self._idle: dict[str, dict[Slot, Callable[[], object]]] = {}  # by source: connections that give way, oldest first
        self._named_there: Counter[str] = Counter()  # by source: the number of named connections
        self._new = Window(numbers.new)

    def enter(self, address: str, now: float) -> Slot:
        """Accept a connection. ``address`` is empty if it has none, such as on a Unix socket. Raise `Full`."""
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
        """Count a closed connection. Called by its slot."""
        self.taken -= 1
        self._sources[source] -= 1
        if not self._sources[source]:
            del self._sources[source]

    def idle(self, slot: Slot, source: str, close: Callable[[], object]) -> None:
        """Let a connection give way to another from its address. Called by its slot."""
        if source:
            self._idle.setdefault(source, {})[slot] = close

    def busy(self, slot: Slot, source: str) -> None:
        """Stop a connection from giving way. Called by its slot."""
        there = self._idle.get(source, {})
        if there.pop(slot, None) is not None and not there:
            del self._idle[source]

    def _gives_way(self, source: str) -> bool:
        """Close the longest idle connection from this address. Return False if there is none."""
        for slot, close in self._idle.get(source, {}).items():
            slot.release()
            close()
            return True
        return False

    def watch(self, session: Session, old: str, new: str) -> None:
        """Count a session's change of name; an empty name is none. Called by the hub."""
        source = self._source(session.way.address)
        if source and bool(old) is not bool(new):
            self._named_there[source] += 1 if new else -1
            if self._named_there[source] <= 0:
                del self._named_there[source]

    def _source(self, address: str) -> str:
        """Return the source that an address counts for; empty if it does not count."""
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
        if per_address is not None and self._sources[source] >= per_address and not self._gives_way(source):
            raise Full(f"There are too many connections from {source}: {per_address} are allowed at once.", "address")
        unnamed = self._numbers.unnamed
        nameless = self._sources[source] - self._named_there[source]
        if unnamed is not None and nameless >= unnamed and not self._gives_way(source):
            why = f"There are too many connections without a name from {source}: {unnamed} are allowed at once."
            raise Full(f"{why} Please try again in a few seconds.", "nameless")
        try:
            self._new.take(source, now, f"{source} connects")
        except TooOften as error:
            raise Full(str(error), "often") from None
