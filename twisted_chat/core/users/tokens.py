"""Tokens for scripts. A script that shows one speaks and reads in one room, as a bot with a name of its own.

1. A bot has one token; a new one voids the old one. Only its digest is kept.
2. A token ends with its room, so that it does not open a later room of the same name.
3. A bot that only speaks does not come in, and others do not see it come or go. A bot that listens joins the room as
   people do, so that all listeners can be seen.
"""

from __future__ import annotations

from twisted_chat.core.errors import ChatError
from twisted_chat.core.records import Token
from twisted_chat.core.text import names
from twisted_chat.core.users.registry import Registry


class WrongToken(ChatError):
    """There is no such token, or none was shown."""

    code = "wrong-token"


class Tokens:
    """The set of all valid tokens."""

    def __init__(self, registry: Registry) -> None:
        """``registry`` reserves the names of bots."""
        self._registry = registry
        self._by_digest: dict[str, Token] = {}

    def add(self, token: Token) -> None:
        """Add a bot's token. The bot's name must be free."""
        self._by_digest[token.digest] = token
        self._registry.occupy(token.name)
        self._registry.bots.add(names.fold(token.name))

    def remove(self, token: Token) -> None:
        """Remove a token and release the bot's name."""
        del self._by_digest[token.digest]
        self._registry.vacate(token.name)
        self._registry.bots.discard(names.fold(token.name))

    def replace(self, token: Token) -> Token:
        """Replace the token of the same digest and bot. Return the new one."""
        self._by_digest[token.digest] = token
        return token

    def all(self) -> list[Token]:
        """Return every token."""
        return list(self._by_digest.values())

    def get(self, digest: str) -> Token | None:
        """Return the token of this digest."""
        return self._by_digest.get(digest)

    def of_bot(self, name: str) -> Token | None:
        """Return the token of a bot."""
        key = names.fold(name)
        return next((token for token in self._by_digest.values() if names.fold(token.name) == key), None)

    def of_room(self, room: str) -> list[Token]:
        """Return the tokens of a room, sorted by bot name."""
        return sorted((token for token in self._by_digest.values() if token.room == room), key=lambda token: token.name)
