"""The in-memory test harness: a hub, a clock, and connected clients of any protocol, without a socket.

For example:

    chat = Chat()
    simran = chat.enter("Simran")
    assert "Hello Simran, you are now connected!" in simran.lines()
"""

import json
import re
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from twisted_chat.config import Config, Limits
from twisted_chat.core.commands.builtins import table
from twisted_chat.core.hub.hub import Hub
from twisted_chat.core.interfaces import MessageLog, Records
from twisted_chat.core.logins.attempts import FailedLogin
from twisted_chat.core.records import Account
from twisted_chat.core.text.names import fold
from twisted_chat.daemon.timeouts import Ticker
from twisted_chat.daemon.waits import ReactorWaits
from twisted_chat.net.connection_limits import Gate
from twisted_chat.net.ssh_host_key import host_key
from twisted_chat.net.tls import Credentials
from twisted_chat.protocols.connection import LineConnection
from twisted_chat.protocols.irc.protocol import IrcFactory
from twisted_chat.protocols.jsonlines.protocol import ProgramFactory
from twisted_chat.protocols.line.protocol import PersonFactory
from twisted_chat.protocols.registry import PROTOCOLS, Frame, port_factory, ssh, ways_in, web
from twisted_chat.storage.memory_log import MemoryLog
from twisted_chat.storage.passwords.portal import SHORTEST, prepared
from twisted_chat.storage.sqlite.records import MemoryRecords

# The telnet commands that hide and show typing: WILL and WONT ECHO (RFC 857).
TELNET_ECHO = re.compile(rb"\xff[\xfb\xfc]\x01\r?")
# The password of an operator whose name `Chat.enter` claims.
OPERATOR_PASSWORD = "secret12"  # noqa: S105
# The limit of Twisted's own transports: beyond this many bytes a producer must pause.
BUFFER_SIZE = 65536


class MemoryTransport(StringTransport):
    """A transport whose peer reads at once, until the test calls `stop_reading`."""

    protocol: Any = None

    def __init__(self, address: str = "192.0.2.1") -> None:
        super().__init__(peerAddress=IPv4Address("TCP", address, 54321))
        self.received = b""  # the bytes that the peer has read
        self._reads = True
        self._paused = False

    def write(self, data: bytes) -> None:
        """Called by the protocol."""
        super().write(data)
        if self._reads:
            self._drain()
        elif len(self.value()) > BUFFER_SIZE and self.producer is not None and not self._paused:
            self._paused = True
            self.producer.pauseProducing()

    def writeSequence(self, pieces: Iterable[bytes]) -> None:
        """Called by twisted.web."""
        self.write(b"".join(pieces))

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Called by twisted.web, inside TLS."""

    def stop_reading(self) -> None:
        """Make the peer stop reading."""
        self._reads = False

    def read_on(self) -> None:
        """Make the peer read all waiting data, and resume reading."""
        self._reads = True
        self._drain()
        while self._paused:
            self._paused = False
            self.producer.resumeProducing()
            self._drain()

    def _drain(self) -> None:
        self.received += self.value()
        self.clear()


class Client:
    """The other end of a connection."""

    def __init__(self, chat: "Chat", protocol: Any, address: str) -> None:
        self.transport = MemoryTransport(address)
        self.transport.protocol = protocol
        self._slot = self.transport.slot = getattr(protocol, "slot", None)
        self._chat = chat
        protocol.makeConnection(self.transport)

    @property
    def closed(self) -> bool:
        """True if the server has closed the connection."""
        return bool(self.transport.disconnecting)

    def send(self, *lines: str | dict[str, Any]) -> None:
        """Send lines, or objects as JSON, and let the server process them."""
        for one in lines:
            text = one if isinstance(one, str) else json.dumps(one)
            self.send_bytes(text.encode() + b"\n")
        self._chat.turn()

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.transport.protocol.dataReceived(data)

    def vanish(self) -> None:
        """End the connection abruptly."""
        self.transport.protocol.connectionLost()
        if self._slot is not None:
            self._slot.release()
        self._chat.turn()

    def end_input(self) -> None:
        """Half-close the connection."""
        assert IHalfCloseableProtocol.providedBy(self.transport.protocol)
        self.transport.protocol.readConnectionLost()
        self._chat.turn()

    def lines(self) -> list[str]:
        """Return the lines received since the last call, without telnet commands."""
        data, self.transport.received = TELNET_ECHO.sub(b"", self.transport.received), b""
        return data.decode().splitlines()

    def objects(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the same as JSON objects, all or those of one type."""
        found = [json.loads(line) for line in self.lines()]
        return [one for one in found if kind in (None, one["type"])]


class PlainAccounts:
    """Accounts with plain passwords and immediate answers: hashing has its own tests."""

    def __init__(self, kept: Callable[[str], str | None]) -> None:
        self._kept = kept
        self._codes = 0

    async def hash(self, password: str, source: str) -> str:
        """Return the password itself."""
        return prepared(password, SHORTEST).decode()

    async def check(self, key: str, password: str, source: str) -> bool:
        """Return whether the password is right."""
        return self._kept(key) == password

    def code(self) -> str:
        """Return the next code."""
        self._codes += 1
        return f"CODE-{self._codes}"

    def digest(self, code: str) -> str:
        """Return the code reversed."""
        return code[::-1]


class Claims:
    """The claim codes of operators' names, by folded name."""

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}

    def hand_out(self, name: str, code: str, account: Account | None) -> None:
        """Store a code."""
        self.codes[fold(name)] = code

    def take_back(self, name: str) -> None:
        """Delete a code."""
        del self.codes[fold(name)]


class Chat:
    """A server in memory. Its time is 12:01, and its clock moves only with ``clock.advance``.

    Without a ``config`` there are no rate limits: tests send faster than people.
    """

    def __init__(
        self,
        config: Config | None = None,
        log: Callable[[Clock], MessageLog] | None = None,
        records: Records | None = None,
        credentials: Credentials | None = None,
        protocols: Collection[str] = PROTOCOLS,
    ) -> None:
        self.stops: list[float] = []  # the delays of the requests to stop the server, in seconds
        self.failed_logins: list[FailedLogin] = []
        self.claims = Claims()
        self.config = (config or Config(limits=Limits.OFF)).effective()
        self.clock = Clock()
        sizes = {"tail_bytes": self.config.tail_bytes, "batch_bytes": self.config.batch_bytes}
        self.log: MessageLog = log(self.clock) if log else MemoryLog(lambda call: self.clock.callLater(0, call), **sizes)
        self.hub = Hub(
            self.log,
            records or MemoryRecords(),
            PlainAccounts(self._password_of),
            self.now,
            self.clock.seconds,
            Deferred.fromCoroutine,
            bounds=self.config.bounds,
            waits=ReactorWaits(self.clock),
            failed_login=self.failed_logins.append,
            stop=self.stops.append,
            exit_stops=self.config.exit_stops_server,
            operators=self.config.operator,
            claim_desk=self.claims,
            reserved=table.words,
            spoken=ways_in(frozenset(protocols), self.config, credentials),
            fingerprint=credentials.told if credentials else tuple,
        )
        self.hub.claims.refresh()
        self.host_key = host_key("none")
        self.gate = Gate(self.config.numbers, self.config.exempt, lambda: self.hub.named, lambda: 0.0)
        self.hub.watchers.append(self.gate.watch)
        self.frame = Frame(
            hub=self.hub,
            table=table,
            config=self.config,
            clock=self.clock,
            gate=self.gate,
            credentials=credentials,
            host_key=self.host_key,
        )
        self.connections: set[LineConnection] = self.frame.connections
        self.people = self.frame.chat(PersonFactory)
        self.programs = self.frame.chat(ProgramFactory)
        self.irc = self.frame.chat(IrcFactory)
        self.web = web(self.frame)
        self.ssh = ssh(self.frame)
        self.detector = port_factory(self.frame, frozenset(protocols))
        self.ticker = Ticker(self.clock, self._tick)
        self.ticker.start()

    def now(self) -> float:
        """Return seconds since 1970."""
        return time.mktime((2026, 11, 23, 12, 1, 0, 0, 0, -1)) + self.clock.seconds()

    def _tick(self, now: float) -> None:
        for connection in tuple(self.connections):
            connection.tick(now)

    def _password_of(self, key: str) -> str | None:
        account = self.hub.registry.accounts.get(key)
        return account.password if account else None

    def connect(self, kind: str = "detect", address: str = "192.0.2.1") -> Client:
        """Return a client: ``line``, ``json``, ``irc``, ``web``, ``ssh``, or ``detect``, whose protocol the server detects."""
        factories: dict[str, Any] = {
            "line": self.people,
            "json": self.programs,
            "irc": self.irc,
            "web": self.web,
            "ssh": self.ssh,
            "detect": self.detector,
        }
        protocol = factories[kind].buildProtocol(IPv4Address("TCP", address, 54321))
        return Client(self, protocol, address)

    def enter(self, name: str, kind: str = "line", **hello: Any) -> Client:
        """Return a client that has given a name. An operator's name is claimed if necessary, with `OPERATOR_PASSWORD`."""
        client = self.connect(kind)
        code = self.claim_code(name)
        if kind != "line":
            claim = {"claim": code, "password": OPERATOR_PASSWORD} if code else {}
            client.send({"type": "hello", "name": name} | claim | hello)
        else:
            client.send(name, *([code, OPERATOR_PASSWORD] if code else []))
        return client

    def claim_code(self, name: str) -> str | None:
        """Return the claim code of a name, or None if it has none or is already claimed."""
        return self.claims.codes.get(fold(name)) if self.hub.registry.account(name) is None else None

    def turn(self) -> None:
        """Run the reactor until no call is due and no work runs on another thread."""
        while any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
            self.clock.advance(0)
