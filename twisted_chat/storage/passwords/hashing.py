"""Hash passwords with argon2id (RFC 9106), at the costs that OWASP recommends: 19 MiB, two passes, one lane.

Older accounts have scrypt hashes (RFC 7914). These stay valid, and are replaced when their owner logs in; so are argon2 hashes
with other costs. Everything here blocks: 25 ms for argon2, 97 ms for scrypt (measured).
"""

import base64
import hashlib
import hmac

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1
SCRYPT = "scrypt$"

HASHER = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, hash_len=32, salt_len=16, type=Type.ID)
# The hash to compare with if there is no account, so that it takes as long as with one.
NOBODY = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${'A' * 22}${'A' * 43}"


def hashed(password: bytes) -> str:
    """Return the hash to store for a password: ``$argon2id$v=19$m=19456,t=2,p=1$salt$hash``."""
    return HASHER.hash(password)


def compared(password: bytes, kept: str | None) -> tuple[bool, str]:
    """Return whether a password matches a hash; and its new hash, if the old one is outdated."""
    if kept is None:
        _matches(password, NOBODY)
        return False, ""
    right = _matches(password, kept)
    return right, hashed(password) if right and _is_outdated(kept) else ""


def _matches(password: bytes, kept: str) -> bool:
    if kept.startswith(SCRYPT):
        _, n, r, p, salt, expected = kept.split("$")
        found = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
        return hmac.compare_digest(found, base64.b64decode(expected))
    try:
        return HASHER.verify(kept, password)
    except VerifyMismatchError:
        return False


def _is_outdated(kept: str) -> bool:
    return kept.startswith(SCRYPT) or HASHER.check_needs_rehash(kept)


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=128 * n * r * 2, dklen=32)
