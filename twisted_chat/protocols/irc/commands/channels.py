"""Rooms by IRC: joining and leaving, topics, names, kicks, invitations, and the list of rooms."""

from __future__ import annotations

from collections.abc import Sequence

from twisted_chat.core.errors import BadName, BadText, Banned, NoSuchPerson, NotAllowed, NotInRoom
from twisted_chat.core.hub.hub import TooManyRooms
from twisted_chat.core.rooms import permissions
from twisted_chat.core.rooms.permissions import ClosedRoom
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text import names
from twisted_chat.core.users.session import Role
from twisted_chat.protocols.irc import welcome
from twisted_chat.protocols.irc.commands.table import verb
from twisted_chat.protocols.irc.connection import IrcConnection
from twisted_chat.protocols.irc.wire.numerics import Numeric
from twisted_chat.protocols.irc.wire.parameters import parse_list

CLOSED = {
    "invite-only": Numeric.ERR_INVITEONLYCHAN,
    "registered": Numeric.ERR_NEEDREGGEDNICK,
    "encrypted": Numeric.ERR_BADCHANNELKEY,
    "key": Numeric.ERR_BADCHANNELKEY,
    "limit": Numeric.ERR_CHANNELISFULL,
    "private": Numeric.ERR_NOSUCHCHANNEL,
}


def find(irc: IrcConnection, channel: str) -> Room | None:
    """Return the room of this name, if the client may know of it. A name without ``#`` is no room."""
    if not channel.startswith("#"):
        return None
    try:
        return irc.factory.hub.room(channel, irc.session)
    except (BadName, NotInRoom):
        return None


def looked_into(irc: IrcConnection, channel: str) -> Room | None:
    """Return the room of this name, if the client may know its members and topic."""
    room = find(irc, channel)
    return room if room is not None and irc.factory.hub.access.may_look(irc.session, room) else None


def mine(irc: IrcConnection, channel: str) -> Room | None:
    """Return the room of this name if the client is in it; otherwise send an error."""
    room = find(irc, channel)
    if room is None:
        irc.reply(Numeric.ERR_NOSUCHCHANNEL, channel)
    elif room.key not in irc.session.rooms:
        irc.reply(Numeric.ERR_NOTONCHANNEL, channel)
        return None
    return room


@verb("JOIN", 1)
async def join(irc: IrcConnection, params: Sequence[str]) -> None:
    """Come into rooms."""
    if params[0] == "0":
        for room in list(irc.session.rooms.values()):
            await _part(irc, room, "")
        return
    keys = params[1].split(",") if len(params) > 1 else []
    for at, channel in enumerate(params[0].split(",")):
        if channel:
            await _join(irc, channel, keys[at] if at < len(keys) else "")


async def _join(irc: IrcConnection, channel: str, key: str) -> None:
    if not channel.startswith("#"):
        irc.reply(Numeric.ERR_NOSUCHCHANNEL, channel)
        return
    try:
        if names.room(channel) not in irc.session.rooms:
            await irc.do("join", channel, *([key] if key else []))
    except BadName as error:
        irc.reply(Numeric.ERR_NOSUCHCHANNEL, channel, text=str(error))
    except TooManyRooms as error:
        irc.reply(Numeric.ERR_TOOMANYCHANNELS, channel, text=str(error))
    except Banned as error:
        irc.reply(Numeric.ERR_BANNEDFROMCHAN, channel, text=str(error))
    except ClosedRoom as error:
        irc.reply(CLOSED[error.why], channel, text=str(error) if error.why == "private" else f"Cannot join channel: {error}")


@verb("PART", 1)
async def part(irc: IrcConnection, params: Sequence[str]) -> None:
    """Go from rooms."""
    for channel in params[0].split(","):
        room = mine(irc, channel) if channel else None
        if room is not None:
            await _part(irc, room, params[1] if len(params) > 1 else "")


async def _part(irc: IrcConnection, room: Room, reason: str) -> None:
    irc.own(await irc.do("leave", room.key, *([reason] if reason.strip() else []), room=room))
    if room.key in irc.shown_rooms:  # another connection of this user is still there
        irc.shown_rooms.discard(room.key)
        irc.send("PART", room.key, source=irc.people.source(irc.session.name))


@verb("NAMES")
def show_names(irc: IrcConnection, params: Sequence[str]) -> None:
    """Tell who is in rooms; without parameters, in those one may know of, as far as that is not too much."""
    irc.look("names")
    if params:
        channels = params[0].split(",")[: welcome.MOST_TARGETS]
        rooms = [room for room in (looked_into(irc, channel) for channel in channels) if room is not None]
        shown = rooms[0].key if len(channels) == 1 and rooms else ",".join(channels)
    else:
        rooms, shown = _rooms_with_people(irc), "*"
    for room in rooms:
        welcome.names(irc, room)
    irc.reply(Numeric.RPL_ENDOFNAMES, shown)


def _rooms_with_people(irc: IrcConnection) -> list[Room]:
    """Return rooms that the client may know of, until they have `welcome.MOST_PEOPLE` people."""
    rooms: list[Room] = []
    access = irc.factory.hub.access
    for room in irc.factory.hub.rooms_seen_by(irc.session):
        if room.readers and access.may_look(irc.session, room):
            rooms.append(room)
        if sum(room.size for room in rooms) >= welcome.MOST_PEOPLE:
            break
    return rooms


@verb("TOPIC", 1, orders=True)
async def topic(irc: IrcConnection, params: Sequence[str]) -> None:
    """Say what a room is about, or ask."""
    room = find(irc, params[0])
    if room is None:
        irc.reply(Numeric.ERR_NOSUCHCHANNEL, params[0])
    elif len(params) == 1:
        if looked_into(irc, params[0]) is None:
            irc.reply(Numeric.ERR_NOTONCHANNEL, params[0])
        elif room.topic:
            welcome.topic(irc, room)
        else:
            irc.reply(Numeric.RPL_NOTOPIC, room.key)
    elif mine(irc, params[0]) is not None:
        try:
            irc.own(await irc.do("topic", room.key, params[1], room=room))
        except NotAllowed as error:
            irc.reply(Numeric.ERR_CHANOPRIVSNEEDED, room.key, text=str(error))
        except (Banned, BadText) as error:
            irc.reply(Numeric.ERR_CANNOTSENDTOCHAN, room.key, text=str(error))


@verb("KICK", 2, orders=True)
async def kick(irc: IrcConnection, params: Sequence[str]) -> None:
    """Send people out of a room."""
    channels, people = params[0].split(","), params[1].split(",")
    if len(channels) == 1:
        channels *= len(people)
    if len(channels) != len(people):
        irc.reply(Numeric.ERR_NEEDMOREPARAMS, "KICK")
        return
    for channel, name in zip(channels, people, strict=True):
        await _kick(irc, channel, name, params[2] if len(params) > 2 else "")


async def _kick(irc: IrcConnection, channel: str, name: str, reason: str) -> None:
    room = mine(irc, channel)
    if room is None:
        return
    try:
        irc.own(await irc.do("kick", name, *([reason] if reason.strip() else []), room=room))
    except NoSuchPerson as error:
        irc.reply(Numeric.ERR_USERNOTINCHANNEL, name, room.key, text=str(error))
    except NotAllowed as error:
        irc.reply(Numeric.ERR_CHANOPRIVSNEEDED, room.key, text=str(error))


@verb("INVITE")
async def invite(irc: IrcConnection, params: Sequence[str]) -> None:
    """Ask somebody into a room; without parameters, tell where one is asked in."""
    if not params:
        for key in sorted(irc.session.invited):
            irc.reply(Numeric.RPL_INVITELIST, key)
        irc.reply(Numeric.RPL_ENDOFINVITELIST)
        return
    if len(params) < 2:
        irc.reply(Numeric.ERR_NEEDMOREPARAMS, "INVITE")
        return
    other = irc.people.here(params[0])
    room = mine(irc, params[1]) if other is not None else None
    if other is None:
        irc.reply(Numeric.ERR_NOSUCHNICK, params[0])
    elif room is not None and room.has(other.key):
        irc.reply(Numeric.ERR_USERONCHANNEL, other.name, room.key)
    elif room is not None:
        try:
            await irc.do("invite", other.name, room=room)
        except Banned as error:
            irc.reply(Numeric.ERR_CANNOTSENDTOCHAN, other.name, text=str(error))
        except NotAllowed as error:
            irc.reply(Numeric.ERR_CHANOPRIVSNEEDED, room.key, text=str(error))
        else:
            irc.reply(Numeric.RPL_INVITING, other.name, room.key)
            if other.away is not None:
                irc.reply(Numeric.RPL_AWAY, other.name, other.away)


@verb("LIST")
def list_rooms(irc: IrcConnection, params: Sequence[str]) -> None:
    """List the rooms that somebody is in, as far as one may know of them."""
    irc.look("rooms")
    hub, now = irc.factory.hub, irc.factory.hub.now()
    conditions = parse_list(params)
    irc.reply(Numeric.RPL_LISTSTART)
    for room in hub.rooms_seen_by(irc.session):
        people, knows = room.size, hub.access.may_look(irc.session, room)
        created = now - room.record.created if knows else None
        topic_age = now - (room.topic_at or room.record.created) if knows and room.topic else None
        if people and conditions.match(room.key, people, created, topic_age):
            irc.reply(Numeric.RPL_LIST, room.key, people, room.topic if knows else "")
    irc.reply(Numeric.RPL_LISTEND)


def rules(irc: IrcConnection, room: Room) -> bool:
    """Return True if the client is an operator of a room."""
    return permissions.role(irc.session, room, irc.factory.hub.operators) >= Role.MODERATOR
