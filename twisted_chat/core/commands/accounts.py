"""Registered names: registration, passwords, devices, settings."""

from __future__ import annotations

import secrets
from dataclasses import replace

from twisted_chat.core.command_table.table import Call, table
from twisted_chat.core.errors import ClaimNeeded, NameTaken, NotAllowed, PasswordNeeded, WrongPassword
from twisted_chat.core.events import Listing, Remark
from twisted_chat.core.hub.hub import Hub
from twisted_chat.core.logins.attempts import Kind
from twisted_chat.core.logins.proof import Proof
from twisted_chat.core.logins.sources import source_of
from twisted_chat.core.records import Account
from twisted_chat.core.text import durations, names
from twisted_chat.core.users.session import Role
from twisted_chat.core.users.settings import Settings

# The size of an account's id, in bytes: random, and large enough to be unique.
ID_BYTES = 16


async def identified(call: Call, name: str, password: str | None) -> Proof | None:
    """Return the proof of a name after checking its password, or None for a guest's name.

    Raises `PasswordNeeded`, `WrongPassword`, `TooOften` or `Busy`.
    """
    hub, key = call.hub, names.fold(name)
    if password is None:
        account = hub.registry.accounts.get(key)
        if account is not None and hub.registry.proven(call.me.proven) is account:
            return call.me.proven
        if account is not None:
            again = "choose another name" if not call.me.name else "cancel"
            raise PasswordNeeded(f"{account.name} is a registered name. Password:", f"Try again, or press Enter to {again}:")
        if operator := hub.claims.reserves(key):
            raise ClaimNeeded(operator)
        return None
    return await prove(call, name, password)


async def prove(call: Call, name: str, password: str) -> Proof:
    """Return the proof of an account after checking its password. Raises as `proven` does.

    Hashing takes time: afterwards the account must still exist, with the same password.
    """
    accounts, key = call.hub.registry.accounts, names.fold(name)
    account = accounts.get(key)
    await proven(call, key, password)
    if account is None:
        raise WrongPassword(f"{names.shown(name)} is not a registered name. Leave the password away.")
    proof = Proof.of(account)
    call.hub.account_of(proof)
    call.hub.learn_source(key, call.me.way)
    return proof


async def proven(call: Call, key: str, password: str) -> None:
    """Raise `WrongPassword` if it is not the password of this account, `TooOften` after too many of these, or `Busy`."""
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


def password_of(name: str) -> PasswordNeeded:
    """Return the question for the password of a name."""
    shown = names.shown(name)
    return PasswordNeeded(f"Password for {shown}: (press Enter to cancel)", f"Password for {shown}, or press Enter to cancel:")


@table.command("login", "NAME [PASSWORD]", role=Role.VISITOR)
async def login(call: Call, name: str, password: str | None = None) -> None:
    """Prove that a registered name is yours, before you give it: for programs."""
    if password is None:
        raise password_of(name)
    call.me.proven = await prove(call, name, password)
    call.reply(Remark(f"You may be {names.shown(name)} now."))


@table.command("oper", "NAME [PASSWORD]")
async def oper(call: Call, name: str, password: str | None = None) -> None:
    """Be an operator of the server on this connection, whatever you are called, with the password of a name that is one."""
    if password is None:
        raise password_of(name)
    proof = await prove(call, name, password)
    if not call.hub.operators.proven_by(proof):
        raise NotAllowed(f"{names.shown(name)} is no operator of the server.")
    if not call.hub.is_here(call.me):
        return
    call.me.operator = proof
    await call.hub.records.save(call.hub.note(call.me.key, "", f"became an operator as {proof.key}"))
    call.reply(Remark("You are an operator of the server now. /deoper ends it."))


@table.command("deoper")
def deoper(call: Call) -> None:
    """Be no operator of the server any more, if a password had made you one."""
    call.me.operator = None
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
        wanted = f"Choose a password for {me.name}"
        raise PasswordNeeded(f"{wanted}: (press Enter to cancel)", f"{wanted}, or press Enter to cancel:", new=True)
    key, name, source = me.key, me.name, source_of(me.way.address)
    hub.registered.check("", hub.clock(), "Names are registered")
    hub.registrations.take(source, hub.clock(), "You try to register")
    hashed = await hub.accounts.hash(password, source)
    if me.key != key or not hub.is_here(me):
        raise NotAllowed("Your name has changed meanwhile. Nothing was registered.")
    if key in hub.registry.accounts:
        raise NameTaken(f"The name {name} is registered already.")
    if len(hub.registry.accounts) >= hub.bounds.accounts:
        raise NotAllowed("The server has as many registered names as it can have. Stay as a guest.")
    hub.registered.take("", hub.clock(), "Names are registered")
    account = hub.known_sources.learn(new_account(hub, name, hashed, me.settings), me.way)
    hub.own(me, account)
    await hub.records.save(account)
    call.reply(Remark(f"{name} is yours now. Come in with your password next time, from anywhere."))


def new_account(hub: Hub, name: str, hashed: str, settings: Settings) -> Account:
    """Return a new account. Earlier private messages to its name belong to somebody else, and stay hidden from it."""
    key = names.fold(name)
    return Account(
        key=key,
        name=name,
        password=hashed,
        created=hub.now(),
        settings=settings.as_kept(),
        read={f"@{key}": hub.log.newest},
        id=secrets.token_hex(ID_BYTES),
    )


async def own_account(call: Call, password: str) -> Account:
    """Return the calling session's account after checking its password again. Raises as `prove` does."""
    me = call.me
    proof = await prove(call, me.name, password)
    account = call.hub.account_of(me.proof)  # the session may have changed its name meanwhile, or ended
    if account is None or account.key != proof.key or not call.hub.is_here(me):
        raise NotAllowed("Your name has changed meanwhile. Nothing was changed.")
    return account


@table.command("password", "[CURRENT] [NEW]", role=Role.REGISTERED)
async def password(call: Call, current: str | None = None, new: str | None = None) -> None:
    """Change your password: you are asked for the current one, and for the new one. Your other connections end."""
    hub, me = call.hub, call.me
    if current is None:
        wanted = "Your current password"
        raise PasswordNeeded(f"{wanted}: (press Enter to cancel)", f"{wanted}, or press Enter to cancel:")
    account = await own_account(call, current)
    if new is None:
        wanted = "Your new password"
        raise PasswordNeeded(f"{wanted}: (press Enter to cancel)", f"{wanted}, or press Enter to cancel:", new=True)
    hashed = await hub.accounts.hash(new, source_of(me.way.address))
    hub.account_of(Proof.of(account))
    if not hub.is_here(me) or me.key != account.key:
        raise NotAllowed("Your name has changed meanwhile. Nothing was changed.")
    account = replace(hub.registry.accounts[account.key], password=hashed, generation=account.generation + 1, sources=())
    account = hub.known_sources.learn(account, me.way)
    await hub.records.save(hub.change_secrets(account, "Your password was changed on another connection.", by=me))
    call.reply(Remark("Your password is changed. Your other connections have ended."))


@table.command("unregister", "[PASSWORD]", role=Role.REGISTERED)
async def unregister(call: Call, password: str | None = None) -> None:
    """Give your name up: its settings, rooms and waiting messages go with it. Your password is asked for."""
    if password is None:
        raise PasswordNeeded(
            f"To give up {call.me.name} for good, your password: (press Enter to cancel)",
            "Your password, or press Enter to cancel:",
        )
    account = await own_account(call, password)
    call.hub.disown(account, by=call.me)
    await call.hub.records.remove(account)
    call.reply(Remark(f"{account.name} is not registered any more. You are a guest now."))


@table.command("nick", "NAME [PASSWORD]")
async def nick(call: Call, name: str, password: str | None = None) -> None:
    """Take another name. A registered one needs its password."""
    own = names.fold(name) == call.me.key
    proof = None if own else await identified(call, name, password)
    call.hub.rename(call.me, name, proof)


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
    """Change a person's setting on all their connections."""
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
