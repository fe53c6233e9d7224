"""Authentication: a twisted.cred Portal with a password checker. Keys and tokens would be one more checker.

Passwords are hashed in a separate thread, one at a time, so that a storm of logins takes neither memory nor processor time
from the chat. The queue of hashes is bounded and fair: see `storage.passwords.fair_queue`.
"""

import hashlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from precis_i18n import get_profile
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword, UsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import Interface, implementer

from twisted_chat.core.errors import BadPassword, Busy
from twisted_chat.storage.passwords.fair_queue import FairQueue
from twisted_chat.storage.worker import WorkerThread

# The most hashes that may wait, per source and in all: a class behind one address, and some seconds' worth.
MOST_OF_A_SOURCE, MOST_WAITING = 32, 256
SHORTEST, LONGEST = 8, 300  # of a new password, in characters and in bytes of UTF-8; older ones may be shorter
# Letters and digits that cannot be confused: no I, L, O, 0, 1.
CODE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"

_opaque = get_profile("OpaqueString")


class IPerson(Interface):
    """The result of a login: the key of the account."""


@implementer(IRealm)
class Realm:
    """A realm whose avatars are the keys of accounts."""

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
        """Called by the portal."""
        return IPerson, avatarId, lambda: None


class Password(UsernamePassword):
    """A password, and its source."""

    def __init__(self, key: str, password: bytes, source: str) -> None:
        super().__init__(key, password)
        self.source = source


@implementer(ICredentialsChecker)
class PasswordChecker:
    """A checker of passwords against their hashes."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(
        self, kept: Callable[[str], str | None], rehashed: Callable[[str, str, str], None], run: "Callable[..., Deferred[Any]]"
    ) -> None:
        """``kept`` returns the hash of a key. ``rehashed`` is called with the key, its outdated hash and the new one.

        ``run`` calls a function in the hashing thread, for a source and an account.
        """
        self._kept = kept
        self._rehashed = rehashed
        self._run = run

    def requestAvatarId(self, credentials: Any) -> "Deferred[str]":
        """Called by the portal. An unknown name takes as long as a known one. A hash that changes meanwhile fails."""
        key: str = credentials.username
        kept = self._kept(key)

        def decide(result: tuple[bool, str]) -> str:
            right, new = result
            if not right or kept is None or self._kept(key) != kept:
                raise UnauthorizedLogin
            if new:
                self._rehashed(key, kept, new)
            return key

        return self._run(credentials.source, key, _compared, credentials.password, kept).addCallback(decide)


class HashingThread:
    """A hashing thread that serves its queue in a fair order, one item at a time."""

    def __init__(self, submit: "Callable[..., Deferred[Any]]") -> None:
        """``submit`` calls a function in a thread."""
        self._submit = submit
        self._queue: FairQueue[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = FairQueue(
            MOST_OF_A_SOURCE, MOST_WAITING
        )
        self._working = False

    def run(self, source: str, account: str, function: Callable[..., Any], *arguments: Any) -> "Deferred[Any]":
        """Call a function in the thread at the turn of this source and account. The Deferred may fail with `Busy`."""
        result: Deferred[Any] = Deferred()
        given_way = self._queue.add(source, account, (result, function, arguments))
        if given_way is not None:
            given_way[0].errback(Failure(Busy("Many people are logging in just now. Please try again in a few seconds.")))
        self._next()
        return result

    def _next(self) -> None:
        if self._working or not len(self._queue):
            return
        self._working = True
        result, function, arguments = self._queue.next()

        def done(value: Any) -> None:
            self._working = False
            self._next()
            result.callback(value)

        self._submit(function, *arguments).addBoth(done)


class PortalAccounts:
    """The core's `Accounts`, implemented with a Portal."""

    def __init__(
        self,
        kept: Callable[[str], str | None],
        rehashed: Callable[[str, str, str], None],
        call_from_thread: Callable[..., object],
    ) -> None:
        """``kept`` returns the hash of an account's key, or None if there is no such account.

        ``rehashed`` is called after a login with the key, its outdated hash and the one to store instead.
        """
        self._thread = WorkerThread("passwords", call_from_thread)
        self._run = HashingThread(self._thread.submit).run
        self.portal = Portal(Realm(), [PasswordChecker(kept, rehashed, self._run)])

    def hash(self, password: str, source: str) -> Awaitable[str]:
        """Return the hash to store for a password. Raise `BadPassword` or `Busy`."""
        return self._run(source, "", _hashed, prepared(password, SHORTEST))

    async def check(self, key: str, password: str, source: str) -> bool:
        """Return whether this is the password of the account with this key. Raise `Busy`."""
        try:
            await self.portal.login(Password(key, prepared(password, 1), source), None, IPerson)
        except (UnauthorizedLogin, BadPassword):
            return False
        return True

    def code(self) -> str:
        """Return a new code of 59 bits."""
        letters = "".join(secrets.choice(CODE_LETTERS) for _ in range(12))
        return "-".join(letters[at : at + 4] for at in (0, 4, 8))

    def digest(self, code: str) -> str:
        """Return the digest to store for a code."""
        return hashlib.blake2b(code.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    def stop(self) -> None:
        """End the thread."""
        self._thread.stop()


def prepared(password: str, shortest: int) -> bytes:
    """Return a password in its canonical form for hashing (RFC 8265, OpaqueString). Raise `BadPassword`."""
    if len(password.encode("utf-8", "surrogatepass")) > LONGEST:
        raise BadPassword(f"A password has at most {LONGEST} bytes.")
    try:
        found: str = _opaque.enforce(password)
    except UnicodeEncodeError:
        found = ""
    if len(found) < shortest:
        raise BadPassword(f"A password has at least {SHORTEST} characters, all of them visible.")
    return found.encode()


def load() -> None:
    """Import the hashing module, which takes a while."""
    from twisted_chat.storage.passwords import hashing  # noqa: F401


def _hashed(password: bytes) -> str:
    from twisted_chat.storage.passwords.hashing import hashed

    return hashed(password)


def _compared(password: bytes, kept: str | None) -> tuple[bool, str]:
    from twisted_chat.storage.passwords.hashing import compared

    return compared(password, kept)
