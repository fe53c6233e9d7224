"""The chat in memory, with sockets that fill up as real ones do, and with logs on disk. For the suites in depth.

1. Nothing happens by itself: `Chat.turn` lets the reactor turns pass that are due, and lets sockets take what waits.
2. A `Wire` behaves as Twisted's sockets do: over `BUFFER` bytes it pauses its producer, and resumes it when it is empty.
   With ``stalled`` set it takes nothing, as the socket of a reader who went for lunch.
3. With a log on disk, hand `Chat` a `ThreadClock`: its thread's results come in during `turn`, too.
"""

import json
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_chat.config import Config
from twisted_chat.core.builtin import table
from twisted_chat.core.commands import Table
from twisted_chat.core.hub import Hub
from twisted_chat.protocols.connection import ChatFactory, LineConnection
from twisted_chat.protocols.detect import DetectorFactory, Row, looks_like_json
from twisted_chat.protocols.jsonl import ProgramFactory
from twisted_chat.protocols.line import PersonFactory
from twisted_chat.storage.batching import BatchingLog
from twisted_chat.storage.memory import MemoryLog
from twisted_chat.storage.sqlite import SqliteLog

# What a Twisted socket holds before it pauses its producer, in bytes (twisted.internet.abstract.FileDescriptor).
BUFFER = 64 * 1024
# When the chat's clock begins, in seconds since 1970.
BEGINNING = 1_795_485_598.0


class ThreadClock(Clock):
    """A clock that also collects what threads want called."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def callFromThread(self, callable: Callable[..., object], *args: object) -> None:
        """Called on any thread."""
        self._calls.put(lambda: callable(*args))

    def pump(self, log: SqliteLog) -> None:
        """Wait until the log's thread has done what it was given, and call what came of it."""
        done: list[object] = []
        log._thread.submit(lambda: None).addCallback(done.append)
        while not done:
            self._calls.get(timeout=20)()


class Wire(StringTransport):
    """A socket's server side. ``received`` is what the client has got."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None
        self.received = b""
        self.pending = b""
        self.stalled = False
        self.lost = False
        self.written = 0  # how often the server wrote
        self._paused = False

    def write(self, data: bytes) -> None:
        """Called by the protocol."""
        assert isinstance(data, bytes)
        if self.lost:
            return
        self.written += 1
        self.pending += data
        if self.producer is not None and len(self.pending) > BUFFER:
            self._paused = True
            self.producer.pauseProducing()

    def abortConnection(self) -> None:
        """Called by the protocol."""
        self.pending = b""
        self.drop(Failure(ConnectionLost()))

    def drop(self, reason: "Failure | None" = None) -> None:
        """The connection is gone."""
        if not self.lost:
            self.lost = True
            self.connected = False
            self.protocol.connectionLost(reason or Failure(ConnectionDone()))

    def drain(self) -> bool:
        """Let the client take what waits, unless it is stalled. True if anything happened."""
        if self.lost or self.stalled:
            return False
        moved = bool(self.pending)
        self.received, self.pending = self.received + self.pending, b""
        if self._paused and self.producer is not None:
            self._paused = False
            self.producer.resumeProducing()
            return True
        if self.disconnecting and self.producer is None and not self.pending:
            self.drop()
            return True
        return moved


class Client:
    """Somebody at the other end of a wire."""

    def __init__(self, chat: "Chat", wire: Wire) -> None:
        self.chat = chat
        self.wire = wire
        self._to_send = b""
        self._ended = False

    @property
    def closed(self) -> bool:
        """Whether the server has ended the connection."""
        return self.wire.lost

    def send_bytes(self, data: bytes) -> None:
        """Send bytes; they wait while the server reads nothing."""
        self._to_send += data
        self.deliver()

    def send(self, line: str | dict[str, Any]) -> None:
        """Send a line, or an object as one, and let the turns pass."""
        self.send_bytes((line if isinstance(line, str) else json.dumps(line)).encode() + b"\r\n")
        self.chat.turn()

    def end_input(self) -> None:
        """Half-close: nothing more will be sent."""
        self._ended = True
        self.deliver()
        self.chat.turn()

    def deliver(self) -> bool:
        """Hand what was sent to the server, if it reads. True if anything happened."""
        if self.wire.lost or self.wire.producerState != "producing":
            return False
        if self._to_send:
            data, self._to_send = self._to_send, b""
            self.wire.protocol.dataReceived(data)
            return True
        if self._ended:
            self._ended = False
            self.wire.protocol.readConnectionLost()
            return True
        return False

    def raw(self) -> bytes:
        """The bytes received since last asked."""
        data, self.wire.received = self.wire.received, b""
        return data

    def lines(self) -> list[str]:
        """The lines received since last asked, without their ends."""
        data = self.raw()
        assert not data or data.endswith(b"\n"), data[-80:]
        return [line.removesuffix("\r") for line in data.decode().split("\n")[:-1]]

    def objects(self) -> list[dict[str, Any]]:
        """The objects received since last asked."""
        return [json.loads(line) for line in self.lines()]


class Chat:
    """A hub with its log, and the factories of every protocol."""

    log = Logger()

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        log: BatchingLog | None = None,
        config: Config | None = None,
        table: Table = table,
        tail_bytes: int = 4 * 1024 * 1024,
        **hub_options: Any,
    ) -> None:
        self.clock = clock or Clock()
        self.config = config or Config()
        self.messages = log or MemoryLog(self.defer, tail_bytes=tail_bytes, batch_bytes=self.config.batch_bytes)
        self.hub = Hub(
            self.messages,
            lambda: BEGINNING + self.clock.seconds(),
            self._drive,
            reserved=table.words,
            message_limit=self.config.message_limit,
            **hub_options,
        )
        self.connections: set[LineConnection] = set()
        self.people = self._factory(PersonFactory, table)
        self.programs = self._factory(ProgramFactory, table)
        self.port = DetectorFactory(self.people, [Row(looks_like_json, self.programs)], self.clock, self.config.grace)
        self.clients: list[Client] = []

    def defer(self, call: Callable[[], None]) -> IDelayedCall:
        """Call at the end of this turn."""
        return self.clock.callLater(0, call)

    def connect(self, factory: ServerFactory | None = None) -> Client:
        """A connection to the port where every protocol is spoken, or to a factory."""
        wire = Wire()
        protocol = (factory or self.port).buildProtocol(None)
        assert isinstance(protocol, Protocol)
        wire.protocol = protocol
        client = Client(self, wire)
        self.clients.append(client)
        protocol.makeConnection(wire)
        self.turn()
        return client

    def person(self, name: str) -> Client:
        """Somebody at a terminal, who has given a name. What was shown until then is passed over."""
        client = self.connect(self.people)
        client.send(name)
        client.raw()
        return client

    def program(self, name: str, **members: Any) -> Client:
        """A program that has said hello. What it was told until then is passed over."""
        client = self.connect(self.programs)
        client.send({"type": "hello", "name": name, **members})
        client.raw()
        return client

    def turn(self) -> None:
        """Let turns pass until nothing more happens by itself."""
        busy = True
        while busy:
            busy = False
            if isinstance(self.clock, ThreadClock) and isinstance(self.messages, SqliteLog):
                self.clock.pump(self.messages)
            while any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
                self.clock.advance(0)
                busy = True
            for client in self.clients:
                busy = client.deliver() or client.wire.drain() or busy

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        self.turn()

    def _factory(self, kind: type[ChatFactory], table: Table) -> ChatFactory:
        return kind(self.hub, table, self.config, self.clock, self.connections)  # type: ignore[arg-type]

    def _drive(self, coroutine: Any) -> None:
        Deferred.fromCoroutine(coroutine).addErrback(lambda failure: self.log.failure("while reading on", failure))
