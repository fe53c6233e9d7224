"""What operators of rooms and of the server do about people and messages.

An operator of the server acts on the whole server, unless a room is named; anybody else on this room.
"""

from __future__ import annotations

from twisted_chat.core import durations, names, rights
from twisted_chat.core.builtin.policies import note
from twisted_chat.core.builtin.reading import number
from twisted_chat.core.builtin.rooms import mine
from twisted_chat.core.builtin.table import table
from twisted_chat.core.commands import Call
from twisted_chat.core.errors import ChatError, NoSuchPerson, NotAllowed, NotUnderstood
from twisted_chat.core.events import Changed, Deleted, Listing, Remark
from twisted_chat.core.masks import is_mask
from twisted_chat.core.records import Sanction
from twisted_chat.core.room import Room
from twisted_chat.core.sanctions import hits, is_address, named, target
from twisted_chat.core.session import Role, Session
from twisted_chat.core.text import as_reason

# How many bans and mutes a room has at the most.
MOST_SANCTIONS = 100


@table.command("kick", "NAME [REASON...]", role=Role.MODERATOR)
def kick(call: Call, name: str, reason: str = "") -> None:
    """Send somebody out of this room. They may come back."""
    room = mine(call)
    key = names.fold(name)
    if not room.has(key):
        raise NoSuchPerson(f"Nobody called {names.shown(name)} is in {room.key}.")
    _not_oneself(call, key)
    _outrank(call, room, call.hub.person(name))
    reason = as_reason(reason)
    call.hub.kick(call.me, room, key, reason)
    note(call, room, f"kicked {key}" + (f": {reason}" if reason else ""))


@table.command("disconnect", "NAME [REASON...]", role=Role.OPERATOR)
def disconnect(call: Call, name: str, reason: str = "") -> None:
    """End all connections of somebody. They may come back."""
    hub, other = call.hub, call.hub.person(name)
    reason = as_reason(reason)
    hub.save(hub.note(call.me.key, "", f"disconnected {other.key}" + (f": {reason}" if reason else "")))
    for session in tuple(hub.people[other.key]):
        session.outlet.close(f"{call.me.name} has ended this connection" + (f": {reason}" if reason else "."))
        hub.leave(session, f"disconnected by {call.me.name}" + (f": {reason}" if reason else ""))


@table.command("ban", "[ROOM] NAME|MASK|ADDRESS|CIDR [DURATION] [REASON...]", role=Role.MODERATOR)
def ban(call: Call, *words: str) -> None:
    """Let somebody come in no more: a name, an address or a network; for a while (10m, 2h, 3d), or for good.
    Whom a mask as ann!*@* bans from a room, and who is there, stays, but can't speak."""
    _sanction(call, "ban", list(words))


@table.command("mute", "[ROOM] NAME|MASK|ADDRESS|CIDR [DURATION] [REASON...]", role=Role.MODERATOR)
def mute(call: Call, *words: str) -> None:
    """Let somebody read but not speak, for a while or for good. They are told why."""
    _sanction(call, "mute", list(words))


@table.command("unban", "[ROOM] NAME|MASK|ADDRESS|CIDR", role=Role.MODERATOR)
async def unban(call: Call, *words: str) -> None:
    """End a ban."""
    await _lift(call, "ban", list(words))


@table.command("unmute", "[ROOM] NAME|MASK|ADDRESS|CIDR", role=Role.MODERATOR)
async def unmute(call: Call, *words: str) -> None:
    """Let somebody speak again."""
    await _lift(call, "mute", list(words))


@table.command("bans", "[ROOM]", role=Role.MODERATOR, looks_up=True)
def bans(call: Call, room: str | None = None) -> None:
    """List bans and mutes: of whom, by whom, since and until when, and why."""
    hub, now = call.hub, call.hub.now()
    where = "" if room is None and call.role is Role.OPERATOR else mine(call, room).key
    standing = [one for kind in ("ban", "mute") for one in hub.admission.sanctions.standing(kind, where, now)]
    if not where:
        standing = [one for one in hub.admission.sanctions.all.values() if one.until is None or one.until > now]
    rows = tuple(
        (
            one.kind,
            one.target,
            one.room or "everywhere",
            one.by,
            f"{durations.words(now - one.at)} ago",
            f"{durations.words(one.until - now)} left" if one.until else "for good",
            one.reason,
        )
        for one in sorted(standing, key=lambda one: one.id)
    )
    call.reply(Listing("bans", ("what", "whom", "where", "by", "since", "until", "why"), rows))


@table.command("delete", "NUMBER", role=Role.MODERATOR)
async def delete(call: Call, seq: str) -> None:
    """Take the text of a message out of the history. /set numbers on shows the numbers."""
    hub, me = call.hub, call.me
    rooms = [mine(call).key] if call.role < Role.OPERATOR else list(hub.rooms)
    event = await hub.log.erase(number(seq.removeprefix("#")), rooms)
    if event is None:
        raise NoSuchMessage(f"There is no message {names.shown(seq)} in {', '.join(rooms[:3])}.")
    hub.show(lambda new, time: Deleted(new, time, event.room, me.name, event.seq, me.id))
    note(call, hub.rooms.get(event.room), f"deleted message {event.seq} of {event.author}")


class NoSuchMessage(ChatError):
    """There is no message of this number here."""

    code = "no-such-message"


def _sanction(call: Call, kind: str, words: list[str]) -> None:
    hub, now = call.hub, call.hub.now()
    room, words = _place(call, words)
    if not words:
        raise NotUnderstood(f"Usage: {call.table.find(kind).usage}")
    whom = target(words.pop(0))
    length = durations.seconds(words[0]) if words else None
    if length is not None:
        words.pop(0)
    where = room.key if room else ""
    hit = [] if room is not None and is_mask(whom) else _hit(call, whom)
    for session in hit:
        _not_oneself(call, session.key)
        if rights.is_operator(session, hub.operators) or (room is not None and hub.role(session, room) >= call.role):
            raise NotAllowed(f"{session.name} can't be kept out by you.")
    if whom in hub.operators or (room is not None and whom == room.record.owner and call.role < Role.OPERATOR):
        raise NotAllowed(f"{whom} can't be kept out by you.")
    if room is not None and sum(one.room == where for one in hub.admission.sanctions.all.values()) >= MOST_SANCTIONS:
        raise NotAllowed(f"There are {MOST_SANCTIONS} bans and mutes in {where} already.")
    reason = as_reason(" ".join(words))
    sanction = Sanction(
        id=hub.admission.sanctions.next_id(),
        kind=kind,
        room=where,
        target=whom,
        by=call.me.key,
        at=now,
        until=None if length is None else now + length,
        reason=reason,
    )
    expired = hub.admission.sanctions.expired(now)
    for one in expired:
        del hub.admission.sanctions.all[one.id]
    hub.start(hub.records.remove(*expired))
    hub.admission.sanctions.all[sanction.id] = sanction
    for_how_long = f" for {durations.words(length)}" if length is not None else ""
    what = f"{'banned' if kind == 'ban' else 'muted'} {whom}{for_how_long}" + (f": {reason}" if reason else "")
    if room is None or room.lasts:
        hub.save(sanction)
    if room is not None and kind == "ban":
        _show(call, room, what, "+", whom)
    note(call, room, what)
    for session in hit:
        _carry_out(call, kind, room, session, reason)
    call.reply(Remark(f"Done: {what} ({where or 'the whole server'}).{_advice(call, kind, whom)}"))


def _show(call: Call, room: Room, what: str, sign: str, whom: str) -> None:
    """Tell a room of a ban, unless that would tell an address."""
    hub, me = call.hub, call.me
    if "!" in whom or not is_address(whom):
        hub.show(lambda seq, time: Changed(seq, time, room.key, me.name, what, ((sign, "bans", whom),), me.id))


def _carry_out(call: Call, kind: str, room: Room | None, session: Session, reason: str) -> None:
    why = f": {reason}" if reason else "."
    if kind == "mute":
        session.tell(Remark(f"You can't speak {'in ' + room.key if room else 'here'} now{why}"))
    elif room is None:
        session.outlet.close(f"You are banned{why}")
        call.hub.leave(session, "banned")
    elif room.key in session.rooms:
        call.hub.kick(call.me, room, session.key, reason or "banned")


def _advice(call: Call, kind: str, whom: str) -> str:
    """A guest can take another name: say which address the one banned comes from, to those who may know."""
    here = call.hub.people.get(whom, ())
    if kind == "ban" and call.role is Role.OPERATOR and here and not here[0].registered and here[0].way.address:
        return f" A guest can take another name; this one came from {here[0].way.address}."
    return ""


async def _lift(call: Call, kind: str, words: list[str]) -> None:
    hub = call.hub
    room, words = _place(call, words)
    if len(words) != 1:
        raise NotUnderstood(f"Usage: {call.table.find('un' + kind).usage}")
    whom, where = named(words[0]), room.key if room else ""
    lifted = [one for one in hub.admission.sanctions.all.values() if (one.kind, one.target, one.room) == (kind, whom, where)]
    if not lifted:
        raise NoSuchPerson(f"There is no {kind} of {names.shown(words[0])} {'in ' + where if where else 'on the server'}.")
    for one in lifted:
        del hub.admission.sanctions.all[one.id]
    done = f"ended the {kind} of {whom}"
    if room is not None and kind == "ban":
        _show(call, room, done, "-", whom)
    note(call, room, done)
    await hub.records.remove(*lifted)
    call.reply(Remark(f"Done: the {kind} of {whom} is ended."))


def _place(call: Call, words: list[str]) -> tuple[Room | None, list[str]]:
    """Where a sanction counts (None: everywhere), and the words that follow."""
    if words and words[0].startswith("#"):
        room = call.hub.room(words[0], call.me)
        if call.hub.role(call.me, room) < Role.MODERATOR:
            raise NotAllowed(f"Only an operator of {room.key} may do that.")
        return room, words[1:]
    return (None if call.role is Role.OPERATOR else mine(call)), words


def _hit(call: Call, whom: str) -> list[Session]:
    everybody = [session for sessions in call.hub.people.values() for session in sessions]
    return [one for one in everybody if hits(whom, one.key, one.mask(), one.way.address)]


def _not_oneself(call: Call, key: str) -> None:
    if key == call.me.key:
        raise NotAllowed("That would hit yourself.")


def _outrank(call: Call, room: Room, other: Session) -> None:
    theirs = call.hub.role(other, room)
    if call.role < Role.OPERATOR and theirs >= call.role and (room.lasts or theirs is Role.OPERATOR):
        raise NotAllowed(f"{other.name} is an operator here, too.")
