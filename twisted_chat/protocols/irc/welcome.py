"""Lines that an IRC client is sent without asking: the welcome, and the members of a room that it has joined."""

from __future__ import annotations

from collections.abc import Iterator

from twisted_chat import __version__
from twisted_chat.core.events import Emoted, History, People
from twisted_chat.core.records import SERVER
from twisted_chat.core.rooms import permissions
from twisted_chat.core.rooms.members import people_in
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text.names import LONGEST as LONGEST_NAME
from twisted_chat.core.text.sanitize import LONGEST_SENTENCE
from twisted_chat.core.users.session import Session
from twisted_chat.protocols.irc.channel_modes import KINDS, prefixes
from twisted_chat.protocols.irc.connection import IrcConnection
from twisted_chat.protocols.irc.rendering import MODES_AT_ONCE, Line
from twisted_chat.protocols.irc.wire import isupport
from twisted_chat.protocols.irc.wire.message import LONGEST, action, format_body
from twisted_chat.protocols.irc.wire.numerics import Numeric
from twisted_chat.protocols.irc.wire.parameters import format_time, milliseconds
from twisted_chat.protocols.terminal.rendering import stamp

NETWORK = "TwistedChat"
VERSION = f"twisted-chat-{__version__}"
USER_MODES = "Biow"
# The most messages CHATHISTORY gives at once, the most nicks MONITOR takes, and the most targets of a message.
MOST_HISTORY, MOST_MONITORED, MOST_TARGETS = 500, 100, 4
# The most targets of each command; empty: any number.
TARGETS = dict.fromkeys(("PRIVMSG", "NOTICE", "TAGMSG", "NAMES"), str(MOST_TARGETS))
TARGETS |= dict.fromkeys(("WHOIS", "WHOWAS"), "1") | dict.fromkeys(("JOIN", "PART", "KICK", "LIST"), "")
LONGEST_USER = 16
# The most people that WHO for a mask and NAMES without a room show; NAMES shows the last room whole.
MOST_PEOPLE = 500


def tokens(irc: IrcConnection) -> dict[str, str | None]:
    """Return the features of this server, for RPL_ISUPPORT."""
    config = irc.factory.config
    return {
        **isupport.CASEMAPPING,
        "UTF8ONLY": None,
        "NETWORK": NETWORK,
        "CHANTYPES": "#",
        "CHANNELLEN": str(1 + LONGEST_NAME),
        "NICKLEN": str(LONGEST_NAME),
        "USERLEN": str(LONGEST_USER),
        "CHANLIMIT": f"#:{config.rooms_a_person}",
        "PREFIX": KINDS.prefix,
        "CHANMODES": KINDS.chanmodes,
        "EXCEPTS": "e",
        "INVEX": "I",
        "MODES": str(MODES_AT_ONCE),
        "ELIST": "CMNTU",
        "WHOX": None,
        "BOT": "B",
        "MONITOR": str(MOST_MONITORED),
        "TARGMAX": ",".join(f"{command}:{most}" for command, most in TARGETS.items()),
        "CHATHISTORY": str(MOST_HISTORY),
        "MSGREFTYPES": "msgid,timestamp",
        "AWAYLEN": str(LONGEST_SENTENCE),
        "KICKLEN": str(LONGEST_SENTENCE),
        "NAMELEN": str(LONGEST_SENTENCE),
        "TOPICLEN": "390",
    }


def welcome(irc: IrcConnection) -> None:
    """Send numerics 001 to 005, then LUSERS and MOTD, which clients take for the end of registration."""
    server = irc.people.server
    irc.reply(Numeric.RPL_WELCOME, NETWORK, irc.session.name)
    irc.reply(Numeric.RPL_YOURHOST, server, VERSION)
    irc.reply(Numeric.RPL_CREATED, format_time(milliseconds(irc.people.started)))
    letters = "".join(sorted(KINDS.lists + KINDS.always + KINDS.setting + KINDS.flags + KINDS.members))
    with_word = "".join(sorted(KINDS.lists + KINDS.always + KINDS.setting + KINDS.members))
    irc.reply(Numeric.RPL_MYINFO, server, VERSION, USER_MODES, letters, with_word)
    for line in isupport.lines(tokens(irc), server, irc.client):
        irc.reply(Numeric.RPL_ISUPPORT, *line)
    lusers(irc)
    motd(irc)


def lusers(irc: IrcConnection) -> None:
    """Send the number of users, and of the rooms that the client may know of."""
    hub, total, invisible = irc.factory.hub, irc.people.total, irc.people.invisible
    operators = sum(permissions.is_operator(session, hub.operators) for here in hub.people.values() for session in here)
    irc.reply(Numeric.RPL_LUSERCLIENT, total - invisible, invisible, 1)
    irc.reply(Numeric.RPL_LUSEROP, operators)
    irc.reply(Numeric.RPL_LUSERCHANNELS, sum(bool(room.readers) for room in hub.rooms_seen_by(irc.session)))
    irc.reply(Numeric.RPL_LUSERME, total, 0)
    irc.reply(Numeric.RPL_LOCALUSERS, total, irc.people.most)
    irc.reply(Numeric.RPL_GLOBALUSERS, total, irc.people.most)


def motd(irc: IrcConnection) -> None:
    """Send the message of the day."""
    lines = irc.factory.hub.motd
    if not lines:
        irc.reply(Numeric.ERR_NOMOTD)
        return
    irc.reply(Numeric.RPL_MOTDSTART, irc.people.server)
    for line in lines:
        irc.reply(Numeric.RPL_MOTD, line)
    irc.reply(Numeric.RPL_ENDOFMOTD)


def arrive(irc: IrcConnection, people: People, past_of_room: History | None) -> None:
    """Send JOIN, topic and names; then earlier messages, if the client does not use CHATHISTORY."""
    room = irc.session.rooms.get(people.room)
    if room is None:
        return
    if people.arriving and room.key not in irc.shown_rooms:
        irc.shown_rooms.add(room.key)
        name = irc.session.name
        extended = [irc.people.account(name) or "*", irc.people.about(irc.session)]
        params = (room.key, *(extended if "extended-join" in irc.caps.enabled else []))
        irc.emit([(irc.irc.tags(name, irc.factory.hub.now()), format_body(irc.people.source(name), "JOIN", params))])
        if "draft/read-marker" in irc.caps.enabled:
            read_marker(irc, room.key)
    topic(irc, room)
    names(irc, room)
    irc.reply(Numeric.RPL_ENDOFNAMES, room.key)
    if past_of_room is not None:
        past(irc, past_of_room)


def past(irc: IrcConnection, history: History) -> None:
    """Send earlier messages, if there are any."""
    if history.events:
        irc.batch("chathistory", list(_past(irc, history)), history.room)


def read_marker(irc: IrcConnection, target: str) -> None:
    """Send the client's read marker."""
    time = irc.reads.get(target)
    irc.send("MARKREAD", target, f"timestamp={format_time(time)}" if time is not None else "*")


def topic(irc: IrcConnection, room: Room) -> None:
    """Send a room's topic, if it has one, and the topic's author."""
    if room.topic:
        irc.reply(Numeric.RPL_TOPIC, room.key, room.topic)
        owner = room.record.owner if room.record.owner != SERVER else ""
        by = room.topic_by or owner or irc.people.server
        irc.reply(Numeric.RPL_TOPICWHOTIME, room.key, by, int(room.topic_at or room.record.created))


def names(irc: IrcConnection, room: Room) -> None:
    """Send the members of a room that the client may know of."""
    symbol = "@" if room.policy.private else "="
    space = LONGEST - len(f":{irc.people.server} 353 {irc.client} {symbol} {room.key} :".encode())
    line = ""
    for name in _members(irc, room):
        if line and len(f"{line} {name}".encode()) > space:
            irc.reply(Numeric.RPL_NAMREPLY, symbol, room.key, line)
            line = ""
        line = f"{line} {name}".lstrip()
    if line:
        irc.reply(Numeric.RPL_NAMREPLY, symbol, room.key, line)


def _members(irc: IrcConnection, room: Room) -> Iterator[str]:
    several, hosts = "multi-prefix" in irc.caps.enabled, "userhost-in-names" in irc.caps.enabled
    inside = room.key in irc.session.rooms
    for _, session in sorted(people_in(room).items()):
        if inside or not irc.people.has_mode(session, "i"):
            who = irc.people.source(session.name) if hosts else session.name
            yield prefixes(session, room, several=several) + who


def _past(irc: IrcConnection, history: History) -> Iterator[Line]:
    """Yield earlier messages with their time, as a tag or else in the text."""
    for event in history.events:
        if "server-time" in irc.caps.enabled:
            yield from irc.irc.lines(event)
        else:
            said = f"[{stamp(event.time)}] {event.text}"
            body = action(said) if isinstance(event, Emoted) else said
            yield {}, format_body(irc.people.source(event.author), "PRIVMSG", (event.room, body))


def shares_room(one: Session, other: Session) -> bool:
    """Return True if two sessions are in a room together."""
    return not one.rooms.keys().isdisjoint(other.rooms)
