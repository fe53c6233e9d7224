"""Inviting people into rooms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice, takewhile

from twisted_chat.core.command_table.table import Call, table
from twisted_chat.core.commands.rooms import mine
from twisted_chat.core.errors import NotUnderstood
from twisted_chat.core.events import Described, Invited, Listing, Remark
from twisted_chat.core.logins.attempts import Kind
from twisted_chat.core.records import Invitation
from twisted_chat.core.text import names
from twisted_chat.core.users.session import MOST_KEPT_INVITATIONS, Role, Session

# The lifetime of an invitation, in seconds: a day, so that one sent in the evening still works the next day.
INVITATION_SECONDS = 86400.0
# The most registered names that a room remembers as invited: the earliest are forgotten first.
MOST_INVITED = 1000
# The most unused invitations by one account (or by all guests of one address), into one room, and on the whole server. A new
# one replaces the earliest; at the server's limit, the earliest of the account or address with the most.
MOST_BY_ONE, MOST_INTO_ROOM, MOST_INVITATIONS = 50, 200, 10_000
# The ways to join by each protocol: the tool, the command to run, and the text to type then. {host}, {port}, {place} and
# {code} are filled in. A row is shown if the port serves its protocol.
TOOLS = (
    ("line", "nc", "nc {host} {port}", "/code {code}"),
    ("line", "telnet", "telnet {host} {port}", "/code {code}"),
    ("web", "a browser", "http://{place}/", "/code {code}"),
    ("irc", "irssi", "irssi -c {host} -p {port}", "/quote CODE {code}"),
    ("ssh", "ssh, encrypted", "ssh -p {port} YOU@{host}", "/code {code}"),
    ("tls", "openssl, encrypted", "openssl s_client -quiet -connect {place}", "/code {code}"),
    ("", "our client", "twisted-chat --code {code} {place}", ""),
)


@table.command("invite", "[NAME]")
async def invite(call: Call, name: str | None = None) -> None:
    """Let somebody into this room, who is told, if they take private messages; without a name, show what to type elsewhere to
    come in, with a code for one guest."""
    room = mine(call)
    maker = call.hub.grants.maker(call.me, room)
    if room.policy.private or room.policy.invite_only or room.policy.key or room.policy.registered:
        call.require(Role.MODERATOR)
    if name is not None:
        other = call.hub.person(name)
        call.hub.admission.check_mute(call.me, None)
        if other.key != call.me.key:
            call.hub.admission.check_consent(call.me, other.key, other.name)
        if other.registered and other.key not in room.policy.invited:
            invited = (*room.policy.invited, other.key)[-MOST_INVITED:]
            makers = {key: by for key, by in room.policy.invited_by.items() if key in invited} | {other.key: maker}
            room.change(invited=invited, invited_by=makers)
            call.hub.keep_room(room)
        for session in call.hub.people[other.key]:
            _let_in(session, room.key, maker)
            if call.me.key not in session.ignores:
                session.inform(Invited(room.key, call.me.name, other.name))
        call.hub.show(lambda seq, time: Described(seq, time, room.key, call.me.name, "invited", other.name, call.me.id))
        call.reply(Remark(f"{other.name} is invited."))
        return
    await _print_invitation(call, room.key, maker)


def _let_in(session: Session, room: str, by: str) -> None:
    """Invite a session into a room. Only the latest `MOST_KEPT_INVITATIONS` invitations are kept."""
    others = {one: maker for one, maker in session.invited.items() if one != room}
    session.invited = dict([*others.items(), (room, by)][-MOST_KEPT_INVITATIONS:])


async def _print_invitation(call: Call, room: str, maker: str) -> None:
    hub, now = call.hub, call.hub.now()
    source = call.me.key if call.me.registered else call.me.host
    old = _give_way(hub.invitations, room, source, now)
    for one in old:
        del hub.invitations[one.code]
    code = hub.accounts.code()
    until = now + INVITATION_SECONDS
    invitation = Invitation(code=hub.accounts.digest(code), room=room, by=maker, until=until, source=source)
    hub.invitations[invitation.code] = invitation
    await hub.records.remove(*old)
    await hub.records.save(invitation)
    host, _, port = call.me.way.reached.rpartition(":")
    words = {"host": host.strip("[]") or "HOST", "port": port or "5555", "place": call.me.way.reached or "HOST", "code": code}
    rows = tuple((tool, run.format(**words), then.format(**words)) for by, tool, run, then in TOOLS if by in ("", *hub.spoken))
    call.reply(
        Remark(f"For one guest, once, within a day, into {room}:"),
        Listing("invitation", ("with", "run", "then type"), rows),
    )


def _give_way(invitations: Mapping[str, Invitation], room: str, source: str, now: float) -> list[Invitation]:
    """Return the invitations to drop for a new one by this source into this room: expired ones, and the earliest if needed."""
    old = list(takewhile(lambda one: one.until <= now, invitations.values()))
    left = list(islice(invitations.values(), len(old), None))
    by_one = [one for one in left if one.source == source]
    into_room = [one for one in left if one.room == room]
    if len(by_one) >= MOST_BY_ONE:
        old.append(by_one[0])
    elif len(into_room) >= MOST_INTO_ROOM:
        old.append(into_room[0])
    elif len(left) >= MOST_INVITATIONS:
        (most, _), *_ = Counter(one.source for one in left).most_common(1)
        old.append(next(one for one in left if one.source == most))
    return old


@table.command("code", "CODE", role=Role.VISITOR)
async def use_code(call: Call, code: str) -> None:
    """Use an invitation: it lets you into a room. Then give your name."""
    hub, me = call.hub, call.me
    invitation = hub.invitations.get(hub.accounts.digest(code.upper()))
    if invitation is None or invitation.until <= hub.now():
        error = NotUnderstood(f"The code {names.shown(code)} is used up, has expired, or never was one.")
        raise hub.attempts.wrong(me.way, Kind.INVITATION, error)
    hub.attempts.count_right(me.way, Kind.INVITATION)
    del hub.invitations[invitation.code]
    _let_in(me, invitation.room, invitation.by)
    if not me.name:
        hub.invited_visitors.add(me)
    if len(me.landing) < hub.bounds.rooms_a_person:
        me.landing = dict(me.landing) | {invitation.room: None}
    await hub.records.remove(invitation)
    call.reply(Remark(f"You are invited to {invitation.room}." + ("" if me.name else " What's your name?")))
    if me.name:
        call.reply(Remark(f"Come in with /join {invitation.room}"))
