"""Catching up: a reader that is not live gets the events it has not read yet, and becomes live.

Such a reader gets a room's events only in this way: after joining, after its connection was full, and after it was away.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine

from twisted_chat.core.delivery.stream import Stream
from twisted_chat.core.errors import ChatError, NotInRoom
from twisted_chat.core.events import KEPT, People, Remark
from twisted_chat.core.hub.queries import Queries
from twisted_chat.core.interfaces import MessageLog
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text import names
from twisted_chat.core.users.session import Session

# The bytes written at once to a reader that catches up: as much as a connection buffers before it is full.
CATCH_UP_BYTES = 64 * 1024
# The messages in one read from disk: about as many bytes as that, at the usual length of a line.
CATCH_UP_MESSAGES = 500


class Readers:
    """The catch-up of all readers that are not live."""

    def __init__(
        self,
        log: MessageLog,
        queries: Queries,
        streams: dict[str, Stream],
        start: Callable[[Coroutine[object, object, None]], None],
    ) -> None:
        """``streams`` holds all streams by key; ``start`` runs a coroutine to its end."""
        self._log = log
        self._queries = queries
        self._streams = streams
        self._start = start
        self._early: set[Session] = set()  # readers whose next event has not been delivered yet

    def forget(self, session: Session) -> None:
        """Forget a session that has ended."""
        self._early.discard(session)

    def delivered(self) -> None:
        """Resume the readers that waited for a turn's batches, once these have been delivered."""
        if self._early:
            early, self._early = self._early, set()
            for session in sorted(early, key=lambda session: session.id):
                self.read_on(session)

    def read_on(self, session: Session) -> None:
        """Send a reader the events after its positions, until it is live or its connection is full again."""
        if not session.live and not session.reading:
            stream = self._read_tail(session)
            if stream is not None:
                session.reading = True
                self._start(self._read_disk(session, stream))

    def _read_tail(self, session: Session) -> Stream | None:
        """Send events from memory. Returns the stream that must be read from disk first, or None."""
        while not session.outlet.full:
            stream = next((stream for stream in session.streams if self._lags(session, stream)), None)
            if stream is None:
                self._keep_up(session)
                return None
            position = session.positions[stream.key]
            if position < self._log.remembered:
                return stream
            self._hand_over(session, stream, position)
        return None

    def _lags(self, session: Session, stream: Stream) -> bool:
        return session.positions[stream.key] < stream.delivered and stream.key not in session.held

    def _hand_over(self, session: Session, stream: Stream, position: int) -> None:
        pieces: list[bytes] = []
        size = 0
        for batch in self._log.tail(stream.key, position):
            data = session.rendered(batch, stream, position)
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
        """Make a reader that has read all delivered events live, unless a stream is held or it is ahead of delivery."""
        if session.held:
            return
        if any(self._comes_later(key, position) for key, position in session.positions.items()):
            self._early.add(session)
        elif session.positions:
            session.positions = {}
            session.live = True

    def _comes_later(self, key: str, position: int) -> bool:
        """Return whether a stream still has undelivered events up to ``position``, which the reader must not be sent.

        A position above the stream's last event is not a reason to wait: the next event may be far off.
        """
        delivered = self._streams[key].delivered
        return position > delivered and any(event.room == key and event.seq <= position for event in self._log.fresh(delivered))

    async def _read_disk(self, session: Session, stream: Stream | None) -> None:
        """Send events from disk, a page at a time, and then from memory."""
        try:
            told: set[str] = set()
            while stream is not None:
                if isinstance(stream, Room) and stream.key not in told:
                    told.add(stream.key)
                    session.tell(People(stream.key, stream.names(), stream.topic))
                await self._read_page(session, stream)
                stream = self._read_tail(session)
        finally:
            session.reading = False

    async def _read_page(self, session: Session, stream: Stream) -> None:
        position = session.positions[stream.key]
        try:
            page = await self._queries.after(session, stream, position, CATCH_UP_MESSAGES)
        except NotInRoom:  # removed from the room, or no longer admitted: send nothing
            after = self._log.remembered
        except ChatError as error:
            session.tell(Remark(f"What was said in {stream.key} meanwhile can't be read. {error}"))
            after = self._log.remembered
        else:
            after = page.position
            events = [one for one in page.events if not isinstance(one, KEPT) or names.fold(one.author) not in session.ignores]
            if events and self._still_at(session, stream, position):
                session.outlet.write(session.dialect_in(stream).render(events))
        if self._still_at(session, stream, position):
            session.positions[stream.key] = max(after, position)

    def _still_at(self, session: Session, stream: Stream, position: int) -> bool:
        """Return whether a session still reads this stream from this position: it has not left, nor left and come back."""
        return session.positions.get(stream.key) == position and self._streams.get(stream.key) is stream
