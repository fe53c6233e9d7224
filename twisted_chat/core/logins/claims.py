"""Claim codes: server operators take their names with these one-time codes, which the person who runs the server hands out.

1. Each name that ``--operator`` gives has a code until an account has claimed it. The code is new at each start, and
   whenever the account is unregistered. Only its digest stays here; the code itself goes to a `ClaimDesk`.
2. Until then no person may use the name, or a name that looks like it, on any protocol.
3. An account that was registered under the name before it could be claimed keeps the name. An account older than claims
   (schema 8) also keeps its operator right; a younger one gets the right when its owner shows the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest

from twisted_chat.core.interfaces import Accounts, ClaimDesk
from twisted_chat.core.records import CLAIMED, Account


class Claims:
    """The names that can be claimed now, with the digests of their codes."""

    def __init__(
        self, operators: Mapping[str, str], accounts: Mapping[str, Account], hashing: Accounts, desk: ClaimDesk | None
    ) -> None:
        """``operators`` are names as they are shown, by key; ``accounts`` are all accounts, by key."""
        self._operators = operators
        self._accounts = accounts
        self._hashing = hashing
        self._desk = desk
        self._digests: dict[str, str] = {}

    def refresh(self) -> None:
        """Give a code to each name that needs one, and take it from names that no longer do."""
        for key, name in self._operators.items():
            account = self._accounts.get(key)
            if account is not None and account.claimed == CLAIMED:
                if self._digests.pop(key, None) is not None and self._desk is not None:
                    self._desk.take_back(name)
            elif key not in self._digests:
                code = self._hashing.code()
                self._digests[key] = self._hashing.digest(code)
                if self._desk is not None:
                    self._desk.hand_out(name, code, account)

    def reserves(self, key: str) -> str:
        """Return the operator's name of this key, as it is shown, if it is not registered; otherwise an empty string."""
        return self._operators.get(key, "") if key not in self._accounts else ""

    def can_be_claimed(self, key: str) -> bool:
        """Return whether the name of this key has a code, which takes the name or confirms its account."""
        return key in self._digests

    def fits(self, key: str, code: str) -> bool:
        """Return whether this is the current code of a name."""
        expected = self._digests.get(key, "")
        return bool(expected) and compare_digest(expected, self._hashing.digest(code.strip().upper()))
