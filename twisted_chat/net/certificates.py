"""The server's key and certificate: made where there are none, read, and known by a fingerprint.

1. A folder has them as certbot's do: ``fullchain.pem`` and ``privkey.pem``.
2. A certificate that we make is signed by its own key, for the names and addresses of this machine. Nobody vouches for
   it: whoever connects compares the fingerprint, or trusts the first one seen, as with ssh.
3. A fingerprint is the SHA-256 of the certificate, as ``openssl x509 -fingerprint -sha256`` shows it. To compare by
   voice there are words for its first half: 128 bits, which nobody can meet on purpose.
4. TLS 1.2 or newer, and no renegotiation, which lets a client spend our time (CVE-2011-1473).
"""

import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

CERTIFICATE, KEY = "fullchain.pem", "privkey.pem"
# How long a certificate of our own is valid: it is pinned, and its end would only be an alarm without a reason.
VALID = timedelta(days=3650)
# What clients may ask for by ALPN (RFC 7301), and we take: the names that are registered for what is spoken inside TLS.
APPLICATIONS = (b"http/1.1", b"irc")
# For TLS 1.2; those of 1.3 are all good. Forward secrecy and authenticated encryption, as Mozilla's intermediate list.
CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"
# SIOCGIFADDR of netdevice(7).
GET_ADDRESS = 0x8915
# Options of OpenSSL that pyOpenSSL has no name for (ssl.h). A connection that ends without TLS's own goodbye is taken for
# one that ended: whoever stops openssl with Control-C has gone, as with nc, and a line that was cut off is not said.
NO_RENEGOTIATION = 1 << 30
IGNORE_UNEXPECTED_EOF = 1 << 7


class BadCertificate(Exception):
    """One sentence about a key or a certificate that can't be used."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a certificate is known by."""

    digest: bytes

    @property
    def hex(self) -> str:
        """``6F:1C:…``, 32 bytes."""
        return self.digest.hex(":").upper()

    @property
    def words(self) -> str:
        """Sixteen words."""
        return as_words(self.digest[:16])


@dataclass(frozen=True, slots=True)
class Loaded:
    """A key and a certificate that have been read, ready for use."""

    context: SSL.Context
    fingerprint: Fingerprint


def source(wanted: str, state: str) -> Callable[[], Loaded]:
    """What reads the certificate that ``--tls`` asks for; our own, in the folder ``state``, is made first if it is not there.

    Raises `BadCertificate`.
    """
    if wanted in ("", "auto"):
        if state == "none":
            raise BadCertificate("With --tls auto there has to be a folder to keep the key in: see --state.")
        folder = Path(state) / "tls"
        try:
            make(folder)
        except OSError as error:
            raise BadCertificate(f"No certificate can be made in {folder}: {error.strerror}.") from None
    elif ":" in wanted:
        certificate, _, key = wanted.partition(":")
        return lambda: load(Path(certificate), Path(key))
    else:
        folder = Path(wanted)
    return lambda: load(folder / CERTIFICATE, folder / KEY)


def make(folder: Path) -> bool:
    """Make a key and a certificate in a folder, unless they are there. Returns whether they were made. Raises `OSError`."""
    if (folder / CERTIFICATE).exists():
        return False
    folder.mkdir(mode=0o700, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_whole(folder / KEY, written, 0o600)
    write_whole(folder / CERTIFICATE, self_signed(key, own_names()).public_bytes(Encoding.PEM), 0o600)
    return True


def self_signed(key: ec.EllipticCurvePrivateKey, names: Iterable[str]) -> x509.Certificate:
    """A certificate for these names and addresses, the first of which is its subject."""
    found = tuple(names)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, found[0][:64])])
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)  # clocks differ
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(yesterday)
        .not_valid_after(yesterday + VALID)
        .add_extension(x509.SubjectAlternativeName([general_name(name) for name in found]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, SHA256())
    )


def general_name(name: str) -> x509.GeneralName:
    """A host name or an address, as certificates have it."""
    try:
        return x509.IPAddress(ip_address(name.partition("%")[0]))
    except ValueError:
        return x509.DNSName(name)


def own_names() -> list[str]:
    """This machine's names and addresses, as far as it knows them."""
    name = socket.gethostname()
    own = [name] if name and name.isascii() else []
    return list(dict.fromkeys([*own, "localhost", "127.0.0.1", "::1", *interface_addresses()]))


def interface_addresses() -> Iterator[str]:
    """What Linux has given this machine's interfaces (netdevice(7), proc(5)); elsewhere, nothing. Nobody else is asked."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, interface in socket.if_nameindex():
            with suppress(OSError):  # it has none
                answer = fcntl.ioctl(asking, GET_ADDRESS, struct.pack("256s", interface.encode()[:15]))
                yield socket.inet_ntoa(answer[20:24])
    with suppress(OSError):
        for line in Path("/proc/net/if_inet6").read_text("ascii").splitlines():
            yield str(ip_address(bytes.fromhex(line.split()[0])))


def write_whole(path: Path, data: bytes, mode: int) -> None:
    """Write a file that is there in whole or not at all, and never readable by more than ``mode`` allows."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def load(certificate: Path, key: Path) -> Loaded:
    """Read a certificate, with those that vouch for it after it, and its key. Raises `BadCertificate`."""
    path = certificate
    try:
        chain = x509.load_pem_x509_certificates(certificate.read_bytes())
        path = key
        private = load_pem_private_key(key.read_bytes(), None)
        context = server_context(chain, private)
    except OSError as error:
        raise BadCertificate(f"The file {path} can't be read: {error.strerror}.") from None
    except SSL.Error:
        raise BadCertificate(f"The key {key} is not the one of the certificate {certificate}.") from None
    except (ValueError, TypeError):
        raise BadCertificate(f"The file {path} is not a {'key' if path is key else 'certificate'} in PEM form.") from None
    return Loaded(context, fingerprint(chain[0]))


def fingerprint(certificate: x509.Certificate) -> Fingerprint:
    """What a certificate is known by."""
    return Fingerprint(sha256(certificate.public_bytes(Encoding.DER)).digest())


def server_context(chain: list[x509.Certificate], key: Any) -> SSL.Context:
    """What OpenSSL needs for each connection. Raises `SSL.Error` if key and certificate don't belong together.

    Made here and not by Twisted's CertificateOptions, which hands certificates on in a form that is deprecated.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_TICKET | NO_RENEGOTIATION | IGNORE_UNEXPECTED_EOF)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # connections last for hours: there is nothing to resume
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # and most are idle
    context.use_certificate(chain[0])
    context.use_privatekey(key)
    for one in chain[1:]:
        context.add_extra_chain_cert(one)
    context.check_privatekey()
    context.set_alpn_select_callback(choose_application)
    context.set_cipher_list(CIPHERS)
    return context


def as_words(data: bytes) -> str:
    """Bytes as words, one each: of two and of three syllables in turn, so that one left out or misplaced is heard."""
    text = files(__package__).joinpath("pgp_words.txt").read_text("ascii")
    pairs = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return " ".join(pairs[byte][place % 2] for place, byte in enumerate(data))


def choose_application(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """Called by OpenSSL for who offers applications by ALPN.

    Twisted 26.10's own answers that it takes none, which OpenSSL takes for an error: curl and browsers would all fail.
    """
    return next((one for one in APPLICATIONS if one in offered), SSL.NO_OVERLAPPING_PROTOCOLS)
