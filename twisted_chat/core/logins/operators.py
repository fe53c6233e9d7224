"""Operators of the server: the accounts that ``--operator`` names, and sessions that have proven one of them by ``/oper``."""

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
        """Return whether the account of this key is an operator. An account registered without the claim code is not."""
        account = self._registry.accounts.get(key) if isinstance(key, str) and key in self.names else None
        return account is not None and account.claimed != UNCLAIMED

    def proven_by(self, proof: Proof | None) -> bool:
        """Return whether a proof is valid and its account is an operator."""
        account = self._registry.proven(proof)
        return account is not None and account.key in self
