"""Tokens, which let scripts speak and read in a room."""

from __future__ import annotations

import secrets

from twisted_chat.core.command_table.table import Call, table
from twisted_chat.core.commands.rooms import mine
from twisted_chat.core.errors import NotAllowed, NotUnderstood
from twisted_chat.core.events import Listing, Remark
from twisted_chat.core.records import Deed, Token
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text import durations, names
from twisted_chat.core.users.session import Role

# The most bots in a room.
MOST_TOKENS = 20
# The size of a token, in bytes: it cannot be guessed.
TOKEN_BYTES = 24


@table.command("token", "NAME", role=Role.MODERATOR)
async def make_token(call: Call, name: str) -> None:
    """Make a token, with which a script speaks and reads in this room as NAME. A token it had before is void then."""
    hub, room = call.hub, mine(call)
    if not room.lasts:
        raise NotAllowed("Only rooms that last have tokens: register your name, and then make a room.")
    old = hub.tokens.of_bot(name)
    if old is None:
        name = hub.new_name(name)
    elif old.room != room.key:
        raise NotAllowed(f"{old.name} is a bot of another room.")
    else:
        name = old.name
    if old is None and len(hub.tokens.of_room(room.key)) >= MOST_TOKENS:
        raise NotAllowed(f"{room.key} has {MOST_TOKENS} tokens already.")
    secret = secrets.token_urlsafe(TOKEN_BYTES)
    maker = hub.grants.maker(call.me, room)
    token = Token(digest=hub.accounts.digest(secret), name=name, room=room.key, by=maker, at=hub.now())
    if old is not None:
        hub.revoke(old)
    hub.tokens.add(token)  # before any wait, so that the name is reserved meanwhile
    if old is not None:
        await hub.records.remove(old)
    await hub.records.save(
        token, hub.note(call.me.key, room.key, f"made a token for {names.fold(name)}", of_server=call.role is Role.OPERATOR)
    )
    host = call.me.way.reached or "HOST:5555"
    curl = f"curl -H 'Authorization: Bearer {secret}'"
    at = f"http://{host}/rooms/{room.key[1:]}"
    call.reply(
        Remark(f"The token of {name} in {room.key} is shown this once: {secret}"),
        Listing("token", ("to", "run"), (("speak", f"{curl} --data-binary hello {at}"), ("read", f"{curl} {at}"))),
    )


@table.command("tokens", role=Role.MODERATOR)
def list_tokens(call: Call) -> None:
    """List the bots that have a token for this room, and who made it when."""
    hub, room = call.hub, mine(call)
    rows = ((one.name, one.by, f"{durations.words(hub.now() - one.at)} ago") for one in hub.tokens.of_room(room.key))
    call.reply(Listing("tokens", ("bot", "by", "made"), tuple(rows)))


@table.command("revoke", "NAME", role=Role.MODERATOR)
async def revoke(call: Call, name: str) -> None:
    """Make the token of a bot of this room void."""
    hub, room = call.hub, mine(call)
    token = hub.tokens.of_bot(name)
    if token is None or token.room != room.key:
        raise NotUnderstood(f"{room.key} has no bot called {names.shown(name)}.")
    hub.revoke(token)
    await hub.records.remove(token)
    await hub.records.save(
        hub.note(call.me.key, room.key, f"revoked the token of {names.fold(token.name)}", of_server=call.role is Role.OPERATOR)
    )
    call.reply(Remark(f"The token of {token.name} is void."))


def _deed(call: Call, room: Room, what: str) -> Deed:
    return call.hub.note(call.me.key, room.key, what, of_server=call.role is Role.OPERATOR)
