"""Who is here and which rooms exist. Only the hub changes either; it is the reader to whom the log reports.

1. Everything that others can see is appended to the log; nobody is written to from here but with an answer of their own.
2. `read_on` is the only way in which a reader that is not live gets anything of a room.
3. Time, the log, and what drives a coroutine come in as arguments.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from hmac import compare_digest

from twisted_chat.core import names
from twisted_chat.core.batch import Batch, Dialect, Fate
from twisted_chat.core.errors import ChatError, NameTaken, NoSuchPerson, NotInRoom
from twisted_chat.core.events import (
    KEPT,
    Joined,
    KeptEvent,
    Left,
    Notice,
    People,
    Receipt,
    Remark,
    Renamed,
    Said,
    Told,
    TopicSet,
)
from twisted_chat.core.ports import MessageLog, Outlet
from twisted_chat.core.room import Room, Stream
from twisted_chat.core.session import LOBBY, Receipts, Session
from twisted_chat.core.text import spoken

# How much is written at once to a reader that catches up, in bytes: as much as a connection holds before it is full.
CATCH_UP_BYTES = 64 * 1024
# How many messages one read of the disk brings: about as many bytes as that, at a line's usual length.
CATCH_UP_MESSAGES = 500


@dataclass(slots=True)
class Awaiting:
    """A message on its way to disk, and who is to be told."""

    session: Session
    id: str | None
    answered: bool  # whether its author is sent a receipt


class Hub:
    """The chat. Every method is called on the reactor thread and returns at once."""

    def __init__(
        self,
        log: MessageLog,
        now: Callable[[], float],
        start: Callable[[Coroutine[object, object, None]], None],
        *,
        stop: Callable[[], None] | None = None,
        transcript: Callable[[KeptEvent], None] | None = None,
        motd: Sequence[str] = (),
        message_limit: int = 4096,
        reserved: frozenset[str] = frozenset(),
    ) -> None:
        """``start`` drives a coroutine to its end and logs what it raises; ``stop``, if given, ends the server.

        ``transcript``, if given, is told of every message as it is shown.
        ``message_limit`` is in bytes of UTF-8; ``reserved`` holds folded names nobody may have.
        """
        self.log = log
        self.now = now
        self.motd = tuple(motd)
        self.message_limit = message_limit
        self.stop = stop
        self.people: dict[str, Session] = {}
        self.rooms: dict[str, Room] = {LOBBY: Room(LOBBY, log.newest)}
        self._start = start
        self._transcript = transcript
        self._reserved = names.RESERVED | reserved
        self._streams: dict[str, Stream] = dict(self.rooms)
        self._sessions = 0
        self._awaiting: dict[int, Awaiting] = {}
        self._left: set[Room] = set()  # rooms that may be empty; they end with the turn, as their last events do
        self._early: set[Session] = set()  # readers whose next event is not delivered yet
        log.attach(self)

    # Coming and going

    def connect(self, outlet: Outlet, dialect: Dialect, aside: Dialect, receipts: Receipts) -> Session:
        """A connection has opened. Nobody is told until it has a name."""
        self._sessions += 1
        return Session(self._sessions, outlet, dialect, aside, receipts)

    def enter(self, session: Session, name: str) -> None:
        """Give a visitor a name and an inbox. Raises `BadName` or `NameTaken`.

        A program that comes back with the secret it had before takes its name over from its dead connection.
        """
        name = names.person(name, self._reserved)
        holder = self.people.get(names.fold(name))
        if holder is not None:
            if not session.client or not compare_digest(holder.client, session.client):
                raise NameTaken(f"The name {name} is taken. Please choose another.")
            self.leave(holder, "came back on another connection")
            holder.outlet.close("You have come back on another connection.")
        session.rename(name)
        self.people[session.key] = session
        session.inbox = Stream(f"@{session.id}", self.log.newest)
        session.inbox.readers[session.id] = session
        self._streams[session.inbox.key] = session.inbox
        session.positions[session.inbox.key] = session.inbox.delivered

    def leave(self, session: Session, reason: str = "") -> None:
        """Someone goes, from all rooms. May be called twice."""
        if self.people.get(session.key) is not session:
            return
        del self.people[session.key]
        for room in tuple(session.rooms.values()):
            self.part(session, room, reason)
        if session.inbox:
            del self._streams[session.inbox.key]
            session.inbox = None
        session.live = False
        session.positions = {}
        self._early.discard(session)

    def rename(self, session: Session, name: str) -> None:
        """Someone takes another name. Raises `BadName` or `NameTaken`."""
        name = names.person(name, self._reserved)
        if self.people.get(names.fold(name), session) is not session:
            raise NameTaken(f"The name {name} is taken. Please choose another.")
        old = session.name
        del self.people[session.key]
        session.rename(name)
        self.people[session.key] = session
        for room in session.rooms.values():
            self.log.append(Renamed(self.log.number(), self.now(), room.key, old, name, session.id))

    def join(self, session: Session, name: str, since: int | None = None) -> Room:
        """Someone comes into a room, to read it from ``since`` on, or from now. It is held until `release`.

        Raises `BadName`.
        """
        key = names.room(name)
        room = self.rooms.get(key)
        if room is None:
            room = self.rooms[key] = self._streams[key] = Room(key, self.log.newest)
        session.current = room
        if key in session.rooms:
            return room
        session.rooms[key] = room
        seq = self.log.number()
        session.hold(room, seq - 1 if since is None else since)
        room.readers[session.id] = session
        self.log.append(Joined(seq, self.now(), key, session.name, len(room.readers), session.id))
        return room

    def part(self, session: Session, room: Room, reason: str = "") -> None:
        """Someone goes from one room."""
        del session.rooms[room.key], room.readers[session.id]
        session.positions.pop(room.key, None)
        session.held.discard(room.key)
        if session.current is room:
            session.current = next(iter(session.rooms.values()), None)
        here = len(room.readers)
        self.log.append(Left(self.log.number(), self.now(), room.key, session.name, here, reason, session.id))
        self._left.add(room)

    # Talking

    def say(self, session: Session, room: Room, text: str, message_id: str | None = None, kind: type[KeptEvent] = Said) -> None:
        """Say something in a room, or do it with ``kind`` `Emoted`. The receipt follows when it is on disk.

        A message whose id the log knows is not said again; its receipt is. Raises `BadText` or `NotInRoom`.
        """
        if room.key not in session.rooms:
            raise NotInRoom(f"You are not in {room.key}.")
        text = spoken(text, self.message_limit)
        key = session.message_key(message_id)
        if key is not None and self.acknowledge(session, room, key, message_id):
            return
        seq = self.log.number()
        answered = session.receipts is Receipts.ALWAYS or (session.receipts is Receipts.ALONE and len(room.readers) == 1)
        self._awaiting[seq] = Awaiting(session, message_id, answered)
        session.awaiting += 1
        self.log.append(kind(seq, self.now(), room.key, session.name, text, session.id), len(text), key)

    def acknowledge(self, session: Session, room: Room, key: bytes, message_id: str | None) -> bool:
        """Send the receipt of a message that memory knows, once it is kept. False if it is not known."""
        sent = self.log.sent(key)
        if sent is None:
            return False
        waiting = self._awaiting.get(sent.seq)
        if waiting is None:
            kept = sent.batch is None or sent.batch.fate is Fate.KEPT
            session.tell(Receipt(sent.seq, room.key, "", kept, message_id))
        elif waiting.session is not session:
            self._awaiting[sent.seq] = Awaiting(session, message_id, True)
            session.awaiting += 1
            waiting.session.settle(1)
        return True

    def tell(self, session: Session, name: str, text: str, message_id: str | None = None) -> None:
        """Say something to one person. It is not kept. Raises `BadText` or `NoSuchPerson`."""
        text = spoken(text, self.message_limit)
        other = self.person(name)
        if other.inbox is None:
            raise NoSuchPerson(f"{other.name} has just left.")
        other.correspondent = session.name
        told = Told(self.log.number(), self.now(), other.inbox.key, session.name, other.name, text, session.id)
        self.log.append(told, len(text))
        if other is not session:
            session.tell(told)
        if message_id is not None:
            session.tell(Receipt(told.seq, told.room, text, False, message_id))

    def set_topic(self, session: Session, room: Room, topic: str) -> None:
        """Say what a room is about. Raises `BadText`."""
        room.topic = spoken(topic, self.message_limit)
        self.log.append(TopicSet(self.log.number(), self.now(), room.key, session.name, room.topic, session.id), len(topic))

    def notify(self, text: str) -> None:
        """Tell everybody in every room something."""
        for room in self.rooms.values():
            if room.readers:
                self.log.append(Notice(self.log.number(), self.now(), room.key, text))

    # Looking

    def person(self, name: str) -> Session:
        """The person of this name. Raises `NoSuchPerson`."""
        session = self.people.get(names.fold(name))
        if session is None:
            raise NoSuchPerson(f"Nobody here is called {names.shown(name)}.")
        return session

    def room(self, name: str) -> Room:
        """The room of this name, if anybody is in it. Raises `BadName` or `NotInRoom`."""
        key = names.room(name)
        room = self.rooms.get(key)
        if room is None:
            raise NotInRoom(f"There is no room {key}.")
        return room

    def people_in(self, room: Room, *, arriving: bool = False) -> People:
        """Who is in a room."""
        return People(room.key, room.names(), room.topic, arriving)

    # Reading on

    def release(self, session: Session, room: Room) -> None:
        """What had to be said before a room's events has been said."""
        session.held.discard(room.key)
        self.read_on(session)

    def read_on(self, session: Session) -> None:
        """Hand a reader what follows its positions, until it keeps up or its connection is full again."""
        if not session.live and not session.reading:
            stream = self._read_tail(session)
            if stream is not None:
                session.reading = True
                self._start(self._read_disk(session, stream))

    def _read_tail(self, session: Session) -> Stream | None:
        """Read on from memory. Returns the stream that has to be read from disk first, or None."""
        while not session.outlet.full:
            stream = next((stream for stream in session.streams if self._lags(session, stream)), None)
            if stream is None:
                self._keep_up(session)
                return None
            position = session.positions[stream.key]
            if position < self.log.remembered:
                return stream
            self._hand_over(session, stream, position)
        return None

    def _lags(self, session: Session, stream: Stream) -> bool:
        return session.positions[stream.key] < stream.delivered and stream.key not in session.held

    def _hand_over(self, session: Session, stream: Stream, position: int) -> None:
        dialect = session.dialect_in(stream)
        pieces: list[bytes] = []
        size = 0
        for batch in self.log.tail(stream.key, position):
            data = batch.for_one(dialect, session.id, position)
            pieces.append(data)
            size += len(data)
            position = batch.last
            if size >= CATCH_UP_BYTES:
                break
        else:
            position = stream.delivered
        session.positions[stream.key] = position
        if size:
            session.outlet.write(b"".join(pieces))

    def _keep_up(self, session: Session) -> None:
        """A reader has read all that was delivered. It is live, unless something is held back or still to be delivered."""
        if session.held:
            return
        if any(position > self._streams[key].delivered for key, position in session.positions.items()):
            self._early.add(session)
        elif session.positions:
            session.positions = {}
            session.live = True

    async def _read_disk(self, session: Session, stream: Stream | None) -> None:
        """Read on from disk and then from memory, a page at a time."""
        try:
            told: set[str] = set()
            while stream is not None:
                if isinstance(stream, Room) and stream.key not in told:
                    told.add(stream.key)
                    session.tell(self.people_in(stream))
                await self._read_page(session, stream)
                stream = self._read_tail(session)
        finally:
            session.reading = False

    async def _read_page(self, session: Session, stream: Stream) -> None:
        position = session.positions[stream.key]
        try:
            page = await self.log.read_after(stream.key, position, CATCH_UP_MESSAGES)
        except ChatError as error:
            session.tell(Remark(f"What was said in {stream.key} meanwhile can't be read. {error}"))
            position = self.log.remembered
        else:
            position = page.position
            if page.events and stream.key in session.positions:
                session.outlet.write(session.dialect_in(stream).render(page.events))
        if stream.key in session.positions:
            session.positions[stream.key] = max(position, session.positions[stream.key])

    # What the log reports

    def deliver(self, batches: Sequence[Batch]) -> None:
        """Show what was added in this turn. Called by the log."""
        for batch in batches:
            stream = self._streams.get(batch.room)
            if stream is not None:
                stream.deliver(batch)
            if self._transcript is not None:
                for event in batch.events:
                    if isinstance(event, KEPT):
                        self._transcript(event)
        left, self._left = self._left, set()
        for room in left:
            if not room.readers and room.key != LOBBY and self.rooms.get(room.key) is room:
                del self.rooms[room.key], self._streams[room.key]
        if self._early:
            early, self._early = self._early, set()
            for session in sorted(early, key=lambda session: session.id):
                self.read_on(session)

    def kept(self, batches: Sequence[Batch], duplicates: dict[int, int]) -> None:
        """Messages are on disk: their authors get their receipts. Called by the log."""
        self._answer(batches, True, duplicates)

    def not_kept(self, batches: Sequence[Batch]) -> None:
        """Messages were shown, but not kept: their authors are told. Called by the log."""
        self._answer(batches, False, {})

    def history_stopped(self, why: str) -> None:
        """Called by the log."""
        self.notify(f"History has stopped: {why}. What is said now is shown, but not kept.")

    def history_back(self) -> None:
        """Called by the log."""
        self.notify("History is back: what is said from now on is kept.")

    def _answer(self, batches: Sequence[Batch], kept: bool, duplicates: dict[int, int]) -> None:
        receipts: dict[Session, list[Receipt]] = {}
        settled: dict[Session, int] = {}
        for batch in batches:
            for event in batch.events:
                if not isinstance(event, KEPT):
                    continue
                waiting = self._awaiting.pop(event.seq, None)
                if waiting is None:
                    continue
                settled[waiting.session] = settled.get(waiting.session, 0) + 1
                if waiting.answered or not kept:
                    seq = duplicates.get(event.seq, event.seq)
                    receipts.setdefault(waiting.session, []).append(Receipt(seq, event.room, event.text, kept, waiting.id))
        for session, mine in receipts.items():
            session.tell(*mine)
        for session, messages in settled.items():
            session.settle(messages)
