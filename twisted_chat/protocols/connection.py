"""The base class of all line-based connections. (A line of a WebSocket is one of its messages.)

1. The connection processes at most `LINES_A_TURN` lines in a reactor turn, so that one client's paste does not delay others.
   After a burst, the ``rate`` limits the lines. Excess input waits here and then in the kernel: nothing is dropped.
2. A slow command delays only the next line of its own connection.
3. The connection is ``full`` while Twisted's write buffer is above its limit. A full connection processes no lines and
   receives nothing from the log. Its session catches up from the log once the buffer has drained.
4. Every connection ends through `close`: lines already read are processed, messages receive their receipts, and pending
   output is written. The connection is aborted after `Config.closing_seconds` if the peer does not read.
5. An end of input (half close) is a request to close. Text after the last line end counts as a line.
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

# The number of lines that one connection may process in a reactor turn.
LINES_A_TURN = 64
# The pause in reading while the disk falls behind, in seconds: the time of a few commits.
CONGESTED_SECONDS = 0.02
# Each `COSTLY` bytes of a line are charged as one more line. An empty line causes no work and costs next to nothing, so
# that a flood of them is processed quickly and the server soon notices when its sender has disconnected.
COSTLY = 1024
EMPTY_COST = 1 / 2000
# The limit of unprocessed input, in bytes. Reading pauses above it.
READ_AHEAD = 64 * 1024
NOT_SENT = "What you typed meanwhile has not been sent: it was hidden, as a password is."


class InternalError(ChatError):
    """The error that a client receives for a bug in the server."""

    code = "internal-error"


class Filling(Protocol):
    """The receiver of a transport's backpressure signals."""

    def filled(self) -> None:
        """Handle a write buffer above its limit."""

    def drained(self) -> None:
        """Handle an empty write buffer."""


@implementer(IPushProducer)
class Flow:
    """A producer that passes backpressure to a connection. The connection's own methods of these names pause its reading."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Filling) -> None:
        self._connection = connection

    def pauseProducing(self) -> None:
        """Called by the transport, from within a write, when its buffer is above the limit."""
        self._connection.filled()

    def resumeProducing(self) -> None:
        """Called by the transport when its buffer is empty."""
        self._connection.drained()

    def stopProducing(self) -> None:
        """Called by the transport. Do nothing: ``connectionLost`` follows."""


@implementer(IHalfCloseableProtocol)
class LineConnection(LineReceiver):
    """A LineReceiver that passes its lines to the command table and is the outlet of its session."""

    dialect: Dialect
    kind: ClassVar[str]  # the protocol's name, as other users see it
    program: ClassVar[bool] = False
    longest: ClassVar[int]  # the longest line, in bytes
    most: ClassVar[int]  # the most bytes without a line end; the connection is closed beyond

    factory: "ChatFactory"
    log = Logger()

    def __init__(self, factory: "ChatFactory") -> None:
        self.factory = factory
        self.full = False
        self._splitter = self.splitter()
        self._working = False
        self._busy = False  # a slow command is running
        self._unseen = HiddenTyping()
        self._scheduled: IDelayedCall | None = None
        self._rate = self.rate(factory.config)
        self._due = 0.0  # see `Rate`
        self._bugs_due = 0.0
        self._waits_since: float | None = None  # the start of the wait for a name or a line, in the time of `tick`
        self._held_back = False  # reading from the socket is paused
        self._input_ended = False
        self._closing = False
        self._hung_up = False
        self._last_words = ""
        self._cut_off: IDelayedCall | None = None
        self._unsent = -1
        self._unsent_since = 0.0

    # Methods that Twisted calls

    def connectionMade(self) -> None:
        """Called by the transport."""
        settings = Settings(receipts=self.factory.config.receipts.value)
        self.session = self.factory.hub.connect(self, self.dialect, settings, self.way(), program=self.program)
        self._call = Call(self.factory.hub, self.session, self.factory.table)
        self.factory.connections.add(self)
        self.transport.registerProducer(Flow(self), True)
        self.greet()

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport. Replace LineReceiver's version, which copies the remaining input for every line."""
        if self._busy and self.hides:
            self._unseen.keep(data)
        elif not self._closing:
            self._splitter.feed(self._unseen.passed(data) if self._unseen.skips else data)
            if self._scheduled is None:
                self._work()
            else:
                self._hold_back(len(self._splitter) > READ_AHEAD)

    def readConnectionLost(self) -> None:
        """Called by the transport when the peer has ended its output. The peer still reads."""
        self._input_ended = True
        if self._scheduled is None:
            self._work()

    def writeConnectionLost(self) -> None:
        """Called by the transport. Do nothing: `connectionLost` follows."""

    def connectionLost(self, reason: Failure = CONNECTION_DONE) -> None:
        """Called by the transport, exactly once for each connection."""
        self._closing = True
        for call in (self._scheduled, self._cut_off):
            if call is not None and call.active():
                call.cancel()
        self.factory.connections.discard(self)
        self.factory.hub.disconnect(self.session, lost=not reason.check(ConnectionDone))
        self.log.info("[{name}] Disconnected.", name=self.session.name or address_text(self.transport.getPeer()))

    # Methods that protocols override

    def way(self) -> Way:
        """Return the protocol, address and encryption of the connection."""
        peer, host = self.transport.getPeer(), self.transport.getHost()
        return Way(self.kind, ip_of(peer), ISSLTransport.providedBy(self.transport), place_of(host))

    def splitter(self) -> Splitter:
        """Return a new splitter, which turns bytes into lines."""
        return LineSplitter(self.longest, self.most)

    def unsent(self) -> int:
        """Return the number of bytes that the peer has not accepted yet, or -1 if it is unknown."""
        return unsent_bytes(self.transport)

    @staticmethod
    def rate(config: Config) -> Rate | None:
        """Return the limit on the lines of a client."""
        return config.people_rate

    @property
    def hides(self) -> bool:
        """True while typing is hidden because the server asks for a password."""
        return False

    def greet(self) -> None:
        """Send the greeting, if the protocol has one."""

    def sign_off(self) -> None:
        """Send the protocol's closing message, if it has one."""

    def refuse(self, error: ChatError, request: str | None = None) -> None:
        """Send an error to the client."""
        raise NotImplementedError

    # Methods that the session calls: the `Outlet` interface

    def write(self, data: bytes) -> None:
        """Write bytes to the transport."""
        if data and not self._hung_up:
            self.transport.write(data)

    def tell(self, answers: Sequence[Answer | RoomEvent]) -> None:
        """Send replies to this client alone."""
        self.write(self.session.dialect.render(answers))

    def close(self, last_words: str = "") -> None:
        """Close the connection in good order; see `core.interfaces.Outlet`."""
        if self._closing:
            return
        self._closing = True
        self.session.when_settled(lambda: self._hang_up(last_words))

    @property
    def typed_ahead(self) -> bool:
        """True if input is waiting behind the line that is processed now."""
        return len(self._splitter) > 0 or self._input_ended

    def withdraw(self) -> None:
        """Give the transport up to another protocol, before any input was read."""
        self._closing = True
        self.transport.unregisterProducer()
        self.factory.connections.discard(self)

    # Methods that the service calls

    def finish(self, last_words: str) -> None:
        """Process the lines that were read, without delay, then send ``last_words`` and close."""
        self._last_words = last_words
        self._rate = None
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        self.readConnectionLost()

    def tick(self, now: float) -> None:
        """End the connection if its time is up. Called every few seconds; ``now`` is in seconds.

        A full connection is aborted if its socket accepts no byte for `Config.patience`. A connection without a name is
        closed after `Config.naming_seconds`.
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

    # Processing lines

    def perform(self, command: Callable[[], Answering | None], request: str | None, done: Callable[[], None]) -> None:
        """Run a command, then ``done``. Report errors under the request's id."""
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
        """Report an error to the client. Log it if it is a bug."""
        if isinstance(error, ChatError):
            self.refuse(error, request)
        else:
            self._broken(Failure(error), request)

    def wait_for(self, answering: Answering, request: str | None, done: Callable[[], None]) -> None:
        """Hold the next line back until a slow command ends."""
        self._busy = True
        waiting = Deferred.fromCoroutine(answering)
        waiting.addCallbacks(lambda _: done(), self._failed, errbackArgs=(request,))
        waiting.addErrback(self._broken, request)
        waiting.addCallback(self._ready)

    def charge(self, lines: float) -> None:
        """Charge so many more lines for the work that a line asks for."""
        if self._rate is not None:
            self._due = self._rate.spent(self._due, self.factory.clock.seconds(), lines)

    def call(self, request: str | None = None, *, again: bool = False, in_room: Room | None = None) -> Call:
        """Return a call of this session. All plain lines share one call."""
        if request is None and in_room is None and not again:
            return self._call
        return Call(self.factory.hub, self.session, self.factory.table, request, again, in_room)

    def _failed(self, failure: Failure, request: str | None) -> None:
        failure.trap(ChatError)
        assert isinstance(failure.value, ChatError)
        self.refuse(failure.value, request)

    def _broken(self, failure: Failure, request: str | None) -> None:
        """Log a bug under an id, and send that id to the client. The connection stays open, unless bugs are too frequent."""
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
        """Use a line typed behind a password as the next try, if the server asks again. Such a line never becomes a message.

        The lines behind it wait for the outcome.
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
        """Process at most so many lines. Return True if no whole line is left."""
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
        """Handle a write buffer above its limit."""
        self.full = True
        self.session.pause()

    def drained(self) -> None:
        """Handle an empty write buffer."""
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
        """Send a sentence to the client, with or without a name."""
        raise NotImplementedError


class ChatFactory(ServerFactory):
    """A factory of one kind of connection. It knows the open ones and their users."""

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
        """The names of the users on these connections."""
        return sorted(session.name for session in (c.session for c in self.connections if c.factory is self) if session.name)

    def buildProtocol(self, addr: IAddress | None) -> LineConnection:
        """Called for each connection."""
        return self.protocol(self)
