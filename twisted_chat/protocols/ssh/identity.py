"""What an SSH client says of itself, and what it has proven."""

from __future__ import annotations

from dataclasses import dataclass

from twisted_chat.core.logins.proof import Proof


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody says they are, and what they have proven."""

    user: bytes  # as the client sent it
    proven: Proof | None = None  # of an account
    public_key: str = ""  # a key of theirs, as `core.users.public_keys` has it; empty if they have signed nothing
