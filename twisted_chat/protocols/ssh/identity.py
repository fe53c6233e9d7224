"""The name that an SSH client requests, and its proof."""

from __future__ import annotations

from dataclasses import dataclass

from twisted_chat.core.logins.proof import Proof


@dataclass(frozen=True, slots=True)
class Identity:
    """The name that a client requests, and its proof."""

    user: bytes  # as the client sent it
    proven: Proof | None = None  # for an account
    public_key: str = ""  # the key that has signed, as in `core.users.public_keys`; empty if none has
