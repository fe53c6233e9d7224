"""Queries of IRC clients about users and the server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import gmtime, strftime

from twisted_chat.core.errors import NoSuchPerson, NotAllowed
from twisted_chat.core.rooms import permissions
from twisted_chat.core.rooms.members import people_in
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text.hostmask import matches
from twisted_chat.core.text.names import fold
from twisted_chat.core.users.session import Role, Session
from twisted_chat.protocols.irc import welcome
from twisted_chat.protocols.irc.channel_modes import prefixes
from twisted_chat.protocols.irc.commands.channels import looked_into
from twisted_chat.protocols.irc.commands.registration import is_operator
from twisted_chat.protocols.irc.commands.table import VERBS, verb
from twisted_chat.protocols.irc.connection import IrcConnection
from twisted_chat.protocols.irc.welcome import shares_room
from twisted_chat.protocols.irc.wire.message import format_body, format_tags
from twisted_chat.protocols.irc.wire.numerics import Numeric
from twisted_chat.protocols.irc.wire.parameters import Whox, parse_whox


@verb("WHO", 1)
def who(irc: IrcConnection, params: Sequence[str]) -> None:
    """Tell who is in a room, or fits a mask."""
    irc.look("who")
    mask = params[0]
    asked = parse_whox(params[1]) if len(params) > 1 else None
    room = looked_into(irc, mask) if mask.startswith("#") else None
    if room is not None:
        inside = room.key in irc.session.rooms
        for session in people_in(room).values():
            if inside or not irc.people.has_mode(session, "i"):
                _who_row(irc, session, room, mask, asked)
    elif not mask.startswith("#"):
        for session in _fitting(irc, mask):
            _who_row(irc, session, None, "*", asked)
    irc.reply(Numeric.RPL_ENDOFWHO, mask)


def _fitting(irc: IrcConnection, mask: str) -> list[Session]:
    other = irc.people.here(mask)
    if other is not None:
        return [other]
    wanted = fold(mask).casefold() if mask != "0" else "*"
    me = irc.session
    found = [
        here[0]
        for key, here in irc.factory.hub.people.items()
        if matches(wanted, key) and (here[0] is me or not irc.people.has_mode(here[0], "i") or shares_room(here[0], me))
    ]
    return found[: welcome.MOST_PEOPLE]


def _who_row(irc: IrcConnection, session: Session, room: Room | None, channel: str, asked: Whox | None) -> None:
    people, hub = irc.people, irc.factory.hub
    prefix = prefixes(session, room, several="multi-prefix" in irc.caps.enabled) if room is not None else ""
    flags = "G" if session.away is not None else "H"
    flags += "*" if permissions.is_operator(session, hub.operators) else ""
    flags += ("B" if people.has_mode(session, "B") else "") + prefix
    user, about = people.user(session), people.about(session)
    if asked is None:
        row = (channel, user, session.host, people.server, session.name, flags)
        irc.reply(Numeric.RPL_WHOREPLY, *row, 0, about)
        return
    values = {
        "c": channel,
        "u": user,
        "i": session.way.address or "127.0.0.1" if is_operator(irc) else "255.255.255.255",
        "h": session.host,
        "s": people.server,
        "n": session.name,
        "f": flags,
        "d": "0",
        "l": str(int(hub.now() - session.spoke)),
        "a": session.name if session.registered else "0",
        "o": "n/a",
        "r": about,
    }
    params = asked.row(values)
    line = format_body(people.server, Numeric.RPL_WHOSPCRPL.number, (irc.client, *params), text=asked.fields.endswith("r"))
    irc.emit([({}, line)])


@verb("WHOIS", 1)
def whois(irc: IrcConnection, params: Sequence[str]) -> None:
    """Tell about somebody."""
    irc.look("whois")
    name = params[1] if len(params) > 1 else params[0]
    other = irc.people.here(name)
    if other is None:
        irc.reply(Numeric.ERR_NOSUCHNICK, name)
    else:
        _whois(irc, other)
    irc.reply(Numeric.RPL_ENDOFWHOIS, other.name if other is not None else name)


def _whois(irc: IrcConnection, other: Session) -> None:
    people, hub, me, name = irc.people, irc.factory.hub, irc.session, other.name
    sessions = hub.people[other.key]
    irc.reply(Numeric.RPL_WHOISUSER, name, people.user(other), other.host, people.about(other))
    rooms = {room.key: room for session in sessions for room in session.rooms.values()}
    hidden = people.has_mode(other, "i") and other is not me and not shares_room(other, me) and not is_operator(irc)
    seen = hub.access.looked_into(me, [room for _, room in sorted(rooms.items())]) if not hidden else []
    if seen:
        irc.reply(Numeric.RPL_WHOISCHANNELS, name, " ".join(prefixes(other, room) + room.key for room in seen))
    irc.reply(Numeric.RPL_WHOISSERVER, name, people.server, f"by {other.way.protocol}")
    if permissions.is_operator(other, hub.operators):
        irc.reply(Numeric.RPL_WHOISOPERATOR, name)
    if other.registered:
        irc.reply(Numeric.RPL_WHOISACCOUNT, name, other.name)
    if people.has_mode(other, "B"):
        irc.reply(Numeric.RPL_WHOISBOT, name)
    if other.way.encrypted:
        irc.reply(Numeric.RPL_WHOISSECURE, name)
    if is_operator(irc):
        irc.reply(Numeric.RPL_WHOISHOST, name, other.way.address or "this machine")
    if other.away is not None:
        irc.reply(Numeric.RPL_AWAY, name, other.away)
    idle = int(hub.now() - max(session.spoke for session in sessions))
    irc.reply(Numeric.RPL_WHOISIDLE, name, max(0, idle), int(min(session.since for session in sessions)))


@verb("WHOWAS", 1)
def whowas(irc: IrcConnection, params: Sequence[str]) -> None:
    """Tell about who has had a nick."""
    irc.look("whowas")
    gone = irc.people.gone(params[0])
    count = int(params[1]) if len(params) > 1 and params[1].isascii() and params[1].isdigit() else 0
    if not gone:
        irc.reply(Numeric.ERR_WASNOSUCHNICK, params[0])
    for one in gone[: count or None]:
        irc.reply(Numeric.RPL_WHOWASUSER, one.name, one.user, one.host, one.about)
        irc.reply(Numeric.RPL_WHOISSERVER, one.name, irc.people.server, strftime("%a %b %d %H:%M:%S %Y", gmtime(one.at)))
    irc.reply(Numeric.RPL_ENDOFWHOWAS, params[0])


@verb("USERHOST", 1)
def userhost(irc: IrcConnection, params: Sequence[str]) -> None:
    """Tell the hosts of people."""
    irc.look("userhost")
    irc.reply(Numeric.RPL_USERHOST, " ".join(_hosts(irc, params[:5])))


def _hosts(irc: IrcConnection, nicks: Sequence[str]) -> Iterator[str]:
    for session in filter(None, map(irc.people.here, nicks)):
        star = "*" if permissions.is_operator(session, irc.factory.hub.operators) else ""
        away = "-" if session.away is not None else "+"
        yield f"{session.name}{star}={away}{irc.people.user(session)}@{session.host}"


@verb("ISON", 1)
def ison(irc: IrcConnection, params: Sequence[str]) -> None:
    """Tell which of these are here."""
    irc.look("ison")
    here = map(irc.people.here, " ".join(params).split())
    irc.reply(Numeric.RPL_ISON, " ".join(session.name for session in here if session is not None))


@verb("LUSERS")
def lusers(irc: IrcConnection, params: Sequence[str]) -> None:
    """Tell how many are here."""
    irc.look("lusers")
    welcome.lusers(irc)


@verb("MOTD")
def motd(irc: IrcConnection, params: Sequence[str]) -> None:
    """Show the message of the day."""
    welcome.motd(irc)


def _of_this_server(irc: IrcConnection, params: Sequence[str]) -> bool:
    """Return True if a query is for this server, by its name, a mask or a user's nick; otherwise send an error."""
    if not params or matches(params[0].casefold(), irc.people.server.casefold()) or irc.people.here(params[0]):
        return True
    irc.reply(Numeric.ERR_NOSUCHSERVER, params[0])
    return False


@verb("TIME")
def tell_time(irc: IrcConnection, params: Sequence[str]) -> None:
    """Tell the server's time."""
    if not _of_this_server(irc, params):
        return
    shown = strftime("%A %d %B %Y -- %H:%M:%S +00:00", gmtime(irc.factory.hub.now()))
    irc.reply(Numeric.RPL_TIME, irc.people.server, shown)


@verb("INFO")
def info(irc: IrcConnection, params: Sequence[str]) -> None:
    """Tell what this is."""
    if not _of_this_server(irc, params):
        return
    for line in (welcome.VERSION, "The chat room you can reach with whatever is already on the machine."):
        irc.reply(Numeric.RPL_INFO, line)
    irc.reply(Numeric.RPL_ENDOFINFO)


@verb("LINKS")
def links(irc: IrcConnection, params: Sequence[str]) -> None:
    """There is one server."""
    irc.reply(Numeric.RPL_ENDOFLINKS)


@verb("HELP")
@verb("HELPOP")
def explain(irc: IrcConnection, params: Sequence[str]) -> None:
    """Explain a command, or list them."""
    subject = params[0] if params else ""
    known = VERBS.get(subject.upper())
    if subject and known is None:
        irc.reply(Numeric.ERR_HELPNOTFOUND, subject)
        return
    title = subject or "*"
    lines = [known.handler.__doc__ or ""] if known is not None else [" ".join(sorted(VERBS))]
    irc.reply(Numeric.RPL_HELPSTART, title, f"Help: {subject or 'commands'}")
    for line in lines:
        irc.reply(Numeric.RPL_HELPTXT, title, " ".join(line.split()))
    irc.reply(Numeric.RPL_ENDOFHELP, title, "End of help")


@verb("KILL", 1)
async def kill(irc: IrcConnection, params: Sequence[str]) -> None:
    """End somebody's connections, as an operator of the server."""
    try:
        await irc.do("disconnect", *params[:2])
    except NotAllowed as error:
        irc.reply(Numeric.ERR_NOPRIVILEGES, text=str(error))
    except NoSuchPerson:
        irc.reply(Numeric.ERR_NOSUCHNICK, params[0])


@verb("WALLOPS", 1)
def wallops(irc: IrcConnection, params: Sequence[str]) -> None:
    """Tell everybody who wants to hear it something, as an operator of the server."""
    if irc.call().role < Role.OPERATOR:
        irc.reply(Numeric.ERR_NOPRIVILEGES)
        return
    source = irc.people.source(irc.session.name)
    for connection in tuple(irc.factory.connections):
        if isinstance(connection, IrcConnection) and irc.people.has_mode(connection.session, "w"):
            tags = connection.irc.tags(irc.session.name, irc.factory.hub.now())
            connection.write(format_tags(tags) + format_body(source, "WALLOPS", params[:1]))
