"""Registration and quitting by IRC: capabilities, passwords, nick and user; accounts, by SASL, PASS or NickServ.

1. A client is registered (has a name on this server) once it has sent NICK and USER, and no CAP negotiation is open.
2. A registered name is an account, and a client that proves an account is called by it. With SASL before registration,
   the nick becomes the account's name; after registration, the nick changes.
3. PASS is the server's password if the server has one. Otherwise it is the account's password of a registered nick, or
   ``account:password``.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import replace

from twisted_chat.core.errors import (
    BadName,
    Banned,
    Busy,
    ChatError,
    ClaimNeeded,
    NameTaken,
    PasswordNeeded,
    TooOften,
    WrongPassword,
)
from twisted_chat.core.logins.attempts import Kind
from twisted_chat.core.rooms import permissions
from twisted_chat.core.text.names import fold
from twisted_chat.core.text.sanitize import as_reason
from twisted_chat.protocols.irc.commands.table import verb
from twisted_chat.protocols.irc.connection import IrcConnection
from twisted_chat.protocols.irc.welcome import LONGEST_USER, VERSION
from twisted_chat.protocols.irc.wire.capabilities import Payload, SaslFailed, plain
from twisted_chat.protocols.irc.wire.numerics import Numeric

MECHANISMS = "PLAIN"


@verb("CAP", early=True)
async def cap(irc: IrcConnection, params: Sequence[str]) -> None:
    """Negotiate capabilities."""
    before = frozenset(irc.caps.enabled)
    for message in irc.caps.answer(irc.client, bool(irc.session.name), params):
        if irc.caps.enabled != before:
            irc.speak()
        irc.send(message.command, *message.params, source=message.source)
    await _register(irc)


@verb("PASS", 1, early=True)
def password(irc: IrcConnection, params: Sequence[str]) -> None:
    """Give a password: the server's, or an account's."""
    if irc.session.name:
        irc.reply(Numeric.ERR_ALREADYREGISTERED)
    else:
        irc.given_password = params[0]


@verb("NICK", early=True)
async def nick(irc: IrcConnection, params: Sequence[str]) -> None:
    """Take a nick."""
    wanted = params[0] if params else ""
    if not wanted:
        irc.reply(Numeric.ERR_NONICKNAMEGIVEN)
    elif irc.session.name:
        await _rename(irc, wanted)
    else:
        irc.nick = wanted
        await _register(irc)


async def _rename(irc: IrcConnection, wanted: str, *password: str) -> None:
    me = irc.session
    old, was_registered, source = me.name, me.registered, irc.people.source(me.name)
    if wanted == old and not password:
        return
    try:
        await irc.do("nick", wanted, *password)
    except (NameTaken, PasswordNeeded, BadName, Banned) as error:
        _refuse_nick(irc, wanted, error)
        return
    if me.name != old:
        irc.send("NICK", me.name, source=source)
    _tell_account(irc, was_registered)


def _tell_account(irc: IrcConnection, was_registered: bool) -> None:
    me = irc.session
    if me.registered and not was_registered:
        irc.reply(Numeric.RPL_LOGGEDIN, irc.people.source(me.name), me.name)
    elif was_registered and not me.registered:
        irc.reply(Numeric.RPL_LOGGEDOUT, irc.people.source(me.name))


def _refuse_nick(irc: IrcConnection, wanted: str, error: ChatError) -> None:
    shown = wanted.split()[0][:64] if wanted.split() else "*"
    why = str(error)
    if isinstance(error, ClaimNeeded):
        why = f"{shown} is an operator's name. To claim it: /quote CLAIM {shown} CODE PASSWORD"
    numeric = Numeric.ERR_ERRONEUSNICKNAME if isinstance(error, BadName | Banned) else Numeric.ERR_NICKNAMEINUSE
    irc.reply(numeric, shown, text=why)


@verb("USER", 4, early=True)
async def user(irc: IrcConnection, params: Sequence[str]) -> None:
    """Say what one is called elsewhere, and who one is."""
    if irc.session.name:
        irc.reply(Numeric.ERR_ALREADYREGISTERED)
    elif not params[0] or not params[3]:
        irc.reply(Numeric.ERR_NEEDMOREPARAMS, "USER")
    else:
        ident = "".join(char for char in params[0] if char.isascii() and (char.isalnum() or char in "-_."))
        irc.session.way = replace(irc.session.way, user=f"~{ident[: LONGEST_USER - 1]}" if ident else "")
        irc.session.about = as_reason(params[3])
        irc.user_given = True
        await _register(irc)


async def _register(irc: IrcConnection) -> None:
    """Enter the chat, if registration is complete."""
    me = irc.session
    if me.name or not irc.nick or not irc.user_given or irc.caps.waiting or me.gone:
        return
    secret = irc.factory.config.irc_password
    if secret and not await _has_server_password(irc, secret):
        return
    about = me.about
    account = irc.factory.hub.registry.proven(me.proven)
    try:
        if account is not None:
            await irc.do("name", account.name)
        else:
            await irc.do(*_asked_for(irc, secret))
    except (NameTaken, PasswordNeeded, BadName) as error:
        _refuse_nick(irc, irc.nick, error)
        irc.nick = ""
    except WrongPassword as error:
        irc.reply(Numeric.ERR_PASSWDMISMATCH, text=str(error))
        irc.nick = irc.given_password = ""
        irc.given_claim = ()
    except Banned as error:
        irc.reply(Numeric.ERR_YOUREBANNEDCREEP, text=str(error))
        irc.close(str(error))
    else:
        me.about = about


async def _has_server_password(irc: IrcConnection, secret: str) -> bool:
    """Return True if the client has given the server's password; otherwise close the connection."""
    hub, given = irc.factory.hub, irc.given_password

    async def is_right() -> bool:
        return hmac.compare_digest(secret.encode(), given.encode("utf-8", "surrogatepass"))

    try:
        if given and await hub.attempts.check(irc.session.way, Kind.SERVER_PASSWORD, "", is_right, who=fold(irc.nick)):
            return not irc.session.gone
    except (TooOften, Busy) as error:
        irc.reply(Numeric.ERR_PASSWDMISMATCH, text=str(error))
        irc.close(str(error))
    else:
        irc.reply(Numeric.ERR_PASSWDMISMATCH)
        irc.close("Wrong password" if given else "A password is needed")
    return False


def _asked_for(irc: IrcConnection, secret: str) -> tuple[str, ...]:
    """Return the command to enter by, with its arguments: the name, and its password or claim code if given."""
    given = "" if secret else irc.given_password
    if irc.factory.hub.claims.reserves(fold(irc.nick)):
        claim = irc.given_claim or tuple(given.split(":", 1))
        return ("claim", irc.nick, *claim) if len(claim) == 2 else ("name", irc.nick)
    accounts = irc.factory.hub.registry.accounts
    account, colon, rest = given.partition(":")
    if colon and rest and fold(account) in accounts:
        return "name", account, rest
    return ("name", irc.nick, given) if given and fold(irc.nick) in accounts else ("name", irc.nick)


@verb("AUTHENTICATE", 1, early=True)
async def authenticate(irc: IrcConnection, params: Sequence[str]) -> None:
    """Prove an account by SASL."""
    if "sasl" not in irc.caps.enabled:
        irc.reply(Numeric.ERR_SASLFAIL)
    elif irc.payload is None and params[0] != "*":
        if params[0].upper() == MECHANISMS:
            irc.payload = Payload()
            irc.send("AUTHENTICATE", "+", source="")
        else:
            irc.reply(Numeric.RPL_SASLMECHS, MECHANISMS)
            irc.reply(Numeric.ERR_SASLFAIL)
    else:
        try:
            await _prove(irc, params[0])
        except SaslFailed as error:
            irc.payload = None
            irc.reply(error.numeric)


async def _prove(irc: IrcConnection, piece: str) -> None:
    whole = (irc.payload or Payload()).feed(piece)
    if whole is None:
        return
    irc.payload = None
    account, secret = plain(whole)
    me = irc.session
    try:
        if me.name:
            await _rename(irc, account, secret)
            if not (me.registered and me.key == fold(account)):
                raise SaslFailed
        else:
            await irc.do("login", account, secret)
            known = irc.factory.hub.registry.proven(me.proven)
            shown = known.name if known is not None else account
            irc.reply(Numeric.RPL_LOGGEDIN, f"{irc.client}!{me.way.user or '*'}@{me.host}", shown)
    except SaslFailed:
        raise
    except ChatError as error:
        irc.reply(Numeric.ERR_SASLFAIL, text=str(error))
    else:
        irc.reply(Numeric.RPL_SASLSUCCESS)


@verb("CLAIM", 2, early=True)
async def claim(irc: IrcConnection, params: Sequence[str]) -> None:
    """Take the name of an operator of the server, with its claim code and a new password: NAME CODE PASSWORD."""
    name, *claimed = params
    me = irc.session
    if not me.name:
        irc.nick, irc.given_claim = name, tuple(claimed)
        await _register(irc)
        return
    old, was_registered, source = me.name, me.registered, irc.people.source(me.name)
    try:
        await irc.do("claim", name, *claimed, quiet=False)
    except PasswordNeeded:
        irc.reply(Numeric.ERR_NEEDMOREPARAMS, "CLAIM")
    if me.name != old:
        irc.send("NICK", me.name, source=source)
    _tell_account(irc, was_registered)


@verb("REGISTER", 3, early=True)
async def register(irc: IrcConnection, params: Sequence[str]) -> None:
    """Make one's nick an account (IRCv3 ``draft/account-registration``)."""
    me, account = irc.session, params[0]
    if not me.name:
        irc.fail("REGISTER", "COMPLETE_CONNECTION_REQUIRED", account, text="Come in first.")
    elif account not in ("*", me.name):
        irc.fail("REGISTER", "ACCOUNT_NAME_MUST_BE_NICK", account, text="An account is called as you are.")
    elif me.registered:
        irc.fail("REGISTER", "ALREADY_AUTHENTICATED", me.name, text="Your nick is registered already.")
    else:
        try:
            await irc.do("register", params[2])
        except ChatError as error:
            irc.fail("REGISTER", "UNACCEPTABLE_PASSWORD", me.name, text=str(error))
        else:
            irc.send("REGISTER", "SUCCESS", me.name, f"{me.name} is yours now.")
            _tell_account(irc, was_registered=False)


@verb("CODE", 1, early=True)
async def use_code(irc: IrcConnection, params: Sequence[str]) -> None:
    """Use an invitation, before registration or after it."""
    await irc.do("code", params[0])
    irc.notice(f"You are invited to {', '.join(sorted(irc.session.invited))}.")


@verb("CHAT", 1)
async def chat(irc: IrcConnection, params: Sequence[str]) -> None:
    """Do what somebody at a terminal does who types this, in the room that was joined last: /quote CHAT /search tea"""
    me, old = irc.session, irc.session.name
    source = irc.people.source(old)
    irc.own(await irc.type(" ".join(params)))
    if me.name != old and not me.gone:
        irc.send("NICK", me.name, source=source)


@verb("NS")
async def nickserv_verb(irc: IrcConnection, params: Sequence[str]) -> None:
    """What clients say to NickServ."""
    await nickserv(irc, " ".join(params))


async def nickserv(irc: IrcConnection, words: str) -> None:
    """Run a command to NickServ: REGISTER PASSWORD, IDENTIFY [NAME] PASSWORD."""
    me = irc.session
    match words.split():
        case [command, password, *email] if command.upper() == "REGISTER" and (
            not email or (len(email) == 1 and "@" in email[0])
        ):
            await irc.do("register", password)
            _answer(irc, "Account created")
            _tell_account(irc, was_registered=False)
        case [command, *name, password] if command.upper() in ("IDENTIFY", "LOGIN") and len(name) < 2:
            await _rename(irc, name[0] if name else me.name, password)
            _answer(irc, f"You are {me.name}, {'a registered name' if me.registered else 'a guest'}.")
        case _:
            _answer(irc, "I know: REGISTER PASSWORD, IDENTIFY [NAME] PASSWORD")


def _answer(irc: IrcConnection, sentence: str) -> None:
    irc.send("NOTICE", irc.client, sentence, source=f"NickServ!NickServ@{irc.people.server}")


@verb("OPER", 2)
async def oper(irc: IrcConnection, params: Sequence[str]) -> None:
    """Become an operator of the server, with the name and password of one."""
    try:
        await irc.do("oper", params[0], params[1])
    except ChatError as error:
        irc.reply(Numeric.ERR_PASSWDMISMATCH, text=str(error))
    else:
        irc.reply(Numeric.RPL_YOUREOPER)
        irc.send("MODE", irc.client, "+o")


@verb("PING", early=True, alongside=True)
async def ping(irc: IrcConnection, params: Sequence[str]) -> None:
    """Ask whether everything before this was worked off."""
    await irc.next_turn()
    await irc.settled()
    if params:
        irc.send("PONG", irc.people.server, params[0])
    elif irc.session.name:
        irc.reply(Numeric.ERR_NEEDMOREPARAMS, "PING")
    else:
        irc.reply(Numeric.ERR_NOORIGIN)


@verb("PONG", early=True, alongside=True)
def pong(irc: IrcConnection, params: Sequence[str]) -> None:
    """An answer nobody has asked for: this server sends no PING."""


@verb("QUIT", early=True)
def leave(irc: IrcConnection, params: Sequence[str]) -> None:
    """Leave the chat."""
    reason = params[0] if params else ""
    irc.say_last(f"{irc.client} (Quit: {as_reason(reason)})")
    irc.say("quit", reason)


def is_operator(irc: IrcConnection) -> bool:
    """Return True if the client is an operator of the server."""
    return permissions.is_operator(irc.session, irc.factory.hub.operators)


@verb("VERSION")
def version(irc: IrcConnection, params: Sequence[str]) -> None:
    """Tell the server's version."""
    irc.reply(Numeric.RPL_VERSION, VERSION, irc.people.server, "a chat that telnet, IRC and programs are in together")
