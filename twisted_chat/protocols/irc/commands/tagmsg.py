"""TAGMSG: tags between clients without a text, such as typing notices and reactions (IRCv3 ``message-tags``).

1. TAGMSG is for IRC clients with ``message-tags``, and is not persisted: it does not pass through the log. So it waits
   until all earlier messages are delivered.
2. A client's tags are not passed on if it may not speak in the room, may not write to the user, or is ignored.
3. A full connection is sent no tags: they are of no use later.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

from twisted_chat.core.errors import Banned
from twisted_chat.core.rooms import permissions
from twisted_chat.core.rooms.members import sessions_in
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text.names import fold
from twisted_chat.core.users.session import Session
from twisted_chat.protocols.irc.commands.channels import find, rules
from twisted_chat.protocols.irc.commands.table import verb
from twisted_chat.protocols.irc.connection import IrcConnection
from twisted_chat.protocols.irc.welcome import MOST_TARGETS
from twisted_chat.protocols.irc.wire.message import format_body, format_tags
from twisted_chat.protocols.irc.wire.numerics import Numeric


@verb("TAGMSG", 1, orders=True)
def tags_only(irc: IrcConnection, params: Sequence[str]) -> None:
    """Pass tags on without a text."""
    if not irc.client_tags:
        return
    targets = [target for target in params[0].split(",") if target]
    for target in targets[:MOST_TARGETS]:
        if target.startswith("#"):
            _to_room(irc, target)
        elif irc.people.here(target) is None:
            irc.reply(Numeric.ERR_NOSUCHNICK, target)
        elif _may_write_to(irc, target):
            _pass_on(irc, target, irc.factory.hub.people[fold(target)])
        else:
            irc.reply(Numeric.ERR_CANNOTSENDTOCHAN, target)
    if len(targets) > MOST_TARGETS:
        irc.reply(Numeric.ERR_TOOMANYTARGETS, targets[MOST_TARGETS])


def _to_room(irc: IrcConnection, target: str) -> None:
    room = find(irc, target)
    if room is None:
        irc.reply(Numeric.ERR_NOSUCHCHANNEL, target)
    elif _may_speak(irc, room):
        _pass_on(irc, room.key, [session for session in sessions_in(room) if session is not irc.session])
    else:
        irc.reply(Numeric.ERR_CANNOTSENDTOCHAN, target)


def _may_write_to(irc: IrcConnection, target: str) -> bool:
    """Return True if the target accepts private messages from this client."""
    hub, me, other = irc.factory.hub, irc.session, irc.factory.hub.person(target)
    try:
        if other.key != me.key:
            hub.admission.check_consent(me, other.key, other.name)
    except Banned:
        return False
    return _may_speak(irc, None)


def _may_speak(irc: IrcConnection, room: Room | None) -> bool:
    """Return True if the client may speak, in a room or privately. Slow mode applies to messages only."""
    me = irc.session
    try:
        irc.factory.hub.admission.check_mute(me, room)
    except Banned:
        return False
    if room is None:
        return True
    may_be_heard = room.key in me.rooms or room.policy.outsiders
    return may_be_heard and (not room.policy.moderated or permissions.has_voice(me, room) or rules(irc, room))


def _pass_on(irc: IrcConnection, to: str, sessions: Iterable[Session]) -> None:
    """Send the tags to clients that understand them, and back to their author if it has ``echo-message``."""
    me, now = irc.session, irc.factory.hub.now()
    tags = {**irc.client_tags, "msgid": secrets.token_hex(8)}
    body = format_body(irc.people.source(me.name), "TAGMSG", (to,))
    if "echo-message" in irc.caps.enabled:
        irc.emit([(irc.irc.tags(me.name, now) | tags, body)])
    for session in sessions:
        other = session.outlet
        if not isinstance(other, IrcConnection) or other.full or me.key in session.ignores:
            continue
        if "message-tags" in other.caps.enabled:
            other.write(format_tags(other.irc.tags(me.name, now) | tags) + body)
