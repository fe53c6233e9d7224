"""Joining the chat, talking and leaving."""

from __future__ import annotations

from contextlib import suppress

from twisted_chat.core.command_table.table import Answering, Call, table
from twisted_chat.core.commands.accounts import identified
from twisted_chat.core.commands.rooms import enter_room
from twisted_chat.core.errors import ChatError, NameTaken, NoSuchPerson, NotAllowed, NotInRoom, NotKept
from twisted_chat.core.events import Emoted, Refused, Remark, Said, Spoken, Told, Welcome
from twisted_chat.core.logins.attempts import Kind
from twisted_chat.core.rooms.room import LOBBY, Room
from twisted_chat.core.text import names
from twisted_chat.core.users.session import Role

# The most waiting private messages that are counted.
WAITING_MOST = 1000


@table.command("name", "NAME [PASSWORD]", role=Role.VISITOR)
async def give_name(call: Call, name: str, password: str | None = None) -> None:
    """Give your name, once: what you type first when you come in. A registered one needs its password."""
    await come_in(call, name, password)


async def come_in(call: Call, name: str, password: str | None, *, resumes: bool = False) -> None:
    """Give a visitor a name, and join the visitor's rooms. Raises as `identified` and `Hub.enter` do."""
    hub, me = call.hub, call.me
    if me.name:
        raise NotAllowed("You have a name already. Use /nick to change it.")
    proof = await identified(call, name, password)
    account = hub.account_of(proof)
    asked = dict(me.landing)
    if account is None and me.secrets and me.token is None:
        _come_back(call, name, by_code=resumes)
    else:
        hub.enter(me, name, proof)
    usages = tuple((command.name, command.usage) for command in call.table.for_role(hub.role(me)))
    call.reply(Welcome(me.name, hub.log.id, hub.motd, usages))
    if me.rooms:
        call.reply(Remark("You are already connected, switching to this session."))
    read = dict(account.read) if account else {}
    await _land(call, asked, tuple(account.rooms) if account and me.lands else (), read)
    await _show_inbox(call)


def _come_back(call: Call, name: str, *, by_code: bool) -> None:
    """Enter as a guest with a secret, which gives access to the guest's taken or held name. A wrong secret counts as a guess.

    The secret is compared before guesses are limited, unless it is a program's own and short enough to guess. Programs send
    a secret with any name: a wrong long secret may simply mean that the name is taken.
    """
    attempts, me, key = call.hub.attempts, call.me, names.fold(name)
    guessable = me.guessable and not by_code
    if guessable:
        attempts.check_allowed(me.way, Kind.RESUME, key)
    try:
        call.hub.enter(me, name)
    except NameTaken as error:
        meant = by_code or guessable
        raise attempts.wrong(me.way, Kind.RESUME, error, subject=key, meant=meant, reported=by_code) from None


async def _land(call: Call, asked: dict[str, int | None], earlier: tuple[str, ...], read: dict[str, int]) -> None:
    """Join the requested rooms, otherwise the session's earlier rooms, otherwise the lobby."""
    me = call.me
    marks = read | {key: position for key, position in me.positions.items() if key in me.rooms}
    rooms = asked or dict.fromkeys(me.rooms or earlier or ((LOBBY,) if me.lands else ()))
    rooms |= {room: None for room in me.rooms if room not in rooms}
    if not rooms:
        return
    first = me.current.key if me.current else next(iter(rooms))
    for room, since in rooms.items():
        if not me.gone and me.inbox is not None:  # still connected: reading a room's history takes time
            try:
                await enter_room(call, room, since, mark=marks.get(room, 0))
            except ChatError as error:
                call.reply(Refused(error.code, str(error)))
    me.current = me.rooms.get(first, me.current)


async def _show_inbox(call: Call) -> None:
    """Announce the number of waiting private messages, then release them."""
    me = call.me
    if me.inbox is None:
        return
    waiting = 0
    if me.registered:
        with suppress(NotKept, NotInRoom):
            waiting = await call.hub.queries.count(me, me.inbox, me.positions[me.inbox.key], WAITING_MOST)
    if waiting:
        call.reply(Remark(f"{waiting} private message{'s' if waiting > 1 else ''} waited for you:"))
    if me.inbox is not None:
        call.hub.release(me, me.inbox)


@table.command("resume", "[NAME] [CODE]", role=Role.VISITOR)
async def resume(call: Call, name: str | None = None, code: str | None = None) -> None:
    """Ask for a code, as a guest; if your line drops, /resume NAME CODE gives you your name back."""
    if call.me.name and name is not None:
        raise NotAllowed("You have a name already. /resume alone gives you a code to come back with.")
    if call.me.name:
        call.reply(Remark(f"If your line drops, come back within a minute with: /resume {call.me.name} {resume_code(call)}"))
    elif name is None or code is None:
        raise NotAllowed("Usage: /resume NAME CODE, with the code you asked for before.")
    else:
        if names.fold(name) in call.hub.registry.accounts:
            raise NotAllowed(f"{names.shown(name)} is registered: enter the name by itself, and then its password.")
        earlier = call.me.code, call.me.secrets
        call.me.secrets = ()  # only the code counts now
        call.me.resumed_by(code.upper())
        try:
            await come_in(call, name, None, resumes=True)
        except ChatError:
            call.me.code, call.me.secrets = earlier
            raise
        call.me.secrets = (*earlier[1], *call.me.secrets)


def resume_code(call: Call) -> str:
    """Return the code that identifies this person on return."""
    if not call.me.code:
        call.me.resumed_by(call.hub.accounts.code())
    return call.me.code


@table.command("say", "TEXT...", receipted=True)
def say(call: Call, text: str) -> Answering | None:
    """Say something in this room. A line without a slash does the same."""
    return _speak(call, text, Said)


@table.command("me", "TEXT...", receipted=True)
def emote(call: Call, text: str) -> Answering | None:
    """Say what you do: /me waves."""
    return _speak(call, text, Emoted)


@table.command("msg", "NAME TEXT...", receipted=True)
def message(call: Call, name: str, text: str) -> Answering | None:
    """Say something to one person alone. Between registered names it is kept, and waits for the absent."""
    if call.again:
        return _tell_again(call, name, text)
    _tell(call, name, text)
    return None


def _tell(call: Call, name: str, text: str) -> None:
    call.hub.tell(call.me, name, text, call.id)
    _tell_of_absence(call, name)


@table.command("notice", "NAME|#ROOM TEXT...")
def notice(call: Call, whom: str, text: str) -> None:
    """Remark something to a person or a room, for programs: nobody is to answer it, and it is not kept."""
    if whom.startswith("#"):
        call.hub.remark(call.me, call.hub.room(whom, call.me), text)
    else:
        call.hub.remark_to(call.me, whom, text)


@table.command("reply", "TEXT...", receipted=True)
def reply(call: Call, text: str) -> Answering | None:
    """Answer whoever wrote to you privately last."""
    if not call.me.correspondent:
        raise NoSuchPerson("Nobody has written to you privately yet.")
    if call.hub.person_called(names.fold(call.me.correspondent)) != call.me.correspondent_person:
        raise NoSuchPerson(f"{call.me.correspondent} is not who wrote to you any more. Write to them by name: /msg")
    return message(call, call.me.correspondent, text)


def _tell_of_absence(call: Call, name: str) -> None:
    key = names.fold(name)
    sessions = call.hub.people.get(key, ())
    if not sessions:
        call.reply(Remark(f"{call.hub.registry.accounts[key].name} is not here now, and will get it."))
    elif sessions[0].away is not None:
        call.reply(Remark(f"{sessions[0].name} is away" + (f": {sessions[0].away}" if sessions[0].away else ".")))


@table.command("quit", "[REASON...]", role=Role.VISITOR)
def quit_chat(call: Call, reason: str = "") -> None:
    """Leave the chat."""
    call.hub.leave(call.me, call.sentence(reason))
    call.me.outlet.close()


@table.command("exit", role=Role.VISITOR)
def exit_chat(call: Call) -> None:
    """Leave the chat. Where the server was started with --exit-stops-server, this stops it too."""
    quit_chat(call)
    if call.hub.exit_stops and call.hub.stop is not None:
        call.hub.stop(0.0)


def _speak(call: Call, text: str, kind: type[Spoken]) -> Answering | None:
    if call.again:
        return _speak_again(call, call.room, text, kind)
    call.hub.say(call.me, call.room, text, call.id, kind)
    return None


async def _speak_again(call: Call, room: Room, text: str, kind: type[Spoken]) -> None:
    """Send a message that may have been sent before, unless it is on disk."""
    receipt = await call.hub.said_before(call.me, room.key, text, call.id, kind)
    if receipt is not None:
        call.reply(receipt)
    else:
        call.hub.say(call.me, room, text, call.id, kind)


async def _tell_again(call: Call, name: str, text: str) -> None:
    """Send a private message that may have been sent before, unless it is on disk."""
    inbox = f"@{names.fold(name)}"
    receipt = await call.hub.said_before(call.me, inbox, text, call.id, Told)
    if receipt is not None:
        call.reply(receipt)
    else:
        _tell(call, name, text)
