"""One IRC client: lines in and out, in their order, and under their labels.

1. Each reply to a command comes before any to the next. A command waits until what its connection said before is on
   disk and all that was said is delivered; messages need not, so that a client can talk without waiting.
2. What one does oneself is shown at once, as a reply: `own` finds it in the log. Others are shown it by the dialect.
3. While a labeled command is worked off its replies are collected: see `irc_replies`.
4. With ``echo-message`` a message comes back when it is kept. That is its receipt.
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

# How many marks of how far one has read a client, or a registered name, has.
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
        self.nick = ""  # wanted, until one is registered
        self.user_given = False
        self.given_password = ""
        self.given_claim: tuple[str, ...] = ()  # the claim code of an operator's name, and a new password for it
        self.payload: Payload | None = None  # of SASL, while it comes
        self.watchlist = Watchlist(self.people, self._moved)
        self.shown_rooms: set[str] = set()  # the rooms that the client knows it is in
        self._pasts: dict[str, History] = {}  # what to show of rooms once their names are shown
        self._said: dict[int, RoomEvent] = {}  # messages that are not kept yet
        self._quiet = False  # remarks are not shown: the client is told in its own words
        self._command = "*"
        self.client_tags: Mapping[str, str] = {}  # of the command that is worked off, for others
        self._out = Replies(self.people.server, super().write, self._label_holds_back)
        self._socket_full = False
        self._moved_late: set[str] = set()  # who has come or gone while the connection was full: of those it watches
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
        """Wait until all is worked off that came with this: what others sent before may be read after it.

        epoll lists who was served last first, if they send again before it is asked.
        """
        await _called_by(lambda call: self.factory.clock.callLater(0, call))

    async def settled(self) -> None:
        """Wait until all that this connection has said is kept, and all that was added to the log is delivered."""
        await _called_by(self.session.when_settled)
        await _called_by(self.factory.hub.log.when_delivered)

    def say(self, name: str, *arguments: str, room: Room | None = None) -> None:
        """Run a command that says something and is done at once."""
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
        """Run a command. What it has added to the log comes back: `own` shows it. If ``quiet``, remarks are not shown."""
        call = self.call(in_room=room)
        return await self._done_by(lambda: self.factory.table.invoke(call, name, arguments), quiet=quiet)

    async def type(self, line: str) -> list[RoomEvent]:
        """Do what a typed line says, or answers. What it has added to the log comes back."""
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
        """Count one more look at something. Raises `TooOften`."""
        self.factory.hub.queries.charge(self.session, f"You ask for {what} and the like")

    def _mine(self, after: int) -> list[RoomEvent]:
        return [event for event in self.factory.hub.log.fresh(after) if event.by == self.session.id]

    def own(self, events: Sequence[RoomEvent]) -> None:
        """Show what one has done oneself."""
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
                    pass  # those who cause them show them, in their place
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
        """The dialect that this client has asked for."""
        dialect = self.session.dialect
        assert isinstance(dialect, Irc)
        return dialect

    @property
    def client(self) -> str:
        """Whom replies are for."""
        return self.session.name or self.nick or "*"

    def speak(self) -> None:
        """Follow the capabilities that are enabled now."""
        self.session.speak(self.factory.dialect(SHARED & self.caps.enabled))
        self.session.shows_past = "draft/chathistory" not in self.caps.enabled

    def reply(self, numeric: Numeric, *values: object, text: str | None = None) -> None:
        """Send a numbered reply."""
        self.emit([(self._time(), numeric.line(self.people.server, self.client, *values, text=text))])

    def send(self, command: str, *params: str, source: str | None = None) -> None:
        """Send a line, from the server or somebody else."""
        self.emit([(self._time(), format_body(self.people.server if source is None else source, command, params))])

    def fail(self, command: str, code: str, *context: str, text: str, kind: str = "FAIL") -> None:
        """Say what can't be done, as ``standard-replies`` has it."""
        self.send(kind, command, code, *context, text)

    def notice(self, sentence: str) -> None:
        """Tell the person something."""
        self.send("NOTICE", self.client, sentence)

    def show(self, event: Event) -> None:
        """Send an event."""
        self.emit(self.irc.lines(event))

    def emit(self, lines: Iterable[Line]) -> None:
        """Send lines: at once, or, while there is a label, when the command is done."""
        self._out.emit(lines)

    def batch(self, kind: str, lines: Sequence[Line], *params: str) -> None:
        """Send lines as a batch, to who knows of batches."""
        self.emit(self._out.batch(kind, lines, params, self._time()) if "batch" in self.caps.enabled else lines)

    def write(self, data: bytes) -> None:
        """Hand over what happens elsewhere: in its place."""
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
        """Whether the command that is worked off has a label."""
        return self._out.labeled

    @property
    def reads(self) -> dict[str, int]:
        """How far one has read, by target, in milliseconds since 1970."""
        return self.people.reads_of(self.session.person) if self.session.registered else self._reads

    def mark(self, target: str, time: int) -> None:
        """One has read up to there: other connections of the same name are told."""
        self.reads[target] = time
        if len(self.reads) > MOST_MARKS:
            del self.reads[next(iter(self.reads))]
        for other in self.factory.connections:
            if other is not self and isinstance(other, IrcConnection) and other.reads is self.reads and not other.full:
                other.send("MARKREAD", target, f"timestamp={format_time(time)}")

    def filled(self) -> None:
        """More waits to be written than should, in the socket's buffer or behind a label."""
        self._socket_full = True
        super().filled()

    def drained(self) -> None:
        """Nothing waits to be written any more."""
        self._socket_full = False
        if not self._out.overfull:
            super().drained()
            self._tell_late()

    def _label_holds_back(self, overfull: bool) -> None:
        """Called while much waits behind a labeled command's replies, and when that is over."""
        if overfull:
            super().filled()
        elif not self._socket_full:
            super().drained()
            self._tell_late()

    def _tell_late(self) -> None:
        """Say of those who came and went while the connection was full whether they are here now."""
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
    """Makes IRC connections, and knows what IRC tells of people."""

    def __init__(self, hub: Hub, table: Table, config: Config, clock: IReactorTime, connections: set[LineConnection]) -> None:
        super().__init__(hub, table, config, clock, connections)
        name = config.server_name or socket.gethostname()
        self.people = Everybody(hub, name if "." in name else f"{name}.chat")  # without a dot clients take it for a nick
        self._dialects: dict[frozenset[str], Irc] = {}

    def dialect(self, caps: frozenset[str]) -> Irc:
        """The one dialect of all who have asked for these capabilities: readers with the very same are quickly served."""
        if caps not in self._dialects:
            self._dialects[caps] = Irc(self.people, caps)
        return self._dialects[caps]


def _called_by(when: Callable[[Callable[[], None]], object]) -> Deferred[None]:
    waiting: Deferred[None] = Deferred()
    when(lambda: waiting.callback(None))
    return waiting


def _nothing() -> None:
    """A client has its replies: it needs no word that a command is done."""
