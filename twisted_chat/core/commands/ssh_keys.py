"""SSH keys, which prove a registered name without its password."""

from __future__ import annotations

from dataclasses import replace

from twisted_chat.core.command_table.table import Call, table
from twisted_chat.core.commands.accounts import own_account
from twisted_chat.core.errors import NotAllowed, NotUnderstood, PasswordNeeded
from twisted_chat.core.events import Listing, Remark
from twisted_chat.core.records import Account
from twisted_chat.core.users.public_keys import PublicKey
from twisted_chat.core.users.session import Role

# The most keys of a name: one for each machine, and some lost ones.
MOST_KEYS = 20


@table.command("keys", "[add|list|remove] [KEY...] [PASSWORD]", role=Role.REGISTERED)
async def keys(call: Call, what: str = "list", key: str = "", password: str | None = None) -> None:
    """List the ssh keys that prove your name; add one (the one you have come in with, or a line of a .pub file), with your
    password, which is asked for; remove one, which ends the connections that came in by it."""
    account = call.hub.registry.accounts[call.me.key]
    match what:
        case "list":
            call.reply(Listing("keys", ("fingerprint", "kind", "called"), tuple(map(_row, account.keys))))
        case "add":
            await _add(call, account, key or call.me.public_key, password)
        case "remove":
            await _remove(call, account, key)


async def _add(call: Call, account: Account, line: str, password: str | None) -> None:
    """Add the key in ``line``. This requires the password, because a key lasts longer than the connection."""
    if not line:
        raise NotAllowed("You have shown no key on this connection: /keys add ssh-ed25519 AAAA…, as in your file .pub")
    key = PublicKey.from_line(line)
    _check(account, key)
    if password is None:
        raise PasswordNeeded(
            f"To add a key to {account.name}, your password: (press Enter to cancel)",
            "Your password, or press Enter to cancel:",
            given=("add", str(key)),
        )
    account = await own_account(call, password)
    _check(account, key)
    account = replace(account, keys=(*account.keys, str(key)))
    call.hub.put_account(account)
    await call.hub.records.save(account)
    call.reply(Remark(f"The key {key.fingerprint} proves that you are {account.name} now."))


def _check(account: Account, key: PublicKey) -> None:
    """Raise `NotAllowed` if this key cannot be added to an account."""
    if key.is_among(account.keys):
        raise NotAllowed("That key is one of yours already.")
    if len(account.keys) >= MOST_KEYS:
        raise NotAllowed(f"You have {MOST_KEYS} keys already. /keys remove takes one away.")


async def _remove(call: Call, account: Account, which: str) -> None:
    """Remove a key, given by the beginning of its fingerprint, its comment or the whole key."""
    found = [line for line in account.keys if which and _is_named(PublicKey.from_line(line), which)]
    if len(found) != 1:
        raise NotUnderstood("Which key? /keys list shows their fingerprints: the beginning of one is enough.")
    fingerprint = PublicKey.from_line(found[0]).fingerprint
    account = replace(account, keys=tuple(line for line in account.keys if line != found[0]))
    call.reply(Remark(f"The key {fingerprint} proves nothing here any more."))
    why = f"The key {fingerprint}, by which you came in, is none of {account.name}'s any more."
    await call.hub.records.save(call.hub.change_secrets(account, why))


def _row(line: str) -> tuple[str, ...]:
    key = PublicKey.from_line(line)
    return (key.fingerprint, key.kind, key.comment)


def _is_named(key: PublicKey, which: str) -> bool:
    return key.fingerprint.removeprefix("SHA256:").startswith(which.removeprefix("SHA256:")) or which in (key.comment, str(key))
