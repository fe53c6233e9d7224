"""The server's ssh host key: made on the first start, stored in the state folder, identified by a fingerprint.

A server without a state folder has a new key at each start. Clients that connected before will warn about it.
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import BadKeyError, EncryptedKeyError, FingerprintFormats, Key

from twisted_chat.net.certificates import write_whole

FILE = "ssh_host_ed25519_key"


class BadHostKey(Exception):
    """An unusable key, described in one sentence."""


@dataclass(frozen=True, slots=True)
class HostKey:
    """An Ed25519 key, stored in OpenSSH's format."""

    key: Key

    @property
    def fingerprint(self) -> str:
        """The fingerprint ``SHA256:…``, as ssh shows it before the first connection."""
        return f"SHA256:{self.key.fingerprint(FingerprintFormats.SHA256_BASE64).rstrip('=')}"

    def told(self) -> tuple[str, ...]:
        """Return the fingerprint as shown to users."""
        return (f"Fingerprint of this server's ssh key (ED25519): {self.fingerprint}",)


def host_key(state: str) -> HostKey:
    """Return the key in a state folder, made if it is missing; for ``none``, a new key. Raise `BadHostKey`."""
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
