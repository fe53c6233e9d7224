"""One connection that speaks lines: what all protocols have in common. (The lines of a WebSocket are its messages.)

1. Bytes become lines, at most `LINES_A_TURN` of them a reactor turn, so that nobody's paste keeps others waiting; and
   no faster than the ``rate``, after a burst. What comes faster waits, here and then in the kernel: nothing is dropped.
2. A command that takes longer holds up its own connection's next line, and nothing else.
3. While more waits to be written than Twisted's buffer should hold, the connection is ``full``: no line of it is
   worked off, and nothing of the log is written to it. Its session reads on from the log once that has drained.
4. A connection ends in one way, `close`: what was read is done, messages are receipted, what was written goes out;
   and if the peer takes nothing, it is cut off after `Config.closing_seconds`.
5. An end of input (half close) is a request to close. What follows the last line end is a line too.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IPushProducer,
    IReactorTime,
    ISSLTransport,
)
from twisted.internet.protocol import ServerFactory
from twisted.internet.protocol import connectionDone as CONNECTION_DONE
from twisted.logger import Logger
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_chat.config import Config
from twisted_chat.core.command_table.table import Answering, Call, Table
from twisted_chat.core.delivery.batch import Dialect
from twisted_chat.core.errors import ChatError
from twisted_chat.core.events import Answer, RoomEvent
from twisted_chat.core.hub.hub import Hub
from twisted_chat.core.rate_limits import Rate
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.users.session import Way
from twisted_chat.core.users.settings import Settings
from twisted_chat.net.addresses import address_text, ip_of, place_of
from twisted_chat.net.tcp import unsent_bytes
from twisted_chat.protocols.framing import LineSplitter, NoLineEnd, Splitter, TooLong
from twisted_chat.protocols.hidden_typing import HiddenTyping

# How many lines of one connection are worked off in a reactor turn.
LINES_A_TURN = 64
# How long nobody is listened to while the disk can't follow, in seconds: what it writes in some commits.
CONGESTED_SECONDS = 0.02
# Of a line so many bytes cost as much as a line by itself. An empty one is nobody's burden: it costs next to nothing, so
# that a flood of them is soon over, and it is soon seen that whoever sent it has gone.
COSTLY = 1024
EMPTY_COST = 1 / 2000
# How much may wait to be worked off before no more is read, in bytes.
READ_AHEAD = 64 * 1024
NOT_SENT = "What you typed meanwhile has not been sent: it was hidden, as a password is."


class InternalError(ChatError):
    """A bug of ours, as the person is told of it."""

    code = "internal-error"


class Filling(Protocol):
    """What is told how full its transport is."""

    def filled(self) -> None:
        """More waits to be written than should."""

    def drained(self) -> None:
        """Nothing waits to be written any more."""


@implementer(IPushProducer)
class Flow:
    """Carries the transport's word on its buffer to a connection, whose own methods of that name stop the reading."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Filling) -> None:
        self._connection = connection

    def pauseProducing(self) -> None:
        """Called by the transport, from within a write: it holds more than it should."""
        self._connection.filled()

    def resumeProducing(self) -> None:
        """Called by the transport: it holds nothing any more."""
        self._connection.drained()

    def stopProducing(self) -> None:
        """Called by the transport. There is nothing to do: ``connectionLost`` follows."""


@implementer(IHalfCloseableProtocol)
class LineConnection(LineReceiver):
    """A LineReceiver that hands its lines to the command table, and is its session's outlet."""

    dialect: Dialect
    kind: ClassVar[str]  # what people are told one has come in by
    program: ClassVar[bool] = False
    longest: ClassVar[int]  # of a line, in bytes
    most: ClassVar[int]  # without a line end, in bytes: beyond, the connection is closed

    factory: "ChatFactory"
    log = Logger()

    def __init__(self, factory: "ChatFactory") -> None:
        self.factory = factory
        self.full = False
        self._splitter = self.splitter()
        self._working = False
        self._busy = False  # a command takes longer
        self._unseen = HiddenTyping()
        self._scheduled: IDelayedCall | None = None
        self._rate = self.rate(factory.config)
        self._due = 0.0  # see `Rate`
        self._bugs_due = 0.0
        self._waits_since: float | None = None  # without a name and a line, in the ticks' time
        self._held_back = False  # nothing is read from the socket
        self._input_ended = False
        self._closing = False
        self._hung_up = False
        self._last_words = ""
        self._cut_off: IDelayedCall | None = None
        self._unsent = -1
        self._unsent_since = 0.0

    # What Twisted calls

    def connectionMade(self) -> None:
        """Called by the transport."""
        settings = Settings(receipts=self.factory.config.receipts.value)
        self.session = self.factory.hub.connect(self, self.dialect, settings, self.way(), program=self.program)
        self._call = Call(self.factory.hub, self.session, self.factory.table)
        self.factory.connections.add(self)
        self.transport.registerProducer(Flow(self), True)
        self.greet()

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport. Replaces LineReceiver's, which copies what is left for every line."""
        if self._busy and self.hides:
            self._unseen.keep(data)
        elif not self._closing:
            self._splitter.feed(self._unseen.passed(data) if self._unseen.skips else data)
            if self._scheduled is None:
                self._work()
            else:
                self._hold_back(len(self._splitter) > READ_AHEAD)

    def readConnectionLost(self) -> None:
        """Called by the transport: the peer will send no more, but still reads."""
        self._input_ended = True
        if self._scheduled is None:
            self._work()

    def writeConnectionLost(self) -> None:
        """Called by the transport. There is nothing to do: `connectionLost` follows."""

    def connectionLost(self, reason: Failure = CONNECTION_DONE) -> None:
        """Called by the transport, once, however the connection ended."""
        self._closing = True
        for call in (self._scheduled, self._cut_off):
            if call is not None and call.active():
                call.cancel()
        self.factory.connections.discard(self)
        self.factory.hub.disconnect(self.session, lost=not reason.check(ConnectionDone))
        self.log.info("[{name}] Disconnected.", name=self.session.name or address_text(self.transport.getPeer()))

    # What a dialect adds

    def way(self) -> Way:
        """How the other end has come in."""
        peer, host = self.transport.getPeer(), self.transport.getHost()
        return Way(self.kind, ip_of(peer), ISSLTransport.providedBy(self.transport), place_of(host))

    def splitter(self) -> Splitter:
        """What makes lines of bytes."""
        return LineSplitter(self.longest, self.most)

    def unsent(self) -> int:
        """How many bytes the peer has not taken yet; -1 if that can't be told."""
        return unsent_bytes(self.transport)

    @staticmethod
    def rate(config: Config) -> Rate | None:
        """How many lines one may send."""
        return config.people_rate

    @property
    def hides(self) -> bool:
        """True while what is typed is hidden, as a password is asked for."""
        return False

    def greet(self) -> None:
        """Say the first words, if the protocol has any."""

    def sign_off(self) -> None:
        """Say that nothing more follows, if the protocol has a word for that."""

    def refuse(self, error: ChatError, request: str | None = None) -> None:
        """Tell the person what can't be done."""
        raise NotImplementedError

    # What the session calls: an Outlet

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport."""
        if data and not self._hung_up:
            self.transport.write(data)

    def tell(self, answers: Sequence[Answer | RoomEvent]) -> None:
        """Say something to this person alone."""
        self.write(self.session.dialect.render(answers))

    def close(self, last_words: str = "") -> None:
        """End the connection in good order; see `core.interfaces.Outlet`."""
        if self._closing:
            return
        self._closing = True
        self.session.when_settled(lambda: self._hang_up(last_words))

    @property
    def typed_ahead(self) -> bool:
        """Whether more has come than what is worked off now."""
        return len(self._splitter) > 0 or self._input_ended

    def withdraw(self) -> None:
        """Leave the transport to another protocol, before anything was read."""
        self._closing = True
        self.transport.unregisterProducer()
        self.factory.connections.discard(self)

    # What the service calls

    def finish(self, last_words: str) -> None:
        """Work off the lines that were read, without delay, and close, with a word."""
        self._last_words = last_words
        self._rate = None
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        self.readConnectionLost()

    def tick(self, now: float) -> None:
        """Called every few seconds: end a connection that will come to nothing. ``now`` is in seconds.

        That is one that is full and whose socket has taken no byte for the patience, and one that stays without a name.
        """
        config = self.factory.config
        unsent = self.unsent() if self.full else -1
        if unsent != self._unsent or unsent < 0:
            self._unsent, self._unsent_since = unsent, now
        elif now - self._unsent_since >= config.patience:
            self.log.info("[{name}] takes nothing any more.", name=self.session.name)
            self.transport.abortConnection()
        if self.session.name or config.naming_seconds is None:
            return
        if self._waits_since is None:
            self._waits_since = now
        elif now - self._waits_since >= config.naming_seconds:
            self.close(f"You gave no name for {config.naming_seconds:.0f} seconds. Goodbye.")

    # Working lines off

    def perform(self, command: Callable[[], Answering | None], request: str | None, done: Callable[[], None]) -> None:
        """Run a command; then ``done``. What goes wrong is told, under the request's id."""
        try:
            answering = command()
        except Exception as error:
            self.went_wrong(error, request)
        else:
            if answering is None:
                done()
            else:
                self.wait_for(answering, request, done)

    def went_wrong(self, error: Exception, request: str | None = None) -> None:
        """Tell what can't be done. A bug is logged."""
        if isinstance(error, ChatError):
            self.refuse(error, request)
        else:
            self._broken(Failure(error), request)

    def wait_for(self, answering: Answering, request: str | None, done: Callable[[], None]) -> None:
        """A command takes longer: the next line waits for its end."""
        self._busy = True
        waiting = Deferred.fromCoroutine(answering)
        waiting.addCallbacks(lambda _: done(), self._failed, errbackArgs=(request,))
        waiting.addErrback(self._broken, request)
        waiting.addCallback(self._ready)

    def charge(self, lines: float) -> None:
        """Count what a line asks for as so many lines more."""
        if self._rate is not None:
            self._due = self._rate.spent(self._due, self.factory.clock.seconds(), lines)

    def call(self, request: str | None = None, *, again: bool = False, in_room: Room | None = None) -> Call:
        """A call of this session's. That of a line by itself is always the same."""
        if request is None and in_room is None and not again:
            return self._call
        return Call(self.factory.hub, self.session, self.factory.table, request, again, in_room)

    def _failed(self, failure: Failure, request: str | None) -> None:
        failure.trap(ChatError)
        assert isinstance(failure.value, ChatError)
        self.refuse(failure.value, request)

    def _broken(self, failure: Failure, request: str | None) -> None:
        """A bug: it is logged under an id, which the person is told. The connection lives."""
        case = secrets.token_hex(4)
        self.log.failure("bug {case}", failure, case=case)
        self.refuse(InternalError(f"That went wrong here, and is not your fault. It is noted as {case}."), request)
        bugs, now = self.factory.config.bugs, self.factory.clock.seconds()
        self._bugs_due = bugs.spent(self._bugs_due, now)
        if bugs.wait(self._bugs_due, now):
            self.close("That went wrong here too often. Goodbye.")

    def _ready(self, _: object) -> None:
        self._busy = False
        while self._unseen and not self._busy and not self._splitter:
            self._look_at_unseen()
            self._work()
        self._work()

    def _look_at_unseen(self) -> None:
        """Take a line that was typed behind a password for another try, if it is asked for again; it is not said in any case.

        Those behind it wait for what becomes of it.
        """
        if self.session.question is not None:
            self._splitter.feed(self._unseen.release())
        elif not self._closing:
            self._unseen.drop()
            self.say_last(NOT_SENT)

    def _work(self) -> None:
        if self._working:
            return
        self._working = True
        self._scheduled = None
        try:
            all_done = self._work_off(LINES_A_TURN)
        finally:
            self._working = False
        if all_done and self._input_ended:
            self._work_off_rest()
        self._hold_back(not all_done and len(self._splitter) > READ_AHEAD)

    def _work_off(self, lines: int) -> bool:
        """Work off so many lines at the most. True if no whole line is left."""
        now = self.factory.clock.seconds()
        if self.factory.hub.log.congested:
            self._scheduled = self.factory.clock.callLater(CONGESTED_SECONDS, self._work)
            return False
        while not (self._busy or self.full or self._closing):
            wait = self._rate.wait(self._due, now) if self._rate is not None else 0.0
            if wait or not lines:
                self._scheduled = self.factory.clock.callLater(wait, self._work)
                return False
            lines -= 1
            try:
                line = self._splitter.next()
            except TooLong as error:
                self.refuse(error)
            except NoLineEnd as error:
                self.close(str(error))
            else:
                if line is None:
                    return True
                self.lineReceived(line)
            if self._rate is not None:
                size = self._splitter.last
                self._due = self._rate.spent(self._due, now, 1 + size // COSTLY if size > 2 else EMPTY_COST)
            self._waits_since = None
        return False

    def _work_off_rest(self) -> None:
        try:
            rest = self._splitter.rest()
        except TooLong as error:
            self.refuse(error)
            rest = None
        if rest is not None:
            self.lineReceived(rest)
        if not self._busy:
            self.close(self._last_words)

    def _hold_back(self, held_back: bool) -> None:
        if held_back != self._held_back and not self._closing:
            self._held_back = held_back
            if held_back:
                self.transport.pauseProducing()
            else:
                self.transport.resumeProducing()

    # Writing and ending

    def filled(self) -> None:
        """More waits to be written than should."""
        self.full = True
        self.session.pause()

    def drained(self) -> None:
        """Nothing waits to be written any more."""
        self.full = False
        self.factory.hub.read_on(self.session)
        if not self.full and self._scheduled is None:
            self._work()

    def _hang_up(self, last_words: str) -> None:
        if last_words:
            self.say_last(last_words)
        self.sign_off()
        self._hung_up = True
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self._cut_off = self.factory.clock.callLater(self.factory.config.closing_seconds, self.transport.abortConnection)

    def say_last(self, text: str) -> None:
        """Say something to whoever is at the other end, named or not."""
        raise NotImplementedError


class ChatFactory(ServerFactory):
    """Makes one kind of connection, and knows the ones that are open and who is on them."""

    noisy = False
    protocol: ClassVar[type[LineConnection]]

    def __init__(self, hub: Hub, table: Table, config: Config, clock: IReactorTime, connections: set[LineConnection]) -> None:
        """``connections`` holds the open connections of all protocols."""
        self.hub = hub
        self.table = table
        self.config = config
        self.clock = clock
        self.connections = connections

    @property
    def usernames(self) -> list[str]:
        """Who is on these connections."""
        return sorted(session.name for session in (c.session for c in self.connections if c.factory is self) if session.name)

    def buildProtocol(self, addr: IAddress | None) -> LineConnection:
        """Called for each connection."""
        return self.protocol(self)
