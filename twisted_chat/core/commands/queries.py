"""Help, and lists of the people here."""

from __future__ import annotations

from dataclasses import replace

from twisted_chat.core.command_table.table import Call, table
from twisted_chat.core.errors import NotInRoom
from twisted_chat.core.events import Help, Remark, Whois
from twisted_chat.core.rooms.members import people_in
from twisted_chat.core.rooms.room import LOBBY
from twisted_chat.core.text import names
from twisted_chat.core.users.session import Role, Session


@table.command("help", "[COMMAND]", role=Role.VISITOR, looks_up=True)
def explain(call: Call, command: str | None = None) -> None:
    """List the commands, or explain one."""
    shown = [call.table.find(command)] if command else call.table.for_role(call.role)
    call.reply(Help(tuple((entry.usage, entry.explanation) for entry in shown if entry.role <= max(call.role, Role.MEMBER))))


@table.command("who", "[ROOM]", role=Role.VISITOR, looks_up=True)
def who(call: Call, room: str | None = None) -> None:
    """Tell who is in this room, or in another, and how they have come in."""
    if room is None and call.me.current is None:
        room = next(iter(call.me.landing), LOBBY)
    looked_at = call.hub.room(room, call.me) if room else call.room
    if not call.hub.access.may_look(call.me, looked_at):
        raise NotInRoom(f"You are not in {looked_at.key}.")
    people = call.hub.people_in(looked_at)
    if call.me.name:
        here = people_in(looked_at)
        people = replace(people, how=tuple(how(here[names.fold(name)]) for name in people.names))
    call.reply(people)


@table.command("whois", "NAME", looks_up=True)
def whois(call: Call, name: str) -> None:
    """Tell about somebody: their rooms, how long they have been silent, how they have come in."""
    hub, other = call.hub, call.hub.person(name)
    theirs = {key: room for session in hub.people[other.key] for key, room in session.rooms.items()}
    rooms = sorted(room.key for room in hub.access.looked_into(call.me, theirs.values()))
    last = max(session.spoke for session in hub.people[other.key])
    call.reply(
        Whois(
            other.name,
            other.registered,
            tuple(rooms),
            max(0.0, hub.now() - last),
            other.way.protocol,
            other.way.encrypted,
            other.away,
            (other.way.address or "local") if hub.role(call.me) is Role.OPERATOR else None,
            other.about,
            other.host,
        )
    )


@table.command("fingerprint", role=Role.VISITOR, looks_up=True)
def fingerprint(call: Call) -> None:
    """Show what this server's certificate is known by, to compare with what others were shown."""
    for line in call.hub.fingerprint() or ("This server has no certificate: nothing is encrypted.",):
        call.reply(Remark(line))


def how(session: Session) -> str:
    """Return a description of a session's connection."""
    words = [session.way.protocol + (", encrypted" if session.way.encrypted else "")]
    if session.away is not None:
        words.append("away")
    return ", ".join(words)
