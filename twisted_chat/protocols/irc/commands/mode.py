"""MODE: each letter becomes the command that sets the same at a terminal, and is refused for the same reasons."""

from __future__ import annotations

from collections.abc import Sequence

from twisted_chat.core.commands.moderation import shown_target
from twisted_chat.core.errors import BadName, NoSuchPerson, NotAllowed, NotUnderstood
from twisted_chat.core.events import RoomEvent
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text.hostmask import fold_mask, full_mask
from twisted_chat.core.text.names import fold
from twisted_chat.core.text.sanitize import LONGEST_KEY
from twisted_chat.protocols.irc.channel_modes import FLAGS, KINDS, as_mask, modes
from twisted_chat.protocols.irc.commands.channels import find, looked_into, rules
from twisted_chat.protocols.irc.commands.registration import is_operator
from twisted_chat.protocols.irc.commands.table import verb
from twisted_chat.protocols.irc.connection import IrcConnection
from twisted_chat.protocols.irc.wire.modes import Change, format_modes, parse_modes
from twisted_chat.protocols.irc.wire.numerics import Numeric

# The commands of each list: to add to it, and to remove from it.
LISTS = {"b": ("ban", "unban"), "e": ("except", "unexcept"), "I": ("welcome", "unwelcome")}
MEMBERS = {"o": ("op", "deop"), "v": ("voice", "devoice")}
# The modes that users may set for themselves: bot, invisible, receives WALLOPS. Operators may only unset ``o``.
OWN = "Biw"


@verb("MODE", 1, orders=True)
async def mode(irc: IrcConnection, params: Sequence[str]) -> None:
    """Tell or change the modes of a room or of oneself."""
    target, *rest = params
    if not target.startswith("#"):
        await _own_modes(irc, target, rest)
        return
    room = find(irc, target)
    if room is None:
        irc.reply(Numeric.ERR_NOSUCHCHANNEL, target)
    elif not rest:
        inside = room.key in irc.session.rooms
        irc.reply(Numeric.RPL_CHANNELMODEIS, room.key, *format_modes(modes(room.policy, inside=inside)))
        if looked_into(irc, target) is not None:
            irc.reply(Numeric.RPL_CREATIONTIME, room.key, int(room.record.created))
    else:
        await _change(irc, room, rest)


async def _change(irc: IrcConnection, room: Room, params: Sequence[str]) -> None:
    asked = parse_modes(KINDS, params)
    for letter in asked.unknown:
        irc.reply(Numeric.ERR_UNKNOWNMODE, letter)
    for letter in asked.missing:
        irc.reply(Numeric.ERR_INVALIDMODEPARAM, room.key, letter, "*", "A parameter is missing")
    events: list[RoomEvent] = []
    refused = False
    for change in asked.changes:
        try:
            if room.key not in irc.session.rooms:
                irc.reply(Numeric.ERR_NOTONCHANNEL, room.key)
                return
            if change.letter in LISTS and change.argument is None:
                _show_list(irc, room, change.letter)
            elif rules(irc, room):
                events += await _set(irc, room, change)
            else:
                raise NotAllowed("Only an operator of this room may do that.")
        except NotAllowed as error:
            if not refused:
                irc.reply(Numeric.ERR_CHANOPRIVSNEEDED, room.key, text=str(error))
            refused = True
    irc.own(events)


async def _set(irc: IrcConnection, room: Room, change: Change) -> list[RoomEvent]:
    letter = change.letter
    if letter in FLAGS:
        word, without = FLAGS[letter]
        return await irc.do("room", word, "on" if change.adding is not without else "off", room=room)
    argument = change.argument or ""
    if letter in MEMBERS:
        return await _set_member(irc, room, change, argument)
    if letter in LISTS:
        return await _set_list(irc, room, change, argument)
    if not change.adding:
        return await irc.do("room", "key" if letter == "k" else "limit", room=room)
    try:
        if letter == "k" and (not argument or len(argument) > LONGEST_KEY or set(argument) & set(" ,:")):
            raise NotUnderstood("Key is not well-formed")
        return await irc.do("room", "key" if letter == "k" else "limit", argument or "0", room=room)
    except NotUnderstood:
        shown = "*" if letter == "k" else argument or "*"  # a key is never shown
        irc.reply(Numeric.ERR_INVALIDMODEPARAM, room.key, letter, shown, "That can't be set")
        return []


async def _set_member(irc: IrcConnection, room: Room, change: Change, name: str) -> list[RoomEvent]:
    if not room.has(fold(name)) and not irc.people.account(name):  # presence elsewhere is not checked
        irc.reply(Numeric.ERR_USERNOTINCHANNEL, name, room.key)
        return []
    try:
        return await irc.do(MEMBERS[change.letter][not change.adding], name, room=room)
    except NoSuchPerson:  # there is nothing to remove
        return []


async def _set_list(irc: IrcConnection, room: Room, change: Change, text: str) -> list[RoomEvent]:
    mask = full_mask(text)
    names = [mask]
    if change.letter == "b":
        there = {as_mask(target): target for target, _, _ in _bans(irc, room)}
        known = there.get(fold_mask(mask))
        if (known is not None) is change.adding:
            return []
        names = [room.key, known or mask]
    try:
        return await irc.do(LISTS[change.letter][not change.adding], *names, room=room)
    except NoSuchPerson:
        return []
    except BadName as error:
        irc.reply(Numeric.ERR_INVALIDMODEPARAM, room.key, change.letter, mask, str(error))
        return []


def _bans(irc: IrcConnection, room: Room) -> list[tuple[str, str, float]]:
    """Return each ban of a room: target, operator and time. A substitute stands for an address."""
    hub = irc.factory.hub
    role = hub.role(irc.session, room)
    standing = hub.admission.sanctions.standing(room.key, hub.now())
    return [(shown_target(hub, one, role), one.by, one.at) for one in standing if one.kind == "ban"]


def _show_list(irc: IrcConnection, room: Room, letter: str) -> None:
    match letter:
        case "b":
            for target, by, at in _bans(irc, room):
                irc.reply(Numeric.RPL_BANLIST, room.key, as_mask(target), by, int(at))
            irc.reply(Numeric.RPL_ENDOFBANLIST, room.key)
        case "e":
            _check_rules(irc, room)
            for mask in room.policy.excepted:
                irc.reply(Numeric.RPL_EXCEPTLIST, room.key, mask)
            irc.reply(Numeric.RPL_ENDOFEXCEPTLIST, room.key)
        case "I":
            _check_rules(irc, room)
            for mask in room.policy.welcome:
                irc.reply(Numeric.RPL_INVEXLIST, room.key, mask)
            irc.reply(Numeric.RPL_ENDOFINVEXLIST, room.key)


def _check_rules(irc: IrcConnection, room: Room) -> None:
    if not rules(irc, room):
        raise NotAllowed("Only an operator of this room may see that.")


async def _own_modes(irc: IrcConnection, target: str, params: Sequence[str]) -> None:
    me = irc.session
    other = irc.people.here(target)
    if other is None:
        irc.reply(Numeric.ERR_NOSUCHNICK, target)
        return
    if other is not me:
        irc.reply(Numeric.ERR_USERSDONTMATCH)
        return
    letters = irc.people.modes.get(me.id, "")
    if not params:
        irc.reply(Numeric.RPL_UMODEIS, "+" + "".join(sorted(letters + ("o" if is_operator(irc) else ""))))
        return
    done: list[Change] = []
    adding = True
    unknown = False
    for letter in params[0]:
        if letter in "+-":
            adding = letter == "+"
        elif letter == "o" and not adding and me.operator:
            await irc.do("deoper")
            done.append(Change(False, "o"))
        elif letter in OWN:
            if (letter in letters) is not adding:
                letters = letters + letter if adding else letters.replace(letter, "")
                done.append(Change(adding, letter))
        elif letter != "o":
            unknown = True
    irc.people.modes[me.id] = letters
    if unknown:
        irc.reply(Numeric.ERR_UMODEUNKNOWNFLAG)
    if done:
        irc.send("MODE", me.name, *format_modes(done), source=irc.people.source(me.name))
