"""Whose a name is: the registered ones, those in use, and guests' names that are held for a while.

1. A name is somebody's if its `fold` is, and nobody else may have one with the same `skeleton`.
2. A guest whose line drops keeps the name for `HOLD_SECONDS`; the secret it had gives it back at once.
3. Sitting at a prompt holds nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest

from twisted_chat.core import names
from twisted_chat.core.errors import NameTaken, PasswordNeeded
from twisted_chat.core.records import Account

# How long a guest's name waits for a dropped line to come back, in seconds.
HOLD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Held:
    """A guest's name that nobody uses now."""

    until: float
    secret: bytes


class Registry:
    """Names and their owners."""

    def __init__(self, clock: Callable[[], float], reserved: frozenset[str]) -> None:
        """``clock`` gives seconds and only goes forward; ``reserved`` holds folded names nobody may have."""
        self.accounts: dict[str, Account] = {}
        self._clock = clock
        self._reserved = names.RESERVED | reserved
        self._held: dict[str, Held] = {}
        self._users: dict[str, Counter[str]] = {}  # by skeleton: the keys in use, and for how many reasons each is

    def account(self, name: str) -> Account | None:
        """The account of a name."""
        return self.accounts.get(names.fold(name))

    def put(self, account: Account) -> None:
        """Register a name, or change what is known of it."""
        if account.key not in self.accounts:
            self.occupy(account.key)
        self.accounts[account.key] = account

    def drop(self, key: str) -> None:
        """Unregister a name."""
        del self.accounts[key]
        self.vacate(key)

    def occupy(self, key: str) -> None:
        """Somebody uses this name from now on."""
        self._users.setdefault(names.skeleton(key), Counter())[key] += 1

    def vacate(self, key: str) -> None:
        """One use less."""
        skeleton = names.skeleton(key)
        users = self._users[skeleton]
        users[key] -= 1
        if not users[key]:
            del users[key]
            if not users:
                del self._users[skeleton]

    def hold(self, key: str, secret: bytes) -> None:
        """Keep a guest's name free for whoever has the secret."""
        self._release_old()
        if key not in self._held:
            self.occupy(key)
        self._held.pop(key, None)
        self._held[key] = Held(self._clock() + HOLD_SECONDS, secret)

    def guest(self, name: str, secret: bytes = b"") -> str:
        """A guest wants this name. Returns it as it will be shown; what was held under the secret is released.

        Raises `BadName`, `NameTaken` or `PasswordNeeded`. Whether it is in use now is not looked at.
        """
        name = names.person(name, self._reserved)
        key = names.fold(name)
        self._release_old()
        if key in self.accounts:
            raise PasswordNeeded(f"{self.accounts[key].name} is a registered name. Password:")
        held = self._held.get(key)
        if held is not None:
            if not (secret and compare_digest(held.secret, secret)):
                raise NameTaken(f"The name {name} is held for a guest whose line dropped. Please choose another.")
            self._release(key)
        self.distinct(name)
        return name

    def distinct(self, name: str) -> None:
        """Raises `NameTaken` if somebody else's name looks like this one."""
        key = names.fold(name)
        if any(user != key for user in self._users.get(names.skeleton(key), ())):
            raise NameTaken(f"The name {name} looks like another one that is taken. Please choose another.")

    def _release_old(self) -> None:
        now = self._clock()
        for key in [key for key, held in self._held.items() if held.until <= now]:
            self._release(key)

    def _release(self, key: str) -> None:
        del self._held[key]
        self.vacate(key)
