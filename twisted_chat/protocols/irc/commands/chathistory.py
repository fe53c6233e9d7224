"""Reading the log by IRC: CHATHISTORY, and MARKREAD for read markers (IRCv3 ``chathistory``, ``read-marker``).

1. The log has the messages of rooms. Only members of a room may read there.
2. A place given as a time is first converted to a number: the log is ordered by number.
3. Each client has its own markers, which last as long as the connection. Those of a registered name last until the server
   stops. There are at most `MOST_MARKS` each; the marker that was set first is forgotten for a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from twisted_chat.core.errors import NotInRoom, NotKept
from twisted_chat.core.events import KeptEvent
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text.names import fold
from twisted_chat.protocols.irc.commands.channels import find
from twisted_chat.protocols.irc.commands.table import verb
from twisted_chat.protocols.irc.connection import IrcConnection
from twisted_chat.protocols.irc.rendering import Line
from twisted_chat.protocols.irc.welcome import MOST_HISTORY, read_marker
from twisted_chat.protocols.irc.wire.message import format_body
from twisted_chat.protocols.irc.wire.parameters import (
    BadQuery,
    HistoryQuery,
    Selector,
    format_time,
    milliseconds,
    parse_history,
    parse_marker,
)


@verb("CHATHISTORY")
async def history(irc: IrcConnection, params: Sequence[str]) -> None:
    """Show what was said."""
    try:
        query = parse_history(params)
    except BadQuery as error:
        irc.fail("CHATHISTORY", *error.fail, text=str(error))
        return
    irc.look("history")
    if query.kind == "TARGETS":
        await _targets(irc, query)
        return
    room = find(irc, query.target)
    try:
        if room is None or room.key not in irc.session.rooms:
            raise NotInRoom
        events = await _select(irc, room, query)
    except NotInRoom:
        irc.fail("CHATHISTORY", "INVALID_TARGET", query.kind, query.target, text="There is nothing that you could read there.")
        return
    except NotKept as error:
        irc.fail("CHATHISTORY", "MESSAGE_ERROR", query.kind, query.target, text=str(error))
        return
    ignored = irc.session.ignores
    shown = [event for event in events if fold(event.author) not in ignored]
    irc.batch("chathistory", [line for event in shown for line in irc.irc.lines(event)], room.key)


async def _select(irc: IrcConnection, room: Room, query: HistoryQuery) -> list[KeptEvent]:
    """Return the requested messages, oldest first."""
    queries, me = irc.factory.hub.queries, irc.session
    limit = min(query.limit, MOST_HISTORY)
    before, after = await _bounds(irc, room, query.start)
    if not limit:
        return []
    match query.kind:
        case "LATEST":
            found = await queries.before(me, room, None, limit)
            return [event for event in found if query.start == Selector() or event.seq > after]
        case "BEFORE":
            return await queries.before(me, room, before, limit)
        case "AFTER":
            return await queries.first(me, room, after, limit)
        case "AROUND":
            earlier = await queries.before(me, room, before, limit // 2)
            return earlier + await queries.first(me, room, before - 1, limit - len(earlier) if limit > 1 else 1)
    other_before, other_after = await _bounds(irc, room, query.end or Selector())
    if before <= other_before:
        return await queries.first(me, room, after, limit, other_before)
    return [event for event in await queries.before(me, room, before, limit) if event.seq > other_after]


async def _bounds(irc: IrcConnection, room: Room, place: Selector) -> tuple[int, int]:
    """Return a place as two numbers: messages below the first are before it, messages above the second after it."""
    if place.seq is not None:
        return place.seq, place.seq
    if place.time is None:
        newest = irc.factory.hub.log.newest
        return newest + 1, newest
    return await _number_at(irc, room, place.time), await _number_at(irc, room, place.time + 1) - 1


async def _number_at(irc: IrcConnection, room: Room, time: int) -> int:
    """Return the number of a room's first message at a time, in milliseconds, or later; one above all if there is none."""
    return await irc.factory.hub.queries.number_at(irc.session, room, (time - 0.5) / 1000)


async def _targets(irc: IrcConnection, query: HistoryQuery) -> None:
    """Send the client's rooms whose latest message is between two times, ordered by its time."""
    queries = irc.factory.hub.queries
    times = sorted(place.time for place in (query.start, query.end) if place is not None and place.time is not None)
    latest: list[tuple[int, str, Room]] = []
    for room in list(irc.session.rooms.values()):
        newest: list[KeptEvent] = []
        with suppress(NotInRoom):
            newest = await queries.before(irc.session, room, None, 1)
        if newest and times[0] < milliseconds(newest[0].time) < times[-1]:
            latest.append((milliseconds(newest[0].time), room.key, room))
    still = [(time, key) for time, key, room in latest if irc.session.rooms.get(key) is room]
    lines: list[Line] = [
        ({}, format_body(irc.people.server, "CHATHISTORY", ("TARGETS", key, format_time(time))))
        for time, key in sorted(still)[: query.limit]
    ]
    irc.batch("draft/chathistory-targets", lines)


@verb("MARKREAD")
def mark_read(irc: IrcConnection, params: Sequence[str]) -> None:
    """Say how far one has read, or ask."""
    if not params:
        irc.fail("MARKREAD", "NEED_MORE_PARAMS", text="Missing parameters")
        return
    target = fold(params[0]) if not params[0].startswith("#") else "#" + fold(params[0][1:])
    if target not in irc.session.rooms and target not in irc.factory.hub.registry.accounts:
        irc.fail(
            "MARKREAD", "INVALID_PARAMS", params[0][:64], text="You are not in that room, and nobody has registered that name."
        )
        return
    if len(params) > 1:
        try:
            time = parse_marker(params[1])
        except BadQuery as error:
            irc.fail("MARKREAD", *error.fail, text=str(error))
            return
        before = irc.reads.get(target)
        if before is None or time > before:
            irc.mark(target, time)
    read_marker(irc, target)
