"""Talking by IRC: messages to rooms and people, ``/me``, AWAY and SETNAME.

1. CTCP other than ACTION is not passed on: messages reach people at terminals, and are persisted.
2. Formatting such as colours is removed, for all readers: only text is persisted.
3. A message that would not fit in one line to other clients is refused, not cut.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_chat.core.command_table.table import Answering
from twisted_chat.core.errors import BadName, BadText, Banned, ChatError, NoSuchPerson, NotInRoom
from twisted_chat.core.rooms.room import Room
from twisted_chat.protocols.irc.commands.channels import find
from twisted_chat.protocols.irc.commands.registration import nickserv
from twisted_chat.protocols.irc.commands.table import verb
from twisted_chat.protocols.irc.connection import IrcConnection
from twisted_chat.protocols.irc.welcome import MOST_TARGETS
from twisted_chat.protocols.irc.wire.message import ctcp, space_for_text, unformatted
from twisted_chat.protocols.irc.wire.numerics import Numeric

Refusal = tuple[Numeric, str, str]


@verb("PRIVMSG", alongside=True)
def message(irc: IrcConnection, params: Sequence[str]) -> Answering | None:
    """Say something."""
    if len(params) > 1 and params[0].casefold() == "nickserv":
        return nickserv(irc, params[1])
    return _talk(irc, "PRIVMSG", params)


@verb("NOTICE", alongside=True)
def notice(irc: IrcConnection, params: Sequence[str]) -> Answering | None:
    """Remark something, which nobody is to answer: nor are its errors told."""
    return _talk(irc, "NOTICE", params)


def _talk(irc: IrcConnection, command: str, params: Sequence[str]) -> Answering | None:
    targets = [target for target in params[0].split(",") if target] if params else []
    rooms_only = all(target.startswith("#") for target in targets)
    echoes = "echo-message" in irc.caps.enabled
    if echoes and (irc.labeled or (irc.session.awaiting and (command == "NOTICE" or not rooms_only))):
        return _in_order(irc, command, targets, params)  # messages not persisted are shown at once: not before persisted ones
    refusals = _say_all(irc, command, targets, params)
    if refusals and irc.session.awaiting:
        return _refuse_later(irc, refusals)
    _refuse(irc, refusals)
    return None


async def _in_order(irc: IrcConnection, command: str, targets: Sequence[str], params: Sequence[str]) -> None:
    await irc.settled()
    refusals = _say_all(irc, command, targets, params)
    await irc.settled()
    _refuse(irc, refusals)


async def _refuse_later(irc: IrcConnection, refusals: Sequence[Refusal]) -> None:
    await irc.settled()
    _refuse(irc, refusals)


def _refuse(irc: IrcConnection, refusals: Sequence[Refusal]) -> None:
    for numeric, context, sentence in refusals:
        irc.reply(numeric, *([context] if context else []), text=sentence or None)


def _say_all(irc: IrcConnection, command: str, targets: Sequence[str], params: Sequence[str]) -> list[Refusal]:
    """Send the message to each target, and return the refusals; for a NOTICE, only those for its length."""
    refusals: list[Refusal] = []
    if not targets:
        refusals.append((Numeric.ERR_NORECIPIENT, command, ""))
    elif len(params) < 2 or not params[1]:
        refusals.append((Numeric.ERR_NOTEXTTOSEND, "", ""))
    elif len(targets) > MOST_TARGETS:
        refusals.append((Numeric.ERR_TOOMANYTARGETS, targets[MOST_TARGETS], ""))
    else:
        for target in targets:
            try:
                refusal = _say(irc, command, target, params[1])
            except ChatError as error:
                refusal = _as_refusal(error, target)
            if refusal is not None:
                refusals.append(refusal)
    too_long = [refusal for refusal in refusals if refusal[0] is Numeric.ERR_INPUTTOOLONG]
    return too_long if command == "NOTICE" else refusals


def _as_refusal(error: ChatError, target: str) -> Refusal:
    match error:
        case NotInRoom() | BadName() | Banned():
            return Numeric.ERR_CANNOTSENDTOCHAN, target, str(error)
        case NoSuchPerson():
            return Numeric.ERR_NOSUCHNICK, target, ""
        case BadText():
            return Numeric.ERR_NOTEXTTOSEND, "", str(error)
    raise error


def _say(irc: IrcConnection, command: str, target: str, text: str) -> Refusal | None:
    if len(text.encode()) > space_for_text(irc.people.source(irc.session.name), command, target):
        return Numeric.ERR_INPUTTOOLONG, "", "That is too long to reach others in one line."
    room: Room | None = None
    if target.startswith("#"):
        room = find(irc, target)
        if room is None:
            return Numeric.ERR_NOSUCHCHANNEL, target, ""
    asked = ctcp(text)
    if asked is not None and (asked[0] != "ACTION" or command == "NOTICE"):
        return Numeric.ERR_CANNOTSENDTOCHAN, target, "CTCP is not passed on here."
    said = unformatted(asked[1] if asked is not None else text)
    if command == "NOTICE":
        irc.say("notice", target, said)
    elif room is not None:
        irc.say("say" if asked is None else "me", said, room=room)
    else:
        irc.say("msg", target, said if asked is None else f"* {irc.session.name} {said}")
        other = irc.people.here(target)
        if other is not None and other.away is not None:
            irc.reply(Numeric.RPL_AWAY, other.name, other.away)
    return None


@verb("AWAY")
async def away(irc: IrcConnection, params: Sequence[str]) -> None:
    """Say that one is away, or back."""
    text = params[0] if params else ""
    await irc.do("away", *([text] if text.strip() else []))
    irc.reply(Numeric.RPL_NOWAWAY if irc.session.away is not None else Numeric.RPL_UNAWAY)


@verb("SETNAME", 1)
async def set_name(irc: IrcConnection, params: Sequence[str]) -> None:
    """Say who one is."""
    if not params[0].strip():
        irc.fail("SETNAME", "INVALID_REALNAME", text="A realname can't be empty.")
        return
    await irc.do("about", params[0])
    if "setname" in irc.caps.enabled:
        irc.send("SETNAME", irc.session.about, source=irc.people.source(irc.session.name))
