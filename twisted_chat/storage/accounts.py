"""Who can prove to be whom: a twisted.cred Portal, with a checker of passwords. Keys and tokens are one more checker.

Passwords are hashed with scrypt (RFC 7914) at the costs below, in a thread of their own: 97 ms and 32 MiB each
(measured). One at a time, so that a storm of logins takes neither the memory nor the processor from the chat; what
waits is bounded, and beyond that people are told to try again.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from precis_i18n import get_profile
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword, UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred
from zope.interface import Interface, implementer

from twisted_chat.core.errors import BadPassword, Busy
from twisted_chat.storage.thread import WorkerThread

N, R, P = 2**15, 8, 1
# How many hashes may wait: two seconds' worth.
MOST_WAITING = 16
SHORTEST, LONGEST = 8, 300  # of a new password, in characters and in bytes of UTF-8; older ones may be shorter
# Letters and digits that nobody takes for others: no I, L, O, 0, 1.
CODE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"

_opaque = get_profile("OpaqueString")


class IPerson(Interface):
    """What a login gives: the key of the account."""


@implementer(IRealm)
class Realm:
    """Avatars are the keys of accounts."""

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
        """Called by the portal."""
        return IPerson, avatarId, lambda: None


@implementer(ICredentialsChecker)
class PasswordChecker:
    """Checks a password against its hash."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, kept: Callable[[str], str | None], run: "Callable[..., Deferred[bool]]") -> None:
        """``kept`` finds the hash of a key; ``run`` calls a function in the hashing thread."""
        self._kept = kept
        self._run = run
        self._dummy = _joined(secrets.token_bytes(16), secrets.token_bytes(32))

    def requestAvatarId(self, credentials: Any) -> "Deferred[str]":
        """Called by the portal. An unknown name takes as long as a known one."""
        kept = self._kept(credentials.username)
        checked = self._run(matches, credentials.password, kept or self._dummy)

        def decide(right: bool) -> str:
            if not right or kept is None:
                raise UnauthorizedLogin
            name: str = credentials.username
            return name

        return checked.addCallback(decide)


class PortalAccounts:
    """The core's `Accounts`, over a Portal."""

    def __init__(self, kept: Callable[[str], str | None], call_from_thread: Callable[..., object]) -> None:
        """``kept`` finds the hash of an account's key, None if there is no such account."""
        self._thread = WorkerThread("passwords", call_from_thread)
        self._waiting = 0
        self.portal = Portal(Realm(), [PasswordChecker(kept, self._run)])

    def hash(self, password: str) -> Awaitable[str]:
        """A password as it is kept. Raises `BadPassword` or `Busy`."""
        return self._run(hashed, prepared(password, SHORTEST))

    async def check(self, key: str, password: str) -> bool:
        """Whether this is the password of the account of that key. Raises `Busy`."""
        try:
            credentials = UsernamePassword(key, prepared(password, 1))
            await self.portal.login(credentials, None, IPerson)
        except (UnauthorizedLogin, BadPassword):
            return False
        return True

    def code(self) -> str:
        """A new code, of 59 bits."""
        letters = "".join(secrets.choice(CODE_LETTERS) for _ in range(12))
        return "-".join(letters[at : at + 4] for at in (0, 4, 8))

    def digest(self, code: str) -> str:
        """A code as it is kept."""
        return hashlib.blake2b(code.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def stop(self) -> None:
        """End the thread."""
        self._thread.stop()

    def _run(self, function: Callable[..., Any], *arguments: Any) -> "Deferred[Any]":
        if self._waiting >= MOST_WAITING:
            raise Busy("Many people are logging in just now. Please try again in a few seconds.")
        self._waiting += 1

        def done(result: Any) -> Any:
            self._waiting -= 1
            return result

        return self._thread.submit(function, *arguments).addBoth(done)


def prepared(password: str, shortest: int) -> bytes:
    """A password in the one form it is hashed in (RFC 8265, OpaqueString). Raises `BadPassword`."""
    if len(password.encode("utf-8", "surrogatepass")) > LONGEST:
        raise BadPassword(f"A password has at most {LONGEST} bytes.")
    try:
        found: str = _opaque.enforce(password)
    except UnicodeEncodeError:
        found = ""
    if len(found) < shortest:
        raise BadPassword(f"A password has at least {SHORTEST} characters, all of them visible.")
    return found.encode()


def hashed(password: bytes) -> str:
    """``scrypt$N$r$p$salt$hash``. Blocks for a tenth of a second."""
    salt = secrets.token_bytes(16)
    return _joined(salt, _scrypt(password, salt, N, R, P))


def matches(password: bytes, kept: str) -> bool:
    """Whether a password is the one that was hashed. Blocks for a tenth of a second."""
    _, n, r, p, salt, expected = kept.split("$")
    found = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
    return hmac.compare_digest(found, base64.b64decode(expected))


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=128 * n * r * 2, dklen=32)


def _joined(salt: bytes, key: bytes) -> str:
    return "$".join(["scrypt", str(N), str(R), str(P), base64.b64encode(salt).decode(), base64.b64encode(key).decode()])
