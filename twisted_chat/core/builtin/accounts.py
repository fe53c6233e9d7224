"""Names that are one's own: registering, passwords, devices, settings."""

from __future__ import annotations

from dataclasses import replace

from twisted_chat.core import durations, names
from twisted_chat.core.attempts import Kind
from twisted_chat.core.builtin.table import table
from twisted_chat.core.commands import Call
from twisted_chat.core.errors import ChatError, NameTaken, NotAllowed, PasswordNeeded, WrongPassword
from twisted_chat.core.events import Listing, Remark
from twisted_chat.core.records import Account
from twisted_chat.core.session import Role
from twisted_chat.core.sources import source_of


async def identified(call: Call, command: str, name: str, password: str | None) -> Account | None:
    """The account of a name, once its password is proven; None for a guest's name.

    Without a password it is asked for, and the answer becomes the last argument of the command. Raises
    `PasswordNeeded`, `WrongPassword`, `TooOften` or `Busy`.
    """
    hub, key = call.hub, names.fold(name)
    if password is None:
        account = hub.registry.accounts.get(key)
        if account is not None and call.me.proven == key:
            return account
        if account is not None:
            hub.ask(call.me, command, account.name)
            raise PasswordNeeded(f"{account.name} is a registered name. Password:")
        return None
    try:
        await proven(call, key, password)
    except ChatError as error:
        if not call.me.name and key in hub.registry.accounts:
            hub.ask(call.me, command, name)  # not a name: what is typed next may be the password, and must not be shown
            raise type(error)(f"{error} Another try, or an empty line for another name:") from None
        raise
    account = hub.registry.accounts.get(key)
    if account is None:
        raise WrongPassword(f"{names.shown(name)} is not a registered name. Leave the password away.")
    return account


async def proven(call: Call, key: str, password: str) -> None:
    """Raises `WrongPassword` if it is not the password of this account, `TooOften` after too many of these, or `Busy`."""
    hub, way = call.hub, call.me.way
    account = hub.registry.accounts.get(key)
    right = await hub.attempts.check(
        way,
        Kind.PASSWORD,
        key,
        lambda: hub.accounts.check(key, password, source_of(way.address)),
        known=account is not None and hub.known_sources.knows(account, way),
        name=account.name if account is not None else "",
    )
    if not right:
        raise WrongPassword("That is not the password of this name.")
    hub.learn_source(key, way)


@table.command("login", "NAME PASSWORD", role=Role.VISITOR)
async def login(call: Call, name: str, password: str) -> None:
    """Prove that a registered name is yours, before you give it: for programs."""
    key = names.fold(name)
    await proven(call, key, password)
    call.me.proven = key
    call.reply(Remark(f"You may be {names.shown(name)} now."))


@table.command("oper", "NAME PASSWORD")
async def oper(call: Call, name: str, password: str) -> None:
    """Be an operator of the server on this connection, whatever you are called, with the password of a name that is one."""
    key = names.fold(name)
    await proven(call, key, password)
    if key not in call.hub.operators:
        raise NotAllowed(f"{names.shown(name)} is no operator of the server.")
    call.me.operator = True
    await call.hub.records.save(call.hub.note(call.me.key, "", f"became an operator as {key}"))
    call.reply(Remark("You are an operator of the server now. /deoper ends it."))


@table.command("deoper")
def deoper(call: Call) -> None:
    """Be no operator of the server any more, if a password had made you one."""
    call.me.operator = False
    call.reply(
        Remark("You are an operator of the server no longer." if call.role < Role.OPERATOR else "Your name is one still.")
    )


@table.command("about", "[TEXT...]")
def about(call: Call, text: str = "") -> None:
    """Say in a few words who you are, for /whois; without a text, nothing any more."""
    shown = call.sentence(text)
    for session in call.hub.people[call.me.key]:
        session.about = shown
    call.hub.describe(call.me, "about", shown)
    call.reply(Remark("Done." if shown else "Nothing is said about you any more."))


@table.command("register", "[PASSWORD]")
async def register(call: Call, password: str | None = None) -> None:
    """Make your name your own: from now on it needs this password. Without one, you are asked for it."""
    hub, me = call.hub, call.me
    if me.registered:
        raise NotAllowed("Your name is registered already. /password changes its password.")
    if password is None:
        hub.ask(me, "register")
        raise PasswordNeeded(f"A password for {me.name}:")
    hub.registrations.take("", hub.clock(), "Names are registered")
    key, name = me.key, me.name
    hashed = await hub.accounts.hash(password, source_of(me.way.address))
    if me.key != key or me.gone:
        raise NotAllowed("Your name has changed meanwhile. Nothing was registered.")
    if key in hub.registry.accounts:
        raise NameTaken(f"The name {name} is registered already.")
    read = {f"@{key}": hub.log.newest}
    account = Account(key=key, name=name, password=hashed, created=hub.now(), settings=me.settings.as_kept(), read=read)
    account = hub.known_sources.learn(account, me.way)
    hub.own(me, account)
    await hub.records.save(account)
    call.reply(Remark(f"{name} is yours now. Come in with your password next time, from anywhere."))


@table.command("password", "[PASSWORD]", role=Role.REGISTERED)
async def password(call: Call, password: str | None = None) -> None:
    """Change your password. Without one, you are asked for it."""
    if password is None:
        call.hub.ask(call.me, "password")
        raise PasswordNeeded("Your new password:")
    key = call.me.key
    hashed = await call.hub.accounts.hash(password, source_of(call.me.way.address))
    account = call.hub.registry.accounts.get(key)
    if account is None:
        raise NotAllowed("Your name is not registered any more.")
    account = call.hub.known_sources.learn(replace(account, password=hashed, sources=()), call.me.way)
    call.hub.put_account(account)
    await call.hub.records.save(account)
    call.reply(Remark("Your password is changed."))


@table.command("unregister", "[PASSWORD]", role=Role.REGISTERED)
async def unregister(call: Call, password: str | None = None) -> None:
    """Give your name up: its settings, rooms and waiting messages go with it. Your password is asked for."""
    if password is None:
        call.hub.ask(call.me, "unregister")
        raise PasswordNeeded(f"To give up {call.me.name} for good, your password:")
    key = call.me.key
    await proven(call, key, password)
    account = call.hub.registry.accounts.get(key)
    if account is not None:
        call.hub.disown(account)
        await call.hub.records.remove(account)
    call.reply(Remark(f"{call.me.name} is not registered any more. You are a guest now."))


@table.command("nick", "NAME [PASSWORD]")
async def nick(call: Call, name: str, password: str | None = None) -> None:
    """Take another name. A registered one needs its password."""
    own = names.fold(name) == call.me.key
    account = None if own else await identified(call, "nick", name, password)
    if call.me.gone:
        return
    call.hub.rename(call.me, name, account)


@table.command("devices", "[one|many]", role=Role.REGISTERED)
def devices(call: Call, choice: str | None = None) -> None:
    """List your connections; many: stay on several at once; one: a new one takes over from the old."""
    if choice is not None:
        change_setting(call, "devices", choice)
        return
    now = call.hub.now()
    rows = tuple(
        (
            one.way.protocol,
            one.way.address or "local",
            durations.words(now - one.since),
            "this one" if one is call.me else "",
        )
        for one in call.hub.people.get(call.me.key, ())
    )
    call.reply(Listing("devices", ("protocol", "address", "for", ""), rows))


@table.command("set", "[SETTING] [VALUE]")
def set_up(call: Call, setting: str | None = None, value: str | None = None) -> None:
    """List your settings, or change one. They are kept if your name is registered."""
    if setting is None or value is None:
        rows = [row for row in call.me.settings.explained() if setting in (None, row[0])]
        call.reply(Listing("settings", ("setting", "now", "choices", "what"), tuple(rows)))
    else:
        change_setting(call, setting, value)


def change_setting(call: Call, name: str, value: str) -> None:
    """Change a setting of one's own, on every connection."""
    settings = call.me.settings.changed(name, value)
    for session in call.hub.people[call.me.key]:
        session.set(settings)
    call.hub.remember(call.me)
    call.reply(Remark(f"{name.lower()} is {value.lower()} now."))


@table.command("bell", "off|mention|all")
def bell(call: Call, value: str) -> None:
    """Ring the terminal's bell when you are named, or at every message."""
    change_setting(call, "bell", value)


@table.command("quiet", "[on|off]")
def quiet(call: Call, value: str = "on") -> None:
    """Don't show who comes and goes."""
    change_setting(call, "quiet", value)


@table.command("msgs", "all|known|none")
def consent(call: Call, value: str) -> None:
    """Say who may write to you privately; known are those whom you have written to."""
    change_setting(call, "msgs", value)


@table.command("away", "[TEXT...]")
def away(call: Call, text: str | None = None) -> None:
    """Say that you are away: whoever writes to you is told. Without a text, say that you are back."""
    shown = None if text is None else call.sentence(text)
    for session in call.hub.people[call.me.key]:
        session.away = shown
    call.hub.describe(call.me, "away", shown)
    call.reply(Remark("You are back." if shown is None else f"You are away: {shown}"))
