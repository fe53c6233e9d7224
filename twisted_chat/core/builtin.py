"""The commands, a few lines each. How they are found and checked stands in `core.commands`."""

from __future__ import annotations

from collections.abc import Sequence

from twisted_chat.core import names
from twisted_chat.core.commands import Answering, Call, Table
from twisted_chat.core.errors import NoSuchPerson, NotAllowed, NotInRoom, NotKept, NotUnderstood
from twisted_chat.core.events import (
    Emoted,
    Help,
    History,
    KeptEvent,
    Receipt,
    Remark,
    RoomList,
    RoomSummary,
    Said,
    Welcome,
)
from twisted_chat.core.room import Room
from twisted_chat.core.session import Role
from twisted_chat.core.text import clean

# What a newcomer to a room is shown of its past, in messages: about a screen.
HISTORY_ON_JOIN = 20
# The most that /history shows at once, in messages: more would scroll out of most terminals' memory.
HISTORY_MOST = 500
# How long a reason for leaving may be, in characters: a sentence.
LONGEST_REASON = 200

table = Table()


@table.command("name", "NAME", role=Role.VISITOR)
async def give_name(call: Call, name: str) -> None:
    """Give your name, once: what you type first when you come in."""
    if call.me.role is not Role.VISITOR:
        raise NotAllowed("You have a name already. Use /nick to change it.")
    call.hub.enter(call.me, name)
    usages = tuple((command.name, command.usage) for command in call.table.for_role(call.me.role))
    call.reply(Welcome(call.me.name, call.hub.log.id, call.hub.motd, usages))
    for room, since in call.me.landing.items():
        if call.me.inbox is not None:  # still here: reading a room's past takes time
            await enter_room(call, room, since)
    call.hub.read_on(call.me)


@table.command("help", "[COMMAND]", role=Role.VISITOR)
def explain(call: Call, command: str | None = None) -> None:
    """List the commands, or explain one."""
    shown = [call.table.find(command)] if command else call.table.for_role(call.me.role)
    call.reply(Help(tuple((entry.usage, entry.explanation) for entry in shown if entry.role <= call.me.role)))


@table.command("who", "[ROOM]", role=Role.VISITOR)
def who(call: Call, room: str | None = None) -> None:
    """Tell who is in this room, or in another."""
    if room is None and call.me.current is None:
        room = next(iter(call.me.landing), "#lobby")
    call.reply(call.hub.people_in(call.hub.room(room) if room else call.room))


@table.command("say", "TEXT...", receipted=True)
def say(call: Call, text: str) -> Answering | None:
    """Say something in this room. A line without a slash does the same."""
    return _speak(call, text, Said)


@table.command("me", "TEXT...", receipted=True)
def emote(call: Call, text: str) -> Answering | None:
    """Say what you do: /me waves."""
    return _speak(call, text, Emoted)


@table.command("msg", "NAME TEXT...", receipted=True)
def message(call: Call, name: str, text: str) -> None:
    """Say something to one person alone. It is not kept."""
    call.hub.tell(call.me, name, text, call.id)


@table.command("reply", "TEXT...", receipted=True)
def reply(call: Call, text: str) -> None:
    """Answer whoever wrote to you privately last."""
    if not call.me.correspondent:
        raise NoSuchPerson("Nobody has written to you privately yet.")
    call.hub.tell(call.me, call.me.correspondent, text, call.id)


@table.command("nick", "NAME")
def nick(call: Call, name: str) -> None:
    """Take another name."""
    call.hub.rename(call.me, name)


@table.command("join", "ROOM")
async def join(call: Call, room: str) -> None:
    """Come into a room, and talk there from now on. Rooms you are in already stay open."""
    await enter_room(call, room)


@table.command("leave", "[ROOM]")
def leave(call: Call, room: str | None = None) -> None:
    """Go from this room, or from another one you are in."""
    left = call.hub.room(room) if room else call.room
    if left.key not in call.me.rooms:
        raise NotInRoom(f"You are not in {left.key}.")
    call.hub.part(call.me, left)
    now = call.me.current
    call.reply(Remark(f"You have left {left.key}." + (f" You talk in {now.key} now." if now else "")))


@table.command("rooms")
def rooms(call: Call) -> None:
    """List the rooms, with how many people are there and what they are about."""
    listed = [room for room in call.hub.rooms.values() if room.readers]
    listed.sort(key=lambda room: room.key)
    call.reply(
        RoomList(tuple(RoomSummary(room.key, len(room.readers), room.topic, room.key in call.me.rooms) for room in listed))
    )


@table.command("topic", "[TEXT...]")
def topic(call: Call, text: str | None = None) -> None:
    """Say what this room is about, or ask."""
    if text is not None:
        if call.room.key not in call.me.rooms:
            raise NotInRoom(f"You are not in {call.room.key}.")
        call.hub.set_topic(call.me, call.room, text)
    else:
        call.reply(Remark(f"{call.room.key} is about: {call.room.topic}" if call.room.topic else "There is no topic."))


@table.command("history", "[N]")
async def history(call: Call, count: str = str(HISTORY_ON_JOIN)) -> None:
    """Show the last N messages of this room."""
    if not (count.isascii() and count.isdigit() and 1 <= int(count[:9]) <= HISTORY_MOST):
        raise NotUnderstood(f"/history takes a number from 1 to {HISTORY_MOST}.")
    if call.room.key not in call.me.rooms:
        raise NotInRoom(f"You are not in {call.room.key}.")
    room = call.room
    past = await call.hub.log.read_before(room.key, call.hub.log.newest + 1, int(count))
    call.reply(_history(call, room, past))


@table.command("quit", "[REASON...]", role=Role.VISITOR)
def quit_chat(call: Call, reason: str = "") -> None:
    """Leave the chat."""
    call.hub.leave(call.me, clean(reason)[:LONGEST_REASON])
    call.me.outlet.close()


@table.command("exit", role=Role.VISITOR)
def exit_chat(call: Call) -> None:
    """Leave the chat. Where the server was started with --exit-stops-server, this stops it too."""
    quit_chat(call)
    if call.hub.stop is not None:
        call.hub.stop()


async def enter_room(call: Call, name: str, since: int | None = None) -> None:
    """Come into a room. A program that comes back reads on from ``since``, anybody else is shown the end of the past.

    Raises `BadName`.
    """
    hub, me = call.hub, call.me
    if names.room(name) in me.rooms:
        call.reply(hub.people_in(hub.join(me, name)))
        return
    if since is not None and since > hub.log.newest:
        since = None
    room = hub.join(me, name, since)
    try:
        if since is None:
            past = await hub.log.read_before(room.key, me.positions[room.key] + 1, HISTORY_ON_JOIN)
            if past:
                call.reply(_history(call, room, past))
    except NotKept as error:
        call.reply(Remark(str(error)))
    finally:
        if room.key in me.rooms:
            call.reply(hub.people_in(room, arriving=True))
            hub.release(me, room)


def _history(call: Call, room: Room, past: Sequence[KeptEvent]) -> History:
    return History(room.key, tuple(past), call.hub.now())


def _speak(call: Call, text: str, kind: type[KeptEvent]) -> Answering | None:
    if call.again:
        return _speak_again(call, call.room, text, kind)
    call.hub.say(call.me, call.room, text, call.id, kind)
    return None


async def _speak_again(call: Call, room: Room, text: str, kind: type[KeptEvent]) -> None:
    """Say what may have been said before, unless the disk has it."""
    key = call.me.message_key(call.id)
    try:
        sent = await call.hub.log.find(key) if key is not None else None
    except NotKept:
        sent = None  # the disk can't tell; it will hold one copy all the same
    if sent is not None and sent.batch is None:
        call.reply(Receipt(sent.seq, room.key, "", True, call.id))
        return
    call.hub.say(call.me, room, text, call.id, kind)
