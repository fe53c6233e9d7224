"""Whose a name is: the registered ones, those in use, and guests' names that are held for a while.

1. A name is somebody's if its `fold` is, and nobody else may have one that looks like it.
2. A guest whose line drops keeps the name for `HOLD_SECONDS`; the secret it had gives it back at once.
3. Sitting at a prompt holds nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile

from twisted_chat.core.digests import one_in_common
from twisted_chat.core.errors import NameTaken, PasswordNeeded
from twisted_chat.core.logins.proof import Proof
from twisted_chat.core.records import Account
from twisted_chat.core.text import names

# How long a guest's name waits for a dropped line to come back, in seconds.
HOLD_SECONDS = 60.0
# How many names are held at once: the one that was held first is released for another.
MOST_HELD = 10_000


@dataclass(frozen=True, slots=True)
class Held:
    """A guest's name that nobody uses now."""

    name: str
    until: float
    secrets: tuple[bytes, ...]  # digests: see `Session.secrets`
    person: str  # see `Session.person`


class Registry:
    """Names and their owners."""

    def __init__(self, clock: Callable[[], float], reserved: frozenset[str]) -> None:
        """``clock`` gives seconds and only goes forward; ``reserved`` holds folded names nobody may have."""
        self.accounts: dict[str, Account] = {}
        self.bots: set[str] = set()  # the keys of names that belong to whoever shows a token
        self._clock = clock
        self._reserved = names.RESERVED | reserved
        self._operators: Mapping[str, str] = {}
        self._held: dict[str, Held] = {}
        self._users: dict[str, Counter[str]] = {}  # by what they look like: the keys in use, and for how many reasons each is

    def reserve(self, operators: Mapping[str, str]) -> None:
        """Keep names for the operators of the server, by key; and so what looks like them."""
        self._operators = operators
        for name in operators.values():
            self.occupy(name)

    def account(self, name: str) -> Account | None:
        """The account of a name."""
        return self.accounts.get(names.fold(name))

    def proven(self, proof: Proof | None) -> Account | None:
        """Return the account that a proof is of, if it still is one."""
        account = self.accounts.get(proof.key) if proof is not None else None
        return account if account is not None and proof is not None and proof.fits(account) else None

    def put(self, account: Account) -> None:
        """Register a name, or change what is known of it."""
        self.occupy(account.name)
        if account.key in self.accounts:
            self.drop(account.key)
        self.accounts[account.key] = account

    def drop(self, key: str) -> None:
        """Unregister a name."""
        self.vacate(self.accounts.pop(key).name)

    def occupy(self, name: str) -> None:
        """Somebody uses this name, as it is shown, from now on."""
        for look in names.skeletons(name):
            self._users.setdefault(look, Counter())[names.fold(name)] += 1

    def vacate(self, name: str) -> None:
        """One use less."""
        key = names.fold(name)
        for look in names.skeletons(name):
            users = self._users[look]
            users[key] -= 1
            if not users[key]:
                del users[key]
                if not users:
                    del self._users[look]

    def held_person(self, name: str) -> str:
        """Return who had a guest's name that is held, as `Session.person` has it; empty if it is not held."""
        self._release_old()
        held = self._held.get(names.fold(name))
        return held.person if held is not None else ""

    def hold(self, name: str, secrets: tuple[bytes, ...], person: str = "") -> None:
        """Keep a guest's name free for whoever has one of the secrets."""
        self._release_old()
        self.occupy(name)
        key = names.fold(name)
        if key in self._held:
            self._release(key)
        elif len(self._held) >= MOST_HELD:
            self._release(next(iter(self._held)))
        self._held[key] = Held(name, self._clock() + HOLD_SECONDS, secrets, person)

    def guest(self, name: str, secrets: tuple[bytes, ...] = (), *, bot: bool = False) -> str:
        """A guest wants this name, or the ``bot`` whose it is. Returns it as it will be shown.

        What was held under one of the secrets is released.

        Raises `BadName`, `NameTaken` or `PasswordNeeded`. Whether it is in use now is not looked at.
        """
        name = names.person(name, self._reserved)
        key = names.fold(name)
        self._release_old()
        if key in self.accounts:
            raise PasswordNeeded(f"{self.accounts[key].name} is a registered name. Password:")
        if key in self._operators:
            raise NameTaken(f"The name {self._operators[key]} is an operator's. Please choose another.")
        if key in self.bots and not bot:
            raise NameTaken(f"The name {name} is a bot's. Please choose another.")
        held = self._held.get(key)
        if held is not None:
            if not one_in_common(held.secrets, secrets):
                raise NameTaken(f"The name {name} is held for a guest whose line dropped. Please choose another.")
            self._release(key)
        self.distinct(name)
        return name

    def distinct(self, name: str) -> None:
        """Raises `NameTaken` if somebody else's name looks like this one."""
        key = names.fold(name)
        if any(user != key for look in names.skeletons(name) for user in self._users.get(look, ())):
            raise NameTaken(f"The name {name} looks like another one that is taken. Please choose another.")

    def _release_old(self) -> None:
        now = self._clock()
        for key in [held_key for held_key, _ in takewhile(lambda one: one[1].until <= now, self._held.items())]:
            self._release(key)

    def _release(self, key: str) -> None:
        self.vacate(self._held.pop(key).name)
