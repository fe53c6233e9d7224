"""The server's key and certificate: made if they are missing, loaded, and identified by a fingerprint.

1. A folder has certbot's file names: ``fullchain.pem`` and ``privkey.pem``.
2. A certificate made here is self-signed, for the names and addresses of this machine. No authority vouches for it: the user
   compares the fingerprint, or trusts the first one seen, as with ssh.
3. A fingerprint is the SHA-256 of the certificate, as ``openssl x509 -fingerprint -sha256`` shows it. Its first half also has
   words, for comparison by voice: 128 bits, for which no attacker can make a second certificate.
4. TLS 1.2 or newer, without renegotiation, which would let a client waste the server's time (CVE-2011-1473).
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
# The validity of a self-signed certificate. It is pinned, so its expiry would only be a false alarm.
VALID = timedelta(days=3650)
# The ALPN names (RFC 7301) that the server accepts: the registered names of the protocols inside TLS.
APPLICATIONS = (b"http/1.1", b"irc")
# For TLS 1.2: forward secrecy and authenticated encryption, as in Mozilla's intermediate list. All ciphers of 1.3 are good.
CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"
# SIOCGIFADDR of netdevice(7).
GET_ADDRESS = 0x8915
# Options of OpenSSL that pyOpenSSL does not name (ssl.h). A connection that ends without TLS's close_notify counts as closed:
# a user may stop openssl with Control-C, as with nc, and an incomplete line is not sent.
NO_RENEGOTIATION = 1 << 30
IGNORE_UNEXPECTED_EOF = 1 << 7


class BadCertificate(Exception):
    """An unusable key or certificate, described in one sentence."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The fingerprint of a certificate."""

    digest: bytes

    @property
    def hex(self) -> str:
        """The 32 bytes in hexadecimal: ``6F:1C:…``."""
        return self.digest.hex(":").upper()

    @property
    def words(self) -> str:
        """The first half as sixteen words."""
        return as_words(self.digest[:16])


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loaded key and certificate, ready for use."""

    context: SSL.Context
    fingerprint: Fingerprint


def source(wanted: str, state: str) -> Callable[[], Loaded]:
    """Return a function that loads the certificate of ``--tls``, or ours in the folder ``state``. Make ours if it is missing.

    Raise `BadCertificate`.
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
    """Make a key and a certificate in a folder if they are missing. Return whether they were made. Raise `OSError`."""
    if (folder / CERTIFICATE).exists():
        return False
    folder.mkdir(mode=0o700, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_whole(folder / KEY, written, 0o600)
    write_whole(folder / CERTIFICATE, self_signed(key, own_names()).public_bytes(Encoding.PEM), 0o600)
    return True


def self_signed(key: ec.EllipticCurvePrivateKey, names: Iterable[str]) -> x509.Certificate:
    """Return a certificate for these names and addresses. The first is its subject."""
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
    """Return a host name or an address in the form for certificates."""
    try:
        return x509.IPAddress(ip_address(name.partition("%")[0]))
    except ValueError:
        return x509.DNSName(name)


def own_names() -> list[str]:
    """Return the names and addresses that this machine knows as its own."""
    name = socket.gethostname()
    own = [name] if name and name.isascii() else []
    return list(dict.fromkeys([*own, "localhost", "127.0.0.1", "::1", *interface_addresses()]))


def interface_addresses() -> Iterator[str]:
    """Yield the addresses of this machine's interfaces on Linux (netdevice(7), proc(5)), without any network request."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, interface in socket.if_nameindex():
            with suppress(OSError):  # the interface has no address
                answer = fcntl.ioctl(asking, GET_ADDRESS, struct.pack("256s", interface.encode()[:15]))
                yield socket.inet_ntoa(answer[20:24])
    with suppress(OSError):
        for line in Path("/proc/net/if_inet6").read_text("ascii").splitlines():
            yield str(ip_address(bytes.fromhex(line.split()[0])))


def write_whole(path: Path, data: bytes, mode: int) -> None:
    """Write a file atomically. At no time does it allow more than ``mode``."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def load(certificate: Path, key: Path) -> Loaded:
    """Load a certificate, followed by its chain, and its key. Raise `BadCertificate`."""
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
    """The fingerprint of a certificate."""
    return Fingerprint(sha256(certificate.public_bytes(Encoding.DER)).digest())


def server_context(chain: list[x509.Certificate], key: Any) -> SSL.Context:
    """Return the OpenSSL context for all connections. Raise `SSL.Error` if key and certificate do not match.

    Twisted's CertificateOptions is not used: it passes certificates in a deprecated form.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_TICKET | NO_RENEGOTIATION | IGNORE_UNEXPECTED_EOF)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # connections last for hours, so resumption is of no use
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # most connections are idle
    context.use_certificate(chain[0])
    context.use_privatekey(key)
    for one in chain[1:]:
        context.add_extra_chain_cert(one)
    context.check_privatekey()
    context.set_alpn_select_callback(choose_application)
    context.set_cipher_list(CIPHERS)
    return context


def as_words(data: bytes) -> str:
    """Return a word for each byte, of two and three syllables in turn, so that a missing or misplaced word is noticed."""
    text = files(__package__).joinpath("pgp_words.txt").read_text("ascii")
    pairs = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return " ".join(pairs[byte][place % 2] for place, byte in enumerate(data))


def choose_application(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """Called by OpenSSL if a client offers protocols by ALPN.

    Twisted 26.10's own callback accepts none, which OpenSSL treats as an error: curl and all browsers would fail.
    """
    return next((one for one in APPLICATIONS if one in offered), SSL.NO_OVERLAPPING_PROTOCOLS)
