"""What secrets and messages are known by: digests, each for one purpose.

1. A secret that has two purposes has two digests, of which neither tells the other: what is compared when somebody comes
   back is never what makes ids.
2. Only the very same message of the same program has the same key: the key stands for its author, room and text, too. So
   an id that two programs with the same weak secret have chosen, or that one uses again, makes no message pass for another.
"""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest

# Purposes, of at most 16 bytes each (blake2b's personalization).
CLIENT = b"chat client"  # a secret that a program has chosen
TOKEN = b"chat token"
RESUME_CODE = b"chat resume code"
GUEST_OPERATOR = b"chat guest op"  # of what a guest is known by, as a closed room remembers it
MESSAGE_IDS = b"chat message ids"
MESSAGE = b"chat message"
# A secret that a program chose counts as one that nobody can guess from so many characters on.
LONG_ENOUGH = 12


def digest(secret: bytes, purpose: bytes) -> bytes:
    """Return what a secret is known by for one purpose."""
    return blake2b(secret, digest_size=16, person=purpose).digest()


def one_in_common(some: tuple[bytes, ...], others: tuple[bytes, ...]) -> bool:
    """Return whether one of these digests is among the others, in a time that tells nothing of them."""
    return any(compare_digest(one, other) for one in some for other in others)


def message_key(scope: bytes, message_id: str, kind: str, room: str, author: str, text: str) -> bytes:
    """Return what the log knows a message by. ``scope`` is secret; none of the others has a zero in it."""
    whole = "\0".join((message_id, kind, room, author, text))
    return blake2b(whole.encode(), key=scope, digest_size=16, person=MESSAGE).digest()
