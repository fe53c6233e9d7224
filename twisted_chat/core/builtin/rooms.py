"""Rooms: coming in, going out, and who may do so."""

from __future__ import annotations

from collections.abc import Sequence

from twisted_chat.core import names, rights
from twisted_chat.core.builtin.table import table
from twisted_chat.core.commands import Call
from twisted_chat.core.errors import BadText, NotAllowed, NotInRoom, NotKept, NotUnderstood
from twisted_chat.core.events import Changed, History, KeptEvent, Listing, Remark, RoomList, RoomSummary
from twisted_chat.core.room import Room
from twisted_chat.core.session import Role
from twisted_chat.core.text import as_key

# What a newcomer to a room is shown of its past, in messages: about a screen.
HISTORY_ON_JOIN = 20
# Up to how many missed messages are counted.
MISSED_MOST = 10_000


@table.command("join", "ROOM [KEY]")
async def join(call: Call, room: str, key: str = "") -> None:
    """Come into a room, and talk there from now on. Rooms you are in already stay open."""
    await enter_room(call, room, key=key)


@table.command("leave", "[ROOM]")
def leave(call: Call, room: str | None = None) -> None:
    """Go from this room, or from another one you are in."""
    left = mine(call, room)
    call.hub.part(call.me, left)
    now = call.me.current
    call.reply(Remark(f"You have left {left.key}." + (f" You talk in {now.key} now." if now else "")))


@table.command("rooms", looks_up=True)
def rooms(call: Call) -> None:
    """List the rooms, with how many people are there and what they are about."""
    listed = [room for room in call.hub.rooms_seen_by(call.me) if room.readers or room.lasts]
    summaries = (RoomSummary(room.key, room.size, room.topic, room.key in call.me.rooms) for room in listed)
    call.reply(RoomList(tuple(summaries)))


@table.command("topic", "[TEXT...]")
def topic(call: Call, text: str | None = None) -> None:
    """Say what this room is about, or ask."""
    room = mine(call)
    if text is not None:
        call.hub.set_topic(call.me, room, text)
    else:
        call.reply(Remark(f"{room.key} is about: {room.topic}" if room.topic else "There is no topic."))


@table.command("room", "[POLICY] [VALUE]")
def policy(call: Call, what: str | None = None, value: str | None = None) -> None:
    """Show who may come in; its operator makes it private, public, invite-only, registered, encrypted, open or key KEY."""
    room = mine(call)
    if what is None:
        call.reply(Listing("policy", ("what", "value"), described(call, room)))
        return
    call.require(Role.MODERATOR)
    match what.lower(), value:
        case "private", None:
            room.change(private=True)
            done = "made the room private"
        case "public", None:
            room.change(private=False)
            done = "made the room public"
        case "key", str(key):
            if not as_key(key):
                raise BadText("There is nothing to read in that key.")
            room.change(key=as_key(key))
            done = "gave the room a key"
        case "invite-only", None:
            room.change(invite_only=True)
            done = "opened the room only to those who are invited"
        case "registered", None:
            room.change(registered=True)
            done = "opened the room only to registered names"
        case "encrypted", None:
            if not call.me.way.encrypted:
                raise NotAllowed("You are not encrypted yourself.")
            room.change(encrypted=True)
            done = "opened the room only to encrypted connections"
        case "open", None:
            room.change(key="", invite_only=False, registered=False, encrypted=False)
            done = "opened the room to everybody"
        case _:
            raise NotUnderstood("/room takes private, public, key KEY, invite-only, registered, encrypted or open.")
    change(call, room, done)
    for session in tuple(room.readers.values()):
        if rights.exposed(session, room):
            call.hub.part(session, room, "not encrypted")
            session.tell(Remark(f"{room.key} is open only to encrypted connections now: you are out."))


@table.command("slow", "SECONDS", role=Role.MODERATOR)
def slow(call: Call, seconds: str) -> None:
    """Let everybody in this room speak only once in so many seconds; 0 ends it."""
    if not (seconds.isascii() and seconds.isdigit() and int(seconds[:9]) <= 3600):
        raise NotUnderstood("/slow takes a number of seconds from 0 to 3600.")
    room = mine(call)
    room.change(slow=float(seconds))
    room.spoken.clear()
    change(call, room, f"made the room slow: one message in {int(seconds)} s" if int(seconds) else "ended the slowness")


def change(call: Call, room: Room, what: str) -> None:
    """Tell a room what its operator has changed, keep it, and note who did it."""
    hub, me = call.hub, call.me
    hub.show(lambda seq, time: Changed(seq, time, room.key, me.name, what, me.id))
    hub.keep_room(room)
    hub.save(hub.note(me.key, room.key, what))
    call.reply(Remark(f"Done: you {what}."))


def described(call: Call, room: Room) -> tuple[tuple[str, ...], ...]:
    """A room's policy, as far as one may see it."""
    policy = room.policy
    rows = [
        ("owner", room.record.owner or "nobody"),
        ("operators", ", ".join(policy.operators) or "nobody"),
        ("seen by", "those inside" if policy.private else "everybody"),
        ("comes in", entry(room)),
        ("slow", f"{policy.slow:.0f} s" if policy.slow else "no"),
    ]
    if call.role >= Role.MODERATOR:
        rows.append(("key", policy.key or "none"))
        rows.append(("invited", ", ".join(policy.invited) or "nobody"))
    return tuple(rows)


def entry(room: Room) -> str:
    """Who may come in, in words."""
    policy = room.policy
    conditions = [
        (policy.invite_only, "who was invited"),
        (policy.registered, "registered names"),
        (bool(policy.key), "who has its key"),
        (policy.encrypted, "encrypted connections"),
    ]
    return ", ".join(words for needed, words in conditions if needed) or "everybody"


def mine(call: Call, name: str | None = None) -> Room:
    """The room a command is about, which one has to be in. Raises `NotInRoom` or `BadName`."""
    room = call.me.rooms.get(names.room(name)) if name else call.room
    if room is None or room.key not in call.me.rooms:
        raise NotInRoom(f"You are not in {room.key if room else names.room(name or '')}.")
    return room


async def enter_room(call: Call, name: str, since: int | None = None, *, key: str = "", mark: int = 0) -> None:
    """Come into a room. A program that comes back reads on from ``since``, anybody else is shown the end of the past.

    ``mark`` is the number up to which they had read when they left, 0 if that is not known. Raises as `Hub.join` does.
    """
    hub, me = call.hub, call.me
    room_key = names.room(name)
    if room_key in me.rooms and room_key not in me.held:
        call.reply(hub.people_in(hub.join(me, name)))
        return
    if since is not None and since > hub.log.newest:
        since = None
    room = hub.join(me, name, since, key)
    try:
        if since is None:
            me.positions[room.key] = max(me.positions[room.key], room.delivered)
            await _show_past(call, room, mark)
    except NotKept as error:
        call.reply(Remark(str(error)))
    finally:
        if room.key in me.rooms:
            call.reply(hub.people_in(room, arriving=True))
            hub.release(me, room)


async def _show_past(call: Call, room: Room, mark: int) -> None:
    log, position = call.hub.log, call.me.positions[room.key]
    missed = await log.count_after(room.key, mark, MISSED_MOST) if mark else 0
    past = await log.read_before(room.key, position + 1, HISTORY_ON_JOIN)
    if past:
        call.reply(history(call, room, past, mark if missed else 0, missed))


def history(call: Call, room: Room, past: Sequence[KeptEvent], mark: int = 0, missed: int = 0) -> History:
    """A piece of a room's past, as one person is shown it."""
    ignored = call.me.ignores
    shown = tuple(event for event in past if not ignored or names.fold(event.author) not in ignored)
    return History(room.key, shown, call.hub.now(), mark, missed)
