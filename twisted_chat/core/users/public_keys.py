"""SSH public keys, as people paste them and accounts keep them: ``ssh-ed25519 AAAA… comment``.

1. Only the form is checked here. An invalid key is found when a signature by it is verified.
2. The accepted kinds and sizes are those that are safe today; an RSA key has at least 2048 bits (NIST SP 800-57), and at most
   8192, which bounds the work of verifying.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from twisted_chat.core.errors import NotUnderstood
from twisted_chat.core.text.sanitize import shortened

# The accepted signature algorithms, and the kind of key for each (RFC 8332, RFC 8709, RFC 5656).
ALGORITHMS = {
    "ssh-ed25519": "ssh-ed25519",
    "ecdsa-sha2-nistp256": "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384": "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521": "ecdsa-sha2-nistp521",
    "rsa-sha2-256": "ssh-rsa",
    "rsa-sha2-512": "ssh-rsa",
}
KINDS = frozenset(ALGORITHMS.values())
RSA_BITS = range(2048, 8193)
LONGEST_COMMENT = 40


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One public key."""

    kind: str
    blob: bytes  # as ssh sends it (RFC 4253, 6.6)
    comment: str = ""

    @classmethod
    def from_blob(cls, blob: bytes, comment: str = "") -> PublicKey | None:
        """Return the key from the form that ssh sends; None if its kind or size is not accepted."""
        parts = _strings(blob)
        if not parts or parts[0].decode("ascii", "replace") not in KINDS:
            return None
        kind = parts[0].decode("ascii")
        sizes = {"ssh-rsa": 3, "ssh-ed25519": 2}
        if len(parts) != sizes.get(kind, 3) or (kind == "ssh-ed25519" and len(parts[1]) != 32):
            return None
        if kind == "ssh-rsa" and int.from_bytes(parts[2], "big").bit_length() not in RSA_BITS:
            return None
        return cls(kind, blob, shortened(comment, LONGEST_COMMENT))

    @classmethod
    def from_line(cls, line: str) -> PublicKey:
        """Return the key from a line of a file such as ``id_ed25519.pub``. Raises `NotUnderstood`."""
        kind, _, rest = line.strip().partition(" ")
        encoded, _, comment = rest.strip().partition(" ")
        try:
            key = cls.from_blob(base64.b64decode(encoded, validate=True), comment)
        except (binascii.Error, ValueError):
            key = None
        if key is None or key.kind != kind:
            raise NotUnderstood("That is no public key: ssh-ed25519 AAAA… (or ECDSA, or RSA with 2048 bits or more).")
        return key

    def __str__(self) -> str:
        """Return the key as accounts keep it."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()} {self.comment}".rstrip()

    @property
    def fingerprint(self) -> str:
        """The fingerprint as ssh shows it: ``SHA256:…``."""
        return f"SHA256:{base64.b64encode(sha256(self.blob).digest()).decode().rstrip('=')}"

    def is_among(self, kept: Iterable[str]) -> bool:
        """Return whether this key is one of these kept keys; comments are ignored."""
        encoded = base64.b64encode(self.blob).decode()
        return any(line.split(" ")[1] == encoded for line in kept)


def _strings(blob: bytes) -> list[bytes]:
    """Return the strings in a blob (RFC 4251, 5); none if it is malformed."""
    found: list[bytes] = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        if len(blob) < 4 + size:
            return []
        found.append(blob[4 : 4 + size])
        blob = blob[4 + size :]
    return found
