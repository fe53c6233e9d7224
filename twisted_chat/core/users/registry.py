"""Name ownership: registered names, names in use, and guests' names that are held for a while.

1. Names with the same `fold` are one name, and no other person may have a name that looks like it.
2. The name of a guest whose line drops is held for `HOLD_SECONDS`; the guest's secret gives it back at once.
3. An unnamed connection reserves no name.
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

# The time for which a guest's name is held after the line dropped, in seconds.
HOLD_SECONDS = 60.0
# The most names held at once: beyond that, the one held longest is released.
MOST_HELD = 10_000


@dataclass(frozen=True, slots=True)
class Held:
    """A guest's name that is held and not in use."""

    name: str
    until: float
    secrets: tuple[bytes, ...]  # digests: see `Session.secrets`
    person: str  # see `Session.person`


class Registry:
    """Names and their owners."""

    def __init__(self, clock: Callable[[], float], reserved: frozenset[str]) -> None:
        """``clock`` gives monotonic seconds; ``reserved`` holds folded names that are refused to all."""
        self.accounts: dict[str, Account] = {}
        self.bots: set[str] = set()  # the keys of names that belong to a token
        self._clock = clock
        self._reserved = names.RESERVED | reserved
        self._operators: Mapping[str, str] = {}
        self._held: dict[str, Held] = {}
        self._users: dict[str, Counter[str]] = {}  # by skeleton: the keys in use, each with the number of its uses

    def reserve(self, operators: Mapping[str, str]) -> None:
        """Reserve the server operators' names, given by key, and names that look like them."""
        self._operators = operators
        for name in operators.values():
            self.occupy(name)

    def account(self, name: str) -> Account | None:
        """Return the account of a name; None if it is not registered."""
        return self.accounts.get(names.fold(name))

    def proven(self, proof: Proof | None) -> Account | None:
        """Return the account of a proof, if the proof is still valid."""
        account = self.accounts.get(proof.key) if proof is not None else None
        return account if account is not None and proof is not None and proof.fits(account) else None

    def put(self, account: Account) -> None:
        """Register an account, or update it."""
        self.occupy(account.name)
        if account.key in self.accounts:
            self.drop(account.key)
        self.accounts[account.key] = account

    def drop(self, key: str) -> None:
        """Unregister a name."""
        self.vacate(self.accounts.pop(key).name)

    def occupy(self, name: str) -> None:
        """Count one more use of a name, given as it is shown."""
        for look in names.skeletons(name):
            self._users.setdefault(look, Counter())[names.fold(name)] += 1

    def vacate(self, name: str) -> None:
        """Count one use of a name less."""
        key = names.fold(name)
        for look in names.skeletons(name):
            users = self._users[look]
            users[key] -= 1
            if not users[key]:
                del users[key]
                if not users:
                    del self._users[look]

    def held_person(self, name: str) -> str:
        """Return the `Session.person` for whom a guest's name is held; empty if it is not held."""
        self._release_old()
        held = self._held.get(names.fold(name))
        return held.person if held is not None else ""

    def hold(self, name: str, secrets: tuple[bytes, ...], person: str = "") -> None:
        """Hold a guest's name for a session with one of the secrets."""
        self._release_old()
        self.occupy(name)
        key = names.fold(name)
        if key in self._held:
            self._release(key)
        elif len(self._held) >= MOST_HELD:
            self._release(next(iter(self._held)))
        self._held[key] = Held(name, self._clock() + HOLD_SECONDS, secrets, person)

    def guest(self, name: str, secrets: tuple[bytes, ...] = (), *, bot: bool = False) -> str:
        """Return a name as it will be shown, if a guest may have it, or the ``bot`` that owns it.

        A name held under one of the secrets is released.

        Raises `BadName`, `NameTaken` or `PasswordNeeded`. The caller must check whether the name is in use now.
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
        """Raise `NameTaken` if another name in use looks like this one."""
        key = names.fold(name)
        if any(user != key for look in names.skeletons(name) for user in self._users.get(look, ())):
            raise NameTaken(f"The name {name} looks like another one that is taken. Please choose another.")

    def _release_old(self) -> None:
        now = self._clock()
        for key in [held_key for held_key, _ in takewhile(lambda one: one[1].until <= now, self._held.items())]:
            self._release(key)

    def _release(self, key: str) -> None:
        self.vacate(self._held.pop(key).name)
