"""Tokens: whoever shows one speaks and reads in one room, as a bot whose name is nobody else's. They are for scripts.

1. A bot has one token; a new one makes the old one void. What is kept is its digest.
2. A token ends with its room, so that a later room of the same name is not open to it.
3. A bot that says something is not here for that, and nobody sees it come or go. One that listens comes into the room as
   everybody does: who hears what is said can be seen.
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
    """All that there are."""

    def __init__(self, registry: Registry) -> None:
        """``registry`` keeps the names of bots for them."""
        self._registry = registry
        self._by_digest: dict[str, Token] = {}

    def add(self, token: Token) -> None:
        """A bot has a token. Its name must be free."""
        self._by_digest[token.digest] = token
        self._registry.occupy(token.name)
        self._registry.bots.add(names.fold(token.name))

    def remove(self, token: Token) -> None:
        """A token is void."""
        del self._by_digest[token.digest]
        self._registry.vacate(token.name)
        self._registry.bots.discard(names.fold(token.name))

    def replace(self, token: Token) -> Token:
        """Put a token in the place of the one with the same digest and bot. Returns it."""
        self._by_digest[token.digest] = token
        return token

    def all(self) -> list[Token]:
        """Return every token."""
        return list(self._by_digest.values())

    def get(self, digest: str) -> Token | None:
        """The token of this digest."""
        return self._by_digest.get(digest)

    def of_bot(self, name: str) -> Token | None:
        """The token of a bot."""
        key = names.fold(name)
        return next((token for token in self._by_digest.values() if names.fold(token.name) == key), None)

    def of_room(self, room: str) -> list[Token]:
        """The tokens of a room, by the names of their bots."""
        return sorted((token for token in self._by_digest.values() if token.room == room), key=lambda token: token.name)
