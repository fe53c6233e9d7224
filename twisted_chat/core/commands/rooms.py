"""Rooms: joining, leaving and topics."""

from __future__ import annotations

from collections.abc import Sequence

from twisted_chat.core.command_table.table import Call, table
from twisted_chat.core.errors import NoSuchPerson, NotAllowed, NotInRoom, NotKept
from twisted_chat.core.events import History, KeptEvent, Remark, RoomList, RoomSummary
from twisted_chat.core.logins.attempts import Kind
from twisted_chat.core.rooms.permissions import ClosedRoom
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text import names
from twisted_chat.core.users.session import Role

# The messages of a room's history shown on joining: about a screen.
HISTORY_ON_JOIN = 20
# The most missed messages that are counted.
MISSED_MOST = 10_000


@table.command("join", "ROOM [KEY]")
async def join(call: Call, room: str, key: str = "") -> None:
    """Come into a room, and talk there from now on. Rooms you are in already stay open."""
    await enter_room(call, room, key=key)


@table.command("leave", "[ROOM] [REASON...]")
def leave(call: Call, room: str | None = None, reason: str = "") -> None:
    """Go from this room, or from another one you are in."""
    left = mine(call, room)
    call.hub.part(call.me, left, call.sentence(reason))
    now = call.me.current
    call.reply(Remark(f"You have left {left.key}." + (f" You talk in {now.key} now." if now else "")))


@table.command("rooms", looks_up=True)
def rooms(call: Call) -> None:
    """List the rooms, with how many people are there and what they are about."""
    listed = [room for room in call.hub.rooms_seen_by(call.me) if room.readers or room.lasts]
    known = call.hub.access.looked_into(call.me, listed)
    summaries = (
        RoomSummary(room.key, room.size, room.topic if room in known else "", room.key in call.me.rooms) for room in listed
    )
    call.reply(RoomList(tuple(summaries)))


@table.command("topic", "[ROOM] [TEXT...]")
def topic(call: Call, room: str | None = None, text: str | None = None) -> None:
    """Show or set the topic of this room, or of another one you are in; "-" clears it."""
    changed = mine(call, room)
    if text is not None:
        if changed.policy.topic_locked and call.role < Role.MODERATOR:
            raise NotAllowed("Only an operator of this room may say what it is about.")
        call.hub.set_topic(call.me, changed, "" if text.strip() in ("", "-") else text)
    else:
        call.reply(Remark(f"{changed.key} is about: {changed.topic}" if changed.topic else "There is no topic."))


def mine(call: Call, name: str | None = None) -> Room:
    """Return a command's room, which the caller must be in. Raises `NotInRoom` or `BadName`."""
    room = call.me.rooms.get(names.room(name)) if name else call.room
    if room is None or room.key not in call.me.rooms:
        raise NotInRoom(f"You are not in {room.key if room else names.room(name or '')}.")
    return room


async def enter_room(call: Call, name: str, since: int | None = None, *, key: str = "", mark: int = 0) -> None:
    """Join a room. A returning program reads on from ``since``; any other session is shown the end of the history.

    ``mark`` is the last number read before the session left, or 0 if unknown. Raises as `Hub.join` does.
    """
    hub, me = call.hub, call.me
    room_key = names.room(name)
    if room_key in me.rooms and room_key not in me.held:
        call.reply(hub.people_in(hub.join(me, name)))
        return
    if since is not None and since > hub.log.newest:
        since = None
    room = await _join_with_key(call, room_key, since, key) if key else hub.join(me, name, since)
    try:
        if since is None:
            me.positions[room.key] = max(me.positions[room.key], room.delivered)
            if me.shows_past:
                await _show_past(call, room, mark)
    except NotInRoom:
        pass  # removed before anything was shown: the session has been told
    except NotKept as error:
        call.reply(Remark(str(error)))
    finally:
        if me.rooms.get(room.key) is room:
            call.reply(hub.people_in(room, arriving=True))
            hub.release(me, room)


async def _join_with_key(call: Call, name: str, since: int | None, key: str) -> Room:
    """Join a room with a room key. A wrong key counts as a guess. Raises as `Hub.join` does, and `TooOften`."""
    hub, me = call.hub, call.me
    room = hub.rooms.get(name)
    if room is None or not room.policy.key:
        return hub.join(me, name, since, key)
    attempt = await hub.attempts.reserve(me.way, Kind.ROOM_KEY, name, who=me.key)
    try:
        if me.inbox is None:
            raise NoSuchPerson("The connection has ended.")
        room = hub.join(me, name, since, key)
    except ClosedRoom as error:
        if error.why == "key":
            attempt.wrong()
        raise
    else:
        attempt.right()
    finally:
        attempt.withdraw()
    return room


async def _show_past(call: Call, room: Room, mark: int) -> None:
    queries, me, position = call.hub.queries, call.me, call.me.positions[room.key]
    missed = await queries.count(me, room, mark, MISSED_MOST) if mark else 0
    past = await queries.before(me, room, position + 1, HISTORY_ON_JOIN)
    if past:
        call.reply(history(call, room, past, mark if missed else 0, missed))


def history(call: Call, room: Room, past: Sequence[KeptEvent], mark: int = 0, missed: int = 0) -> History:
    """Return a part of a room's history as shown to the caller, without ignored people."""
    ignored = call.me.ignores
    shown = tuple(event for event in past if not ignored or names.fold(event.author) not in ignored)
    return History(room.key, shown, call.hub.now(), mark, missed)
