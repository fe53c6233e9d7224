"""Proofs of identity: what somebody has shown to be theirs, and for how long that counts.

1. A proof is bound to one account as it was when a secret of it was shown: to its id, which no later account of that
   name has, to its password's generation, and to the ssh key if it was one. It ends with any of them.
2. A proof is made here alone, and looked at each time it is used, also after each await: see `Registry.proven`.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_chat.core.records import Account
from twisted_chat.core.users.public_keys import PublicKey


@dataclass(frozen=True, slots=True)
class Proof:
    """That somebody has shown a secret of an account."""

    key: str  # of the account
    account_id: str
    generation: int  # of its password
    public_key: str = ""  # of ssh, as `core.users.public_keys` has it, if that was what was shown

    @classmethod
    def of(cls, account: Account, public_key: str = "") -> Proof:
        """Return the proof for whoever has just shown the account's password, or has signed with one of its keys."""
        return cls(account.key, account.id, account.generation, public_key)

    def fits(self, account: Account) -> bool:
        """Return whether this is a proof of an account as it is now."""
        of_it = (self.key, self.account_id, self.generation) == (account.key, account.id, account.generation)
        return of_it and (not self.public_key or PublicKey.from_line(self.public_key).is_among(account.keys))
