"""Digests of secrets and messages, each for one purpose.

1. A secret with two purposes has two digests, and neither reveals the other: the digest that proves a returning guest is
   never the one that makes ids.
2. Only the same message of the same program has the same key: the key covers its author, room and text, too. So no message
   passes for another if two programs with the same weak secret choose the same id, or one program uses an id twice.
"""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest

# Purposes, of at most 16 bytes each (blake2b's personalization).
CLIENT = b"chat client"  # for a secret that a program has chosen
TOKEN = b"chat token"
RESUME_CODE = b"chat resume code"
GUEST_OPERATOR = b"chat guest op"  # for a guest's secrets, as a closed room remembers them
MESSAGE_IDS = b"chat message ids"
MESSAGE = b"chat message"
# The length in characters from which a program's chosen secret counts as unguessable.
LONG_ENOUGH = 12


def digest(secret: bytes, purpose: bytes) -> bytes:
    """Return the digest of a secret for one purpose."""
    return blake2b(secret, digest_size=16, person=purpose).digest()


def one_in_common(some: tuple[bytes, ...], others: tuple[bytes, ...]) -> bool:
    """Return whether the two groups share a digest; each comparison takes constant time."""
    return any(compare_digest(one, other) for one in some for other in others)


def message_key(scope: bytes, message_id: str, kind: str, room: str, author: str, text: str) -> bytes:
    """Return the log's key of a message. ``scope`` is secret; the other arguments must not contain NUL."""
    whole = "\0".join((message_id, kind, room, author, text))
    return blake2b(whole.encode(), key=scope, digest_size=16, person=MESSAGE).digest()
