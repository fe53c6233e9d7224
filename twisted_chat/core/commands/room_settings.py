"""A room's policy, its operators and the people with a voice."""

from __future__ import annotations

from twisted_chat.core.command_table.arguments import number
from twisted_chat.core.command_table.table import Call, table
from twisted_chat.core.commands.rooms import mine
from twisted_chat.core.errors import NoSuchPerson, NotAllowed, NotUnderstood
from twisted_chat.core.events import Changed, Listing, Remark
from twisted_chat.core.records import SERVER
from twisted_chat.core.rooms import permissions
from twisted_chat.core.rooms.members import people_in, sessions_in
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text import hostmask, names
from twisted_chat.core.text.sanitize import as_key, clean
from twisted_chat.core.users.session import Role

# The largest limit of a room, and the most masks in each of its lists.
HIGHEST_LIMIT, MOST_MASKS = 9999, 100
# The most registered names that are operators of a room, or have a voice there.
MOST_RAISED = 500
# The on/off settings: the field of `records.Policy`, and the words for an operator who turns it on or off.
FLAGS = {
    "private": ("private", "made the room private", "made the room public"),
    "invite-only": ("invite_only", "opened the room only to those who are invited", "opened the room to the uninvited"),
    "registered": ("registered", "opened the room only to registered names", "opened the room to guests"),
    "encrypted": ("encrypted", "opened the room only to encrypted connections", "opened the room to connections in clear"),
    "moderated": ("moderated", "let only operators and those with a voice speak", "let everybody here speak"),
    "outsiders": ("outsiders", "let those speak who are not in the room", "let only those speak who are in the room"),
    "topic-locked": ("topic_locked", "let only operators say what it is about", "let everybody say what it is about"),
}

# The fields of `records.Policy` that restrict joining.
ENTRY = ("key", "limit", "invite_only", "registered", "encrypted")

Done = tuple[str, tuple[tuple[str, str, str], ...]]


@table.command("room", "[POLICY] [VALUE]")
def policy(call: Call, what: str | None = None, value: str | None = None) -> None:
    """Show this room's policy; its operator sets private, invite-only, registered, encrypted, moderated, outsiders or
    topic-locked on|off, key KEY, limit N, or, for all of who may come in, open."""
    room = mine(call)
    if what is None:
        call.reply(Listing("policy", ("what", "value"), described(call, room)))
        return
    call.require(Role.MODERATOR)
    what = what.lower()
    if what == "public" and value is None:
        what, value = "private", "off"
    if what == "encrypted" and value != "off" and not call.me.way.encrypted:
        raise NotAllowed("You are not encrypted yourself.")
    before = room.policy
    done, changes = _set(room, what, value)
    if room.policy != before:
        if room.policy.closed and not before.closed:
            call.hub.grants.withdraw(room)
        change(call, room, done, *changes)
    else:
        call.reply(Remark("That is so already."))
    for session in tuple(sessions_in(room)):
        if permissions.exposed(session, room):
            call.hub.part(session, room, "not encrypted")
            session.tell(Remark(f"{room.key} is open only to encrypted connections now: you are out."))


def _set(room: Room, what: str, value: str | None) -> Done:
    match what, value:
        case flag, None | "on" | "off" if flag in FLAGS:
            member, on, off = FLAGS[flag]
            room.change(**{member: value != "off"})
            return (off, (("-", member, ""),)) if value == "off" else (on, (("+", member, ""),))
        case "key", None:
            room.change(key="")
            return "took the room's key away", (("-", "key", ""),)
        case "key", str(key) if as_key(key):
            room.change(key=as_key(key))
            return "gave the room a key", (("+", "key", ""),)
        case "limit", None | "off":
            room.change(limit=0)
            return "opened the room to any number", (("-", "limit", ""),)
        case "limit", str(word) if limit := number(word, 1, HIGHEST_LIMIT):
            room.change(limit=limit)
            return f"limited the room to {limit}", (("+", "limit", str(limit)),)
        case "open", None:
            closed = [member for member in ENTRY if getattr(room.policy, member)]
            room.change(key="", limit=0, invite_only=False, registered=False, encrypted=False)
            return "opened the room to everybody", tuple(("-", member, "") for member in closed)
    raise NotUnderstood(f"/room takes {', '.join(FLAGS)} (each on or off), public, key KEY, limit N, or open.")


@table.command("slow", "SECONDS", role=Role.MODERATOR, within=(0, 3600))
def slow(call: Call, seconds: float) -> None:
    """Let everybody in this room speak only once in so many seconds; 0 ends it."""
    room = mine(call)
    room.change(slow=seconds)
    room.spoken.clear()
    done = f"made the room slow: one message in {seconds:.0f} s" if seconds else "ended the slowness"
    change(call, room, done, ("+" if seconds else "-", "slow", f"{seconds:.0f}" if seconds else ""))


@table.command("op", "NAME", role=Role.OWNER)
def op(call: Call, name: str) -> None:
    """Make somebody an operator of this room: a registered person for good, a guest as long as they are here."""
    _raise(call, name, "operators", mine(call).granted, "made {} an operator")


@table.command("deop", "NAME", role=Role.MODERATOR)
def deop(call: Call, name: str) -> None:
    """Take the operator's rights of this room from somebody, or from yourself."""
    room = mine(call)
    if names.fold(name) != call.me.key:
        call.require(Role.OWNER)
    _lower(call, name, "operators", room.granted, f"is no operator of {room.key}", "took the operator's rights from {}")


@table.command("voice", "NAME", role=Role.MODERATOR)
def voice(call: Call, name: str) -> None:
    """Let somebody speak in this room while it is moderated: a registered person for good, a guest as long as they are here."""
    _raise(call, name, "voices", mine(call).voiced, "gave {} a voice")


@table.command("devoice", "NAME", role=Role.MODERATOR)
def devoice(call: Call, name: str) -> None:
    """Take the voice from somebody."""
    room = mine(call)
    _lower(call, name, "voices", room.voiced, f"has no voice in {room.key}", "took the voice from {}")


def _raise(call: Call, name: str, member: str, guests: set[str], done: str) -> None:
    """Give a person a role: add a registered name to the policy's field ``member``, and any other to ``guests``."""
    room, key = mine(call), names.fold(name)
    shown = _known(call, room, name)
    there: tuple[str, ...] = getattr(room.policy, member)
    if key in there or (key in guests and key not in call.hub.registry.accounts):
        return
    if key in call.hub.registry.accounts:
        if len(there) >= MOST_RAISED:
            raise NotAllowed(f"{room.key} has {MOST_RAISED} such people already. Take it from one of them first.")
        room.change(**{member: (*there, key)})
    else:
        guests.add(key)
    change(call, room, done.format(shown), ("+", member, shown))


def _lower(call: Call, name: str, member: str, guests: set[str], lacking: str, done: str) -> None:
    """Take a role from a person. Raises `NoSuchPerson` if the person does not have it."""
    room, key = mine(call), names.fold(name)
    there: tuple[str, ...] = getattr(room.policy, member)
    if key not in there and key not in guests:
        raise NoSuchPerson(f"{names.shown(name)} {lacking}.")
    shown = _shown(call, key)
    guests.discard(key)
    room.change(**{member: tuple(one for one in there if one != key)})
    change(call, room, done.format(shown), ("-", member, shown))
    if member == "operators":
        call.hub.grants.lost(key, room)


def _known(call: Call, room: Room, name: str) -> str:
    """Return the shown name of a person who is registered or here. Raises `NoSuchPerson`."""
    key = names.fold(name)
    if key not in call.hub.registry.accounts and not room.has(key):
        raise NoSuchPerson(f"{names.shown(name)} is neither here nor a registered name.")
    return _shown(call, key)


def _shown(call: Call, key: str) -> str:
    sessions, account = call.hub.people.get(key), call.hub.registry.accounts.get(key)
    return sessions[0].name if sessions else account.name if account else key


@table.command("except", "NAME|MASK", role=Role.MODERATOR)
def exempt(call: Call, mask: str) -> None:
    """Let bans of this room not hit whoever fits a mask, as ann!*@*."""
    _add(call, "excepted", mask, "excepted {} from bans")


@table.command("unexcept", "NAME|MASK", role=Role.MODERATOR)
def unexempt(call: Call, mask: str) -> None:
    """Let bans hit them again."""
    _take(call, "excepted", mask, "excepted {} from bans no longer")


@table.command("welcome", "NAME|MASK", role=Role.MODERATOR)
def welcome(call: Call, mask: str) -> None:
    """Let whoever fits a mask come into this room without an invitation."""
    _add(call, "welcome", mask, "let {} in without an invitation")


@table.command("unwelcome", "NAME|MASK", role=Role.MODERATOR)
def unwelcome(call: Call, mask: str) -> None:
    """Let them come in only with an invitation again."""
    _take(call, "welcome", mask, "let {} in no longer without an invitation")


def _add(call: Call, member: str, text: str, done: str) -> None:
    room, mask = mine(call), hostmask.checked_mask(text)
    there: tuple[str, ...] = getattr(room.policy, member)
    if mask in there:
        return
    if len(there) >= MOST_MASKS:
        raise NotAllowed(f"There are {MOST_MASKS} masks in that list already.")
    room.change(**{member: (*there, mask)})
    change(call, room, done.format(mask), ("+", member, mask))


def _take(call: Call, member: str, text: str, done: str) -> None:
    room, mask = mine(call), hostmask.fold_mask(hostmask.full_mask(clean(text)))
    there: tuple[str, ...] = getattr(room.policy, member)
    if mask not in there:
        raise NoSuchPerson(f"There is no {mask} in that list.")
    room.change(**{member: tuple(one for one in there if one != mask)})
    change(call, room, done.format(mask), ("-", member, mask))


def change(call: Call, room: Room, what: str, *changes: tuple[str, str, str]) -> None:
    """Announce an operator's change in the room, save the room, and note the change. For ``changes`` see `Changed`."""
    hub, me = call.hub, call.me
    hub.show(lambda seq, time: Changed(seq, time, room.key, me.name, what, changes, me.id))
    hub.keep_room(room)
    note(call, room, what)
    call.reply(Remark(f"Done: you {what}."))


def note(call: Call, room: Room | None, what: str) -> None:
    """Note an action for the audit log, unless it is only by an operator of a temporary room: any guest can be one."""
    if room is None or room.lasts or call.role is Role.OPERATOR:
        of_server = room is None or call.role is Role.OPERATOR
        call.hub.save(call.hub.note(call.me.key, room.key if room else "", what, of_server=of_server))


def described(call: Call, room: Room) -> tuple[tuple[str, ...], ...]:
    """Return the rows of a room's policy that the caller may see."""
    policy = room.policy
    operators = {session.name for session in people_in(room).values() if permissions.standing(session, room) >= Role.MODERATOR}
    voices = {session.name for session in people_in(room).values() if permissions.has_voice(session, room)}
    rows = [
        ("owner", "the server's operators" if room.record.owner == SERVER else room.record.owner or "nobody"),
        ("operators", ", ".join(sorted(operators | set(policy.operators))) or "nobody"),
        ("seen by", "those inside" if policy.private else "everybody"),
        ("comes in", entry(room)),
        ("speaks", _speakers(room)),
        ("says the topic", "operators" if policy.topic_locked else "everybody"),
        ("slow", f"{policy.slow:.0f} s" if policy.slow else "no"),
    ]
    if policy.moderated:
        rows.append(("voices", ", ".join(sorted(voices | set(policy.voices))) or "nobody"))
    if call.role >= Role.MODERATOR:
        rows.append(("key", policy.key or "none"))
        rows.append(("invited", ", ".join((*policy.invited, *policy.welcome)) or "nobody"))
        rows.append(("excepted from bans", ", ".join(policy.excepted) or "nobody"))
    return tuple(rows)


def _speakers(room: Room) -> str:
    who = "operators and those with a voice" if room.policy.moderated else "everybody here"
    return who + (" and outside" if room.policy.outsiders else "")


def entry(room: Room) -> str:
    """Return a description of the rules for joining."""
    policy = room.policy
    conditions = [
        (policy.invite_only, "who was invited"),
        (policy.registered, "registered names"),
        (policy.encrypted, "encrypted connections"),
        (bool(policy.key), "who has its key"),
        (bool(policy.limit), f"{policy.limit} at the most"),
    ]
    return ", ".join(words for needed, words in conditions if needed) or "everybody"
