"""Proofs of identity, and their validity.

1. A proof is bound to one account as it was when its secret was shown: to its id, which no later account of that name has,
   to its password's generation, and to the ssh key if a key was shown. It ends when any of them ends.
2. Proofs are made only here. They are checked at each use, and again after each await: see `Registry.proven`.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_chat.core.records import Account
from twisted_chat.core.users.public_keys import PublicKey


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that a session has shown a secret of an account."""

    key: str  # the key of the account
    account_id: str
    generation: int  # the generation of its password
    public_key: str = ""  # the ssh key that was shown, if any, as `core.users.public_keys` has it

    @classmethod
    def of(cls, account: Account, public_key: str = "") -> Proof:
        """Return the proof for a session that has just shown the account's password, or signed with one of its keys."""
        return cls(account.key, account.id, account.generation, public_key)

    def fits(self, account: Account) -> bool:
        """Return whether this proof is valid for an account as it is now."""
        of_it = (self.key, self.account_id, self.generation) == (account.key, account.id, account.generation)
        return of_it and (not self.public_key or PublicKey.from_line(self.public_key).is_among(account.keys))
