"""One IRC client: its lines in and out, in order and with labels.

1. All replies to a command precede the replies to the next. A command waits until the earlier messages of its connection
   are on disk, and all events in the log are delivered. Messages do not wait, so that a client can talk without delay.
2. A client sees its own actions at once, as replies: `own` shows the events found in the log. Other clients see them
   through the dialect.
3. Replies to a labeled command are collected until the command is done: see `labeled_response`.
4. With ``echo-message`` a message comes back when it is persisted. The echo is its receipt.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_chat.config import Config
from twisted_chat.core.command_table.prompts import refused
from twisted_chat.core.command_table.table import Answering, Table
from twisted_chat.core.errors import ChatError
from twisted_chat.core.events import (
    Changed,
    Described,
    Emoted,
    Event,
    History,
    Joined,
    Left,
    Noticed,
    Renamed,
    RoomEvent,
    Said,
    Told,
    Whispered,
)
from twisted_chat.core.hub.hub import Hub
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text.names import fold
from twisted_chat.core.text.sanitize import altered, altered_words
from twisted_chat.protocols.connection import ChatFactory, LineConnection
from twisted_chat.protocols.irc.commands.table import VERBS, Verb
from twisted_chat.protocols.irc.labeled_response import Replies
from twisted_chat.protocols.irc.rendering import SHARED, Irc, Line
from twisted_chat.protocols.irc.users import People as Everybody
from twisted_chat.protocols.irc.users import Watchlist
from twisted_chat.protocols.irc.wire.capabilities import Negotiation, Payload
from twisted_chat.protocols.irc.wire.message import LONGEST_WITH_TAGS, BadLine, Message, format_body, parse
from twisted_chat.protocols.irc.wire.numerics import Numeric
from twisted_chat.protocols.irc.wire.parameters import format_time, milliseconds

# The most read markers of a client, or of a registered name.
MOST_MARKS = 500


class IrcConnection(LineConnection):
    """One IRC client, registered or not."""

    kind = "IRC"
    program = True
    longest = LONGEST_WITH_TAGS
    most = 16 * 1024

    factory: PeopleFactory
    offered: Mapping[str, str]  # capabilities, with their values

    def connectionMade(self) -> None:
        """Called by the transport."""
        self.people = self.factory.people
        self.caps = Negotiation(self.people.server, self.offered)
        self.nick = ""  # the nick asked for, until the client is registered
        self.user_given = False
        self.given_password = ""
        self.given_claim: tuple[str, ...] = ()  # the claim code of an operator's name, and a new password for it
        self.payload: Payload | None = None  # of SASL, while it arrives
        self.watchlist = Watchlist(self.people, self._moved)
        self.shown_rooms: set[str] = set()  # the rooms that the client knows it is in
        self._pasts: dict[str, History] = {}  # by room: history to show after the names
        self._said: dict[int, RoomEvent] = {}  # by number: messages that are not persisted yet
        self._quiet = False  # True while remarks are dropped: IRC replies say the same
        self._command = "*"
        self.client_tags: Mapping[str, str] = {}  # of the running command, for other clients
        self._out = Replies(self.people.server, super().write, self._label_holds_back)
        self._socket_full = False
        self._moved_late: set[str] = set()  # watched names that came or went while the connection was full
        self._reads: dict[str, int] = {}
        self.dialect = self.factory.dialect(frozenset())
        super().connectionMade()
        self.session.lands = False

    # Lines in

    def lineReceived(self, line: bytes) -> None:
        """Called for each line, without its end."""
        try:
            message = parse(line)
        except BadLine as error:
            misread = error
            self.perform(lambda: self._refuse_line(misread), None, _nothing)
        else:
            if message is not None:
                self.perform(lambda: self._obey(message), None, _nothing)

    async def _refuse_line(self, error: BadLine) -> None:
        await self.settled()
        self._begin(error.command, error.tags)
        self.refuse(error)
        self._out.end()

    def _obey(self, message: Message) -> Answering | None:
        verb = VERBS.get(message.command)
        if verb is not None and (verb.orders or (self.session.awaiting and not verb.alongside)):
            return self._after_the_rest(message, verb)
        return self._work_on(message, verb)

    async def _after_the_rest(self, message: Message, verb: Verb) -> None:
        await self.settled()
        answering = self._work_on(message, verb)
        if answering is not None:
            await answering

    def _work_on(self, message: Message, verb: Verb | None) -> Answering | None:
        self._begin(message.command, message.tags)
        self._out.hold()
        answering: Answering | None = None
        try:
            if self._may(message, verb) and verb is not None:
                answering = verb.handler(self, message.params)
        except ChatError as error:
            self.refuse(error)
        finally:
            if answering is None:
                self._out.end()
            self._out.release()
        return None if answering is None else self._finish(answering)

    async def _finish(self, answering: Answering) -> None:
        try:
            await answering
        except ChatError as error:
            self.refuse(error)
        finally:
            self._out.end()

    def _may(self, message: Message, verb: Verb | None) -> bool:
        if not self.session.name and (verb is None or not verb.early):
            self.reply(Numeric.ERR_NOTREGISTERED)
        elif verb is None:
            self.reply(Numeric.ERR_UNKNOWNCOMMAND, message.command[:64])
        elif len(message.params) < verb.needs or (verb.needs and not message.params[0] and verb.needs > 1):
            self.reply(Numeric.ERR_NEEDMOREPARAMS, message.command)
        else:
            return True
        return False

    # The log, and the one table of commands

    async def next_turn(self) -> None:
        """Wait until all lines that arrived with this one, from any client, are processed.

        An earlier line of another client may be read after this one: epoll lists the connection that was served last
        first, if it sends again before the next poll.
        """
        await _called_by(lambda call: self.factory.clock.callLater(0, call))

    async def settled(self) -> None:
        """Wait until all messages of this connection are persisted, and all events in the log are delivered."""
        await _called_by(self.session.when_settled)
        await _called_by(self.factory.hub.log.when_delivered)

    def say(self, name: str, *arguments: str, room: Room | None = None) -> None:
        """Run a command that sends a message and finishes at once."""
        before = self.factory.hub.log.newest
        self._quiet = True
        try:
            self.factory.table.invoke(self.call(in_room=room), name, arguments)
        finally:
            self._quiet = False
        sent = arguments[-1]
        if not (sent.isascii() and sent.isprintable()):
            for event in self._mine(before):
                stored = getattr(event, "text", sent)
                if altered(sent, stored):
                    self.notice(altered_words(stored))
        if self.client_tags or "echo-message" in self.caps.enabled:
            events = self._mine(before)
            for event in events if self.client_tags else ():
                self.people.tag(event.seq, self.client_tags)
            self.own(events)

    async def do(self, name: str, *arguments: str, room: Room | None = None, quiet: bool = True) -> list[RoomEvent]:
        """Run a command and return the events that it added to the log, for `own`. Remarks are not shown if ``quiet``."""
        call = self.call(in_room=room)
        return await self._done_by(lambda: self.factory.table.invoke(call, name, arguments), quiet=quiet)

    async def type(self, line: str) -> list[RoomEvent]:
        """Run a typed command, or take the line as the answer to a prompt. Return the events that it added to the log."""
        try:
            return await self._done_by(lambda: self.factory.table.run(self.call(), line), quiet=False)
        except ChatError as error:
            raise refused(self.session, error) from None

    async def _done_by(self, command: Callable[[], Answering | None], *, quiet: bool) -> list[RoomEvent]:
        before = self.factory.hub.log.newest
        self._quiet = quiet
        try:
            answering = command()
            if answering is None:
                return self._mine(before)
            working = Deferred.fromCoroutine(answering)
            events = self._mine(before)
            before = self.factory.hub.log.newest
            await working
            return events + self._mine(before)
        finally:
            self._quiet = False

    def look(self, what: str) -> None:
        """Charge one look-up. Raise `TooOften` above the limit."""
        self.factory.hub.queries.charge(self.session, f"You ask for {what} and the like")

    def _mine(self, after: int) -> list[RoomEvent]:
        return [event for event in self.factory.hub.log.fresh(after) if event.by == self.session.id]

    def own(self, events: Sequence[RoomEvent]) -> None:
        """Show the client its own actions."""
        changed: list[Changed] = []
        echoes = "echo-message" in self.caps.enabled
        for event in events:
            match event:
                case Said() | Emoted() | Told():
                    if echoes:
                        self._said[event.seq] = event
                case Whispered() | Noticed():
                    if echoes:
                        self.show(event)
                case Changed():
                    changed.append(event)
                case Joined() | Renamed() | Described() | Left(quit=True):
                    pass  # the code that causes them shows them, in order
                case Left():
                    if event.room in self.shown_rooms:
                        self.shown_rooms.discard(event.room)
                        self.show(event)
                case _:
                    self.show(event)
        if changed:
            self.emit(self.irc.mode_lines(changed[0], changed))

    # Lines out

    @property
    def irc(self) -> Irc:
        """The dialect for the capabilities of this client."""
        dialect = self.session.dialect
        assert isinstance(dialect, Irc)
        return dialect

    @property
    def client(self) -> str:
        """The nick that replies are addressed to."""
        return self.session.name or self.nick or "*"

    def speak(self) -> None:
        """Set the dialect for the capabilities that are enabled now."""
        self.session.speak(self.factory.dialect(SHARED & self.caps.enabled))
        self.session.shows_past = "draft/chathistory" not in self.caps.enabled

    def reply(self, numeric: Numeric, *values: object, text: str | None = None) -> None:
        """Send a numbered reply."""
        self.emit([(self._time(), numeric.line(self.people.server, self.client, *values, text=text))])

    def send(self, command: str, *params: str, source: str | None = None) -> None:
        """Send a line from ``source``, by default the server."""
        self.emit([(self._time(), format_body(self.people.server if source is None else source, command, params))])

    def fail(self, command: str, code: str, *context: str, text: str, kind: str = "FAIL") -> None:
        """Send an error in the form of ``standard-replies``."""
        self.send(kind, command, code, *context, text)

    def notice(self, sentence: str) -> None:
        """Send the client a NOTICE from the server."""
        self.send("NOTICE", self.client, sentence)

    def show(self, event: Event) -> None:
        """Send an event."""
        self.emit(self.irc.lines(event))

    def emit(self, lines: Iterable[Line]) -> None:
        """Send lines at once; while there is a label, send them when the command is done."""
        self._out.emit(lines)

    def batch(self, kind: str, lines: Sequence[Line], *params: str) -> None:
        """Send lines, as a batch if the client has enabled ``batch``."""
        self.emit(self._out.batch(kind, lines, params, self._time()) if "batch" in self.caps.enabled else lines)

    def write(self, data: bytes) -> None:
        """Write data that is not a reply, in its place among the replies."""
        self._out.write(data)

    def _time(self) -> Mapping[str, str]:
        if "server-time" not in self.caps.enabled:
            return {}
        return {"time": format_time(milliseconds(self.factory.hub.now()))}

    def _begin(self, command: str, tags: Mapping[str, str]) -> None:
        self._command = command
        self.client_tags = {}
        if tags and "message-tags" in self.caps.enabled:
            self.client_tags = {name: value for name, value in tags.items() if name.startswith("+")}
        self._out.begin(tags.get("label", "") if "labeled-response" in self.caps.enabled else "")

    @property
    def labeled(self) -> bool:
        """True if the running command has a label."""
        return self._out.labeled

    @property
    def reads(self) -> dict[str, int]:
        """The read markers by target, in milliseconds since 1970."""
        return self.people.reads_of(self.session.person) if self.session.registered else self._reads

    def mark(self, target: str, time: int) -> None:
        """Set a read marker, and send it to the other connections of the same name."""
        self.reads[target] = time
        if len(self.reads) > MOST_MARKS:
            del self.reads[next(iter(self.reads))]
        for other in self.factory.connections:
            if other is not self and isinstance(other, IrcConnection) and other.reads is self.reads and not other.full:
                other.send("MARKREAD", target, f"timestamp={format_time(time)}")

    def filled(self) -> None:
        """Pause the session: too much waits to be written, in the socket's buffer or behind a label."""
        self._socket_full = True
        super().filled()

    def drained(self) -> None:
        """Resume the session once nothing waits in the socket's buffer, and not too much behind a label."""
        self._socket_full = False
        if not self._out.overfull:
            super().drained()
            self._tell_late()

    def _label_holds_back(self, overfull: bool) -> None:
        """Pause the session while too much waits behind a labeled command's replies; resume it afterwards."""
        if overfull:
            super().filled()
        elif not self._socket_full:
            super().drained()
            self._tell_late()

    def _tell_late(self) -> None:
        """Report the present state of the watched names that came or went while the connection was full."""
        late, self._moved_late = self._moved_late, set()
        for name in late:
            session = self.people.here(name)
            self._moved(session.name if session is not None else name, "on" if session is not None else "off")

    def _moved(self, name: str, how: str) -> None:
        if self.full:
            self._moved_late.add(self.watchlist.names.get(fold(name), name))
            return
        if how == "on":
            self.reply(Numeric.RPL_MONONLINE, self.people.source(name))
        else:
            self.reply(Numeric.RPL_MONOFFLINE, name)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport."""
        self.watchlist.clear()
        super().connectionLost(reason)


class PeopleFactory(ChatFactory):
    """The factory of IRC connections, with the directory of users that they share."""

    def __init__(self, hub: Hub, table: Table, config: Config, clock: IReactorTime, connections: set[LineConnection]) -> None:
        super().__init__(hub, table, config, clock, connections)
        name = config.server_name or socket.gethostname()
        self.people = Everybody(hub, name if "." in name else f"{name}.chat")  # clients take a name without a dot for a nick
        self._dialects: dict[frozenset[str], Irc] = {}

    def dialect(self, caps: frozenset[str]) -> Irc:
        """Return the one dialect for these capabilities: clients that share one object are served faster."""
        if caps not in self._dialects:
            self._dialects[caps] = Irc(self.people, caps)
        return self._dialects[caps]


def _called_by(when: Callable[[Callable[[], None]], object]) -> Deferred[None]:
    waiting: Deferred[None] = Deferred()
    when(lambda: waiting.callback(None))
    return waiting


def _nothing() -> None:
    """Do nothing: the replies already tell the client that a command is done."""
