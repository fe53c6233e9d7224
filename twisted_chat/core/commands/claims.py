"""Claiming an operator's name with the claim code that the server issued for it."""

from __future__ import annotations

from dataclasses import replace

from twisted_chat.core.command_table.table import Call, table
from twisted_chat.core.commands.accounts import new_account
from twisted_chat.core.commands.messages import come_in
from twisted_chat.core.errors import ClaimNeeded, NotAllowed, PasswordNeeded, WrongClaim
from twisted_chat.core.events import Remark
from twisted_chat.core.logins.attempts import Kind
from twisted_chat.core.logins.proof import Proof
from twisted_chat.core.logins.sources import source_of
from twisted_chat.core.records import CLAIMED, Account
from twisted_chat.core.text import names
from twisted_chat.core.users.session import Role


@table.command("claim", "NAME [CLAIM-CODE] [PASSWORD]", role=Role.VISITOR)
async def claim(call: Call, name: str, code: str | None = None, password: str | None = None) -> None:
    """Take the name of an operator of the server, with its claim code and a new password; both are asked for. The code is in
    the file operator-claim in the state folder. If the name is registered to you already, the code confirms that."""
    hub, me, key = call.hub, call.me, names.fold(name)
    if not hub.claims.can_be_claimed(key):
        raise NotAllowed(f"{names.shown(name)} can't be claimed: it is no operator's name, or is claimed already.")
    account = hub.registry.accounts.get(key)
    if account is not None and hub.registry.proven(me.proof) is not account:
        raise NotAllowed(f"{account.name} is registered already. Log in with its password, then confirm it by the code.")
    if code is None:
        raise ClaimNeeded(hub.operators.names[key])
    _check_code(call, key, code)
    if account is not None:
        await _confirm(call, key, code)
    elif password is None:
        wanted = f"Choose a password for {hub.operators.names[key]}"
        raise PasswordNeeded(f"{wanted}:", f"{wanted}, or press Enter to give another name:", new=True)
    else:
        await _take(call, key, code, password)


def _check_code(call: Call, key: str, code: str) -> None:
    """Raise `WrongClaim` if it is not the code of this name, `TooOften` after too many of these.

    A code cannot be guessed, so it is compared first: wrong codes from the same address never block the right one.
    """
    attempts, way = call.hub.attempts, call.me.way
    if not call.hub.claims.fits(key, code):
        raise attempts.wrong(way, Kind.CLAIM, WrongClaim("That is not the claim code of this name."), subject=key)
    attempts.count_right(way, Kind.CLAIM)


async def _confirm(call: Call, key: str, code: str) -> None:
    hub, account = call.hub, call.hub.registry.proven(call.me.proof)
    if account is None or account.key != key or not hub.claims.fits(key, code):
        raise NotAllowed("That has been claimed, or has changed, meanwhile.")
    await _keep(call, account)
    call.reply(Remark(f"{account.name} is confirmed as an operator's account."))


async def _take(call: Call, key: str, code: str, password: str) -> None:
    """Register the name and continue under it."""
    hub, me = call.hub, call.me
    hashed = await hub.accounts.hash(password, source_of(me.way.address))
    if key in hub.registry.accounts or not hub.claims.fits(key, code):
        raise NotAllowed("That name has been claimed meanwhile.")
    if me.gone or (me.name and not hub.is_here(me)):
        raise NotAllowed("The connection has ended. Nothing was claimed.")
    account = hub.known_sources.learn(new_account(hub, hub.operators.names[key], hashed, me.settings), me.way)
    proof = me.proven = Proof.of(account)
    await _keep(call, account)
    call.reply(Remark(f"{account.name} is yours now. Come in with your password next time, from anywhere."))
    if me.name:
        hub.rename(me, account.name, proof)
    else:
        await come_in(call, account.name, None)


async def _keep(call: Call, account: Account) -> None:
    """Keep an account that its operator has claimed. The code is used up."""
    hub = call.hub
    account = replace(account, claimed=CLAIMED)
    hub.put_account(account)
    hub.claims.refresh()
    await hub.records.save(account, hub.note(account.key, "", "claimed the name of an operator"))
