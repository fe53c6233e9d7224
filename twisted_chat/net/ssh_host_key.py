"""The key that ssh clients know this server by: made on the first start, kept in the state folder, known by a fingerprint.

A server that keeps nothing has a new one at each start, of which clients that have been there before will warn.
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import BadKeyError, EncryptedKeyError, FingerprintFormats, Key

from twisted_chat.net.certificates import write_whole

FILE = "ssh_host_ed25519_key"


class BadHostKey(Exception):
    """One sentence about a key that can't be used."""


@dataclass(frozen=True, slots=True)
class HostKey:
    """An Ed25519 key, in OpenSSH's form where it is kept."""

    key: Key

    @property
    def fingerprint(self) -> str:
        """``SHA256:…``, as ssh shows it when it is asked whether to go on connecting."""
        return f"SHA256:{self.key.fingerprint(FingerprintFormats.SHA256_BASE64).rstrip('=')}"

    def told(self) -> tuple[str, ...]:
        """The fingerprint, as people are told it."""
        return (f"Fingerprint of this server's ssh key (ED25519): {self.fingerprint}",)


def host_key(state: str) -> HostKey:
    """The key that is kept in a folder, which is made if it is not there; for ``none`` a new one. Raises `BadHostKey`."""
    if state == "none":
        return HostKey(Key(Ed25519PrivateKey.generate()))
    path = Path(state) / FILE
    try:
        if not path.exists():
            write_whole(path, Key(Ed25519PrivateKey.generate()).toString("openssh", comment=b"twisted_chat"), 0o600)
        key = Key.fromFile(str(path))
    except OSError as error:
        raise BadHostKey(f"The file {path} can't be read or made: {error.strerror}.") from None
    except (BadKeyError, EncryptedKeyError, ValueError):
        raise BadHostKey(f"The file {path} is not a private key without a password, as ssh-keygen makes it.") from None
    if key.sshType() != b"ssh-ed25519" or key.isPublic():
        raise BadHostKey(f"The key in {path} is not a private Ed25519 key.")
    return HostKey(key)
