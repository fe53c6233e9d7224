"""Who is an operator of the server: accounts that ``--operator`` names, and who has proven one of them by ``/oper``."""

from __future__ import annotations

from collections.abc import Container, Iterable

from twisted_chat.core.logins.proof import Proof
from twisted_chat.core.records import UNCLAIMED
from twisted_chat.core.text import names
from twisted_chat.core.users.registry import Registry


class Operators(Container[str]):
    """The keys of the accounts that are operators now."""

    def __init__(self, operators: Iterable[str], registry: Registry) -> None:
        """``operators`` are names, registered or not."""
        self.names = {names.fold(name): name for name in operators}
        registry.reserve(self.names)
        self._registry = registry

    def __contains__(self, key: object) -> bool:
        """Return whether the account of this key is an operator: who has registered the name without its code is none."""
        account = self._registry.accounts.get(key) if isinstance(key, str) and key in self.names else None
        return account is not None and account.claimed != UNCLAIMED

    def proven_by(self, proof: Proof | None) -> bool:
        """Return whether somebody has proven an account that is an operator, and the proof still holds."""
        account = self._registry.proven(proof)
        return account is not None and account.key in self
