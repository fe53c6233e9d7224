"""Reads of the log for a person. Commands and protocols get messages only through this module.

1. Each read asks `core.rooms.access` what the session may read, before it and after it. While a read waits for the disk,
   the person may be removed from the room, and the room may be closed, end or be made anew. Then nothing is shown.
2. Hidden messages are treated as if they did not exist: they are not counted, take no place among the messages of a page, and
   do not affect the numbers that a page ends with.
3. Each look-up is charged to its person here, for all protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from twisted_chat.core.delivery.stream import Stream
from twisted_chat.core.errors import NotInRoom
from twisted_chat.core.events import KEPT, KeptEvent
from twisted_chat.core.interfaces import MessageLog, Page, Query
from twisted_chat.core.rate_limits import Window
from twisted_chat.core.rooms.access import Access, Readable
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.rooms.shut_out import OPEN
from twisted_chat.core.users.session import Session


class Queries:
    """A reader of the log on behalf of sessions."""

    def __init__(self, log: MessageLog, access: Access, lookups: Window, clock: Callable[[], float]) -> None:
        """``lookups`` limits each person's look-ups; ``clock`` gives monotonic seconds."""
        self._log = log
        self._access = access
        self._lookups = lookups
        self._clock = clock

    def charge(self, session: Session, what: str, kind: str = "") -> None:
        """Charge a session for a look-up; each ``kind`` is counted separately.

        Raises `TooOften`; ``what`` begins its sentence.
        """
        token = session.token
        source = token.digest if token is not None and session.inbox is None else str(session.id)
        self._lookups.take(f"{source} {kind}".rstrip(), self._clock(), what)

    async def before(self, session: Session, stream: Stream, before: int | None, limit: int) -> list[KeptEvent]:
        """Return the last ``limit`` messages with numbers below ``before`` (None: the last of all), oldest first.

        Raises `NotInRoom` if the session may not, or may no longer, read there; `NotKept`.
        """
        readable = self._readable(session, stream)
        before = self._log.newest + 1 if before is None else before
        found: list[KeptEvent] = []
        while len(found) < limit:
            before, wanted = readable.down(before), limit - len(found)
            page = await self._log.read_before(stream.key, before, wanted)
            readable = self._readable(session, stream)
            found = [event for event in (*page, *found) if readable.allows(event.seq)]
            if len(page) < wanted or page[0].seq <= readable.begins + 1:
                break
            before = page[0].seq
        return found

    async def after(self, session: Session, stream: Stream, after: int, limit: int) -> Page:
        """Return one page of messages after a number, oldest first; see `MessageLog.read_after`.

        Raises `NotInRoom` if the session may not, or may no longer, read there; `NotKept`.
        """
        start = self._readable(session, stream).up(after)
        if start > self._log.newest:
            return Page([], max(after, self._log.newest))
        page = await self._log.read_after(stream.key, start, limit)
        readable = self._readable(session, stream)
        events = [event for event in page.events if readable.allows(event.seq)]
        return Page(events, max(after, page.position))

    async def first(
        self, session: Session, stream: Stream, after: int, limit: int, before: int | None = None
    ) -> list[KeptEvent]:
        """Return the first ``limit`` messages with numbers above ``after``, and below ``before`` if that is given.

        Raises as `after` does.
        """
        found: list[KeptEvent] = []
        end = self._log.newest + 1 if before is None else min(before, self._log.newest + 1)
        while len(found) < limit:
            page = await self.after(session, stream, after, limit - len(found))
            found += [event for event in page.events if isinstance(event, KEPT) and event.seq < end]
            if page.position <= after or page.position >= end - 1:
                break
            after = page.position
        return self._still(session, stream, found)

    async def number_at(self, session: Session, stream: Stream, time: float) -> int:
        """Return the number of the first message sent at a time or later; without one, the newest number plus one.

        Raises as `after` does.
        """
        readable = self._readable(session, stream)
        found = await self._log.read_since(stream.key, time, 1)
        readable = self._readable(session, stream)
        if found and readable.allows(found[0].seq):
            return found[0].seq
        later = await self.first(session, stream, found[0].seq, 1) if found else []
        return later[0].seq if later else self._log.newest + 1

    async def since(self, session: Session, stream: Stream, time: float, limit: int) -> list[KeptEvent]:
        """Return the first ``limit`` messages sent at a time or later, oldest first. Raises as `after` does."""
        return await self.first(session, stream, await self.number_at(session, stream, time) - 1, limit)

    async def count(self, session: Session, stream: Stream, after: int, limit: int) -> int:
        """Return the number of readable messages with numbers above ``after``; at most ``limit``. Raises as `after` does.

        Messages before a hidden span are not counted.
        """
        start = self._count_from(session, stream, after)
        counted = await self._log.count_after(stream.key, start, limit) if start is not None else 0
        return counted if start == self._count_from(session, stream, after) else 0

    async def search(self, session: Session, rooms: Iterable[Room], query: Query) -> list[KeptEvent]:
        """Return the newest matching messages of the rooms that the session may read, oldest first. Raises `NotKept`.

        The rooms in ``query`` itself are ignored.
        """
        asked = {room.key: room for room in rooms}
        spans = tuple(
            (key, first, last)
            for key, room in sorted(asked.items())
            if (readable := self._access.readable(session, room)) is not None
            for first, last in readable.spans()
        )
        whole = tuple(key for key, first, last in spans if first == 1 and last > self._log.newest)
        parts = tuple(span for span in spans if span[0] not in whole)
        found = await self._log.search(replace(query, rooms=whole, parts=parts)) if spans else []
        now = {key: self._access.readable(session, room) for key, room in asked.items()}
        return [event for event in found if (may := now.get(event.room)) is not None and may.allows(event.seq)]

    async def redact(self, session: Session, seq: int, rooms: Iterable[Room]) -> KeptEvent | None:
        """Erase a message's text from the log, if it is in one of these rooms and the session may read it.

        Return the original message; None if there is none. Raises `NotKept`.
        """
        asked = [(room, self._access.readable(session, room)) for room in rooms]
        keys = [room.key for room, readable in asked if readable is not None and readable.allows(seq)]
        return await self._log.erase(seq, keys) if keys else None

    def _readable(self, session: Session, stream: Stream) -> Readable:
        readable = self._access.readable(session, stream)
        if readable is None:
            raise NotInRoom(f"You are not in {stream.key}.")
        return readable

    def _still(self, session: Session, stream: Stream, events: Sequence[KeptEvent]) -> list[KeptEvent]:
        readable = self._readable(session, stream)
        return [event for event in events if readable.allows(event.seq)]

    def _count_from(self, session: Session, stream: Stream, after: int) -> int | None:
        readable = self._readable(session, stream)
        return None if readable.hidden and readable.hidden[-1][1] == OPEN else readable.start(after)
