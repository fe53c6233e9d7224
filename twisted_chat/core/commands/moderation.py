"""Moderation of people and messages by operators of rooms and of the server.

1. An action in a room concerns only the people in that room: only they hear of it, and no answer depends on other people.
2. A command acts in the current room, in the room it names, or, if a server operator names ``*``, on the whole server.
3. Only server operators may name and see addresses and networks. Other people see an address's host instead.
4. An operator cannot ban or mute a person of the same or a higher rank in the room, or end a restriction made by a higher
   rank.
"""

from __future__ import annotations

from twisted_chat.core.command_table.table import Call, table
from twisted_chat.core.commands.room_settings import note
from twisted_chat.core.commands.rooms import mine
from twisted_chat.core.errors import ChatError, NoSuchPerson, NotAllowed
from twisted_chat.core.events import Changed, Deleted, Listing, Remark
from twisted_chat.core.hub.hub import Hub
from twisted_chat.core.records import UNRANKED, Sanction
from twisted_chat.core.rooms import permissions
from twisted_chat.core.rooms.bans import SERVER, hits, is_address, named, target
from twisted_chat.core.rooms.members import sessions_in
from twisted_chat.core.rooms.restriction_index import plain_address
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text import durations, names
from twisted_chat.core.text.hostmask import is_mask
from twisted_chat.core.users.session import Role, Session

# The number of bans and mutes listed at once.
LISTED_AT_ONCE = 200


@table.command("kick", "NAME [REASON...]", role=Role.MODERATOR)
def kick(call: Call, name: str, reason: str = "") -> None:
    """Send somebody out of this room. They may come back."""
    room = mine(call)
    key = names.fold(name)
    if not room.has(key):
        raise NoSuchPerson(f"Nobody called {names.shown(name)} is in {room.key}.")
    _not_oneself(call, key)
    _outrank(call, room, call.hub.person(name))
    reason = call.sentence(reason)
    call.hub.kick(call.me, room, key, reason)
    note(call, room, f"kicked {key}" + (f": {reason}" if reason else ""))


@table.command("disconnect", "NAME [REASON...]", role=Role.OPERATOR)
def disconnect(call: Call, name: str, reason: str = "") -> None:
    """End all connections of somebody. They may come back."""
    hub, other = call.hub, call.hub.person(name)
    reason = call.sentence(reason)
    hub.save(hub.note(call.me.key, "", f"disconnected {other.key}" + (f": {reason}" if reason else "")))
    for session in tuple(hub.people[other.key]):
        session.outlet.close(f"{call.me.name} has ended this connection" + (f": {reason}" if reason else "."))
        hub.leave(session, f"disconnected by {call.me.name}" + (f": {reason}" if reason else ""))


@table.command("ban", "[ROOM|*] NAME|MASK|ADDRESS|CIDR [DURATION] [REASON...]", role=Role.MODERATOR)
def ban(call: Call, place: str | None, whom: str, length: float | None = None, reason: str = "") -> None:
    """Keep somebody out of this room, for a while (10m, 2h, 3d) or for good. A server operator names * for the whole server,
    and may name an address or a network. People already inside who match a mask, such as ann!*@*, stay, but cannot post."""
    _restrict(call, "ban", place, whom, length, reason)


@table.command("mute", "[ROOM|*] NAME|MASK|ADDRESS|CIDR [DURATION] [REASON...]", role=Role.MODERATOR)
def mute(call: Call, place: str | None, whom: str, length: float | None = None, reason: str = "") -> None:
    """Let somebody read but not post in this room, for a while or for good. They are told why. For * and addresses see ban."""
    _restrict(call, "mute", place, whom, length, reason)


@table.command("unban", "[ROOM|*] NAME|MASK|ADDRESS|CIDR", role=Role.MODERATOR)
async def unban(call: Call, place: str | None, whom: str) -> None:
    """End a ban of this room; a server operator names * for one of the whole server."""
    await _lift(call, "ban", place, whom)


@table.command("unmute", "[ROOM|*] NAME|MASK|ADDRESS|CIDR", role=Role.MODERATOR)
async def unmute(call: Call, place: str | None, whom: str) -> None:
    """Let somebody post again in this room; a server operator names * for the whole server."""
    await _lift(call, "mute", place, whom)


@table.command("bans", "[ROOM|*]", role=Role.MODERATOR, looks_up=True)
def bans(call: Call, place: str | None = None) -> None:
    """List the bans and mutes of this room: of whom, by whom, since and until when, and why. * lists those of the server."""
    hub, now = call.hub, call.hub.now()
    room = _place(call, place)
    standing = hub.admission.sanctions.standing(room.key if room else SERVER, now)
    rows = tuple(
        (
            one.kind,
            shown_target(hub, one, call.role),
            one.room or "everywhere",
            one.by,
            f"{durations.words(now - one.at)} ago",
            f"{durations.words(one.until - now)} left" if one.until else "for good",
            one.reason,
        )
        for one in standing[-LISTED_AT_ONCE:]
    )
    call.reply(Listing("bans", ("what", "whom", "where", "by", "since", "until", "why"), rows))
    if len(standing) > LISTED_AT_ONCE:
        call.reply(Remark(f"These are the latest {LISTED_AT_ONCE} of {len(standing)}."))


@table.command("delete", "NUMBER", role=Role.MODERATOR)
async def delete(call: Call, seq: int) -> None:
    """Take the text of a message out of the history. /set numbers on shows the numbers."""
    hub, me = call.hub, call.me
    rooms = [mine(call)] if call.role < Role.OPERATOR else list(hub.rooms.values())
    there = {room.key: room for room in rooms}
    event = await hub.queries.redact(me, seq, rooms)
    if event is None:
        raise NoSuchMessage(f"There is no message {seq} in {', '.join(room.key for room in rooms[:3])}.")
    if hub.rooms.get(event.room) is there[event.room]:  # it may have ended and been created again during the write
        hub.show(lambda new, time: Deleted(new, time, event.room, me.name, event.seq, me.id))
    note(call, there[event.room], f"deleted message {event.seq} of {event.author}")


class NoSuchMessage(ChatError):
    """The error for a number without a message here."""

    code = "no-such-message"


def _restrict(call: Call, kind: str, place: str | None, named_as: str, length: float | None, reason: str) -> None:
    hub, now, sanctions = call.hub, call.hub.now(), call.hub.admission.sanctions
    room = _place(call, place)
    whom = _target(call, named_as)
    reason = call.sentence(reason)
    hit = _hit(call, room, whom)
    _check_rank(call, kind, room, whom, hit)
    where = room.key if room else SERVER
    earlier = sanctions.same(kind, where, whom, now)
    _check_makers(call, kind, earlier)
    if not earlier:
        sanctions.check_space(where, call.me.key, whom)
    for one in earlier:
        sanctions.remove(one)
    sanction = Sanction(
        id=sanctions.next_id(),
        kind=kind,
        room=where,
        target=whom,
        by=call.me.key,
        at=now,
        until=None if length is None else now + length,
        reason=reason,
        rank=call.role,
    )
    sanctions.add(sanction)
    for_how_long = f" for {durations.words(length)}" if length is not None else ""
    what = f"{'banned' if kind == 'ban' else 'muted'} {whom}{for_how_long}" + (f": {reason}" if reason else "")
    hub.start(hub.records.remove(*earlier))
    if room is None or room.kept:
        hub.save(sanction)
    if room is not None and kind == "ban":
        _show(call, room, what, "+", whom)
    note(call, room, what)
    advice = _advice(call, kind, hit)
    for session in hit:
        _carry_out(call, kind, room, session, reason)
    if room is not None and kind == "ban":
        hub.closed_rooms.banned(room, whom)
        hub.grants.shut_out(whom, room)
    elif kind == "ban":
        for key in {whom, *(session.key for session in hit)}:
            hub.banned(key)
    call.reply(Remark(f"Done: {what} ({where or 'the whole server'}).{advice}"))


def _target(call: Call, text: str) -> str:
    """Return the target of a restriction. Raises `BadName`, or `NotAllowed` if a room operator names an address: otherwise
    room operators could find out people's addresses by trial."""
    whom = target(text)
    if is_address(whom) and call.role < Role.OPERATOR:
        raise NotAllowed("Only server operators may name addresses. Name a person, or a host as /whois shows it: @0123456789")
    return whom


def _check_rank(call: Call, kind: str, room: Room | None, whom: str, hit: list[Session]) -> None:
    """Raise `NotAllowed` if the target includes a person whom the caller may not restrict.

    In a room this checks only people inside and people named by the room's record: the answer reveals nothing about others.
    """
    _not_oneself(call, whom)
    for session in hit:
        _not_oneself(call, session.key)
    if room is None:
        kept = [session.name for session in hit if permissions.is_operator(session, call.hub.operators)]
        kept += [whom] if whom in call.hub.operators else []
    else:
        kept = [session.name for session in hit if call.hub.role(session, room) >= call.role]
        kept += [whom] if permissions.rank_of(whom, room) >= call.role else []
    if kept:
        raise NotAllowed(f"You cannot {kind} {kept[0]}.")


def _check_makers(call: Call, kind: str, made: list[Sanction]) -> None:
    """Raise `NotAllowed` if a higher rank has made one of these: otherwise an operator could end a mute by the owner."""
    if any(call.role < one.rank != UNRANKED for one in made):
        raise NotAllowed(f"That {kind} was made by somebody of a higher rank. Ask them to end it.")


def shown_target(hub: Hub, one: Sanction, role: Role) -> str:
    """Return a restriction's target as this role may see it: a host instead of an address."""
    return one.target if role is Role.OPERATOR or not is_address(one.target) else f"*!*@{hub.cloak(one.target)}"


def _show(call: Call, room: Room, what: str, sign: str, whom: str) -> None:
    """Announce a ban in its room, unless that would reveal an address."""
    hub, me = call.hub, call.me
    if not is_address(whom):
        hub.show(lambda seq, time: Changed(seq, time, room.key, me.name, what, ((sign, "bans", whom),), me.id))


def _carry_out(call: Call, kind: str, room: Room | None, session: Session, reason: str) -> None:
    why = f": {reason}" if reason else "."
    if kind == "mute":
        session.inform(Remark(f"You can't speak {'in ' + room.key if room else 'here'} now{why}"))
    elif room is None:
        session.outlet.close(f"You are banned{why}")
        call.hub.leave(session, "banned")
    elif room.key in session.rooms:
        call.hub.kick(call.me, room, session.key, reason or "banned")


def _advice(call: Call, kind: str, hit: list[Session]) -> str:
    """Return advice to ban a guest's host or address, as guests can change names. Empty for loopback, which many share."""
    where = plain_address(hit[0].way.address) if hit else None
    if where is None or kind != "ban" or hit[0].registered or where.is_loopback:
        return ""
    if call.role is Role.OPERATOR:
        return f" A guest can take another name; this one came from {where}."
    return f" A guest can take another name; this one's host is {hit[0].host}: /ban @{hit[0].host}"


async def _lift(call: Call, kind: str, place: str | None, named_as: str) -> None:
    hub, sanctions = call.hub, call.hub.admission.sanctions
    room = _place(call, place)
    whom, where = named(named_as), room.key if room else SERVER
    if is_address(whom):
        whom = _target(call, named_as)
    lifted = [
        one
        for one in sanctions.standing(where, hub.now())
        if one.kind == kind and whom in (one.target, shown_target(hub, one, call.role))
    ]
    if not lifted:
        raise NoSuchPerson(f"There is no {kind} of {names.shown(named_as)} {'in ' + where if where else 'on the server'}.")
    _check_makers(call, kind, lifted)
    for one in lifted:
        sanctions.remove(one)
    done = f"ended the {kind} of {whom}"
    if room is not None and kind == "ban":
        _show(call, room, done, "-", whom)
    note(call, room, f"ended the {kind} of {', '.join(one.target for one in lifted)}")
    await hub.records.remove(*lifted)
    call.reply(Remark(f"Done: the {kind} of {whom} is ended."))


def _place(call: Call, place: str | None) -> Room | None:
    """Return the room where a restriction applies (None: everywhere). Raises `NotInRoom`.

    The call already holds the named room or server and has checked the right to act there: see `core.command_table.table`.
    """
    if call.everywhere:
        return None
    return mine(call) if place is None else call.room


def _hit(call: Call, room: Room | None, whom: str) -> list[Session]:
    """Return the sessions hit at once by a restriction. In a room, these are members hit by name or address, not by mask."""
    if room is None:
        sessions = [session for sessions in call.hub.people.values() for session in sessions]
    else:
        sessions = [] if is_mask(whom) else list(sessions_in(room))
    return [one for one in sessions if hits(whom, one.key, one.masks(), one.way.address)]


def _not_oneself(call: Call, key: str) -> None:
    if key == call.me.key:
        raise NotAllowed("That would hit yourself.")


def _outrank(call: Call, room: Room, other: Session) -> None:
    theirs = max(call.hub.role(session, room) for session in sessions_in(room) if session.key == other.key)
    if call.role < Role.OPERATOR and theirs >= call.role and (room.lasts or theirs is Role.OPERATOR):
        raise NotAllowed(f"{other.name} is an operator here, too.")
