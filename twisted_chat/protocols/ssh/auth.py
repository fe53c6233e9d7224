"""SSH authentication (RFC 4252, RFC 4256).

1. A guest's name needs no proof: any key is accepted, and so is none. A key identifies the client only after it has signed.
2. A registered name needs one of its keys, or its password. The client prompts for the password and does not show it.
3. The first key that does not belong to the name must sign all the same: ``/keys add`` can then add it. Later such keys are
   refused unsigned, so that the client never asks for the passphrase of a useless key.
4. A refusal gives its reason: for keys in a banner, for passwords in the next prompt or in the disconnect message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from twisted.conch.ssh.common import NS, getNS
from twisted.conch.ssh.keys import BadKeyError, Key
from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.transport import DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE
from twisted.conch.ssh.userauth import MSG_USERAUTH_BANNER, MSG_USERAUTH_FAILURE, MSG_USERAUTH_PK_OK
from twisted.conch.ssh.userauth import MSG_USERAUTH_REQUEST as REQUEST
from twisted.conch.ssh.userauth import MSG_USERAUTH_SUCCESS as SUCCESS
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_chat.core.command_table.table import Answering, Call
from twisted_chat.core.errors import BadText, ChatError, WrongPassword
from twisted_chat.core.events import Answer, RoomEvent
from twisted_chat.core.logins.attempts import Kind
from twisted_chat.core.logins.proof import Proof
from twisted_chat.core.records import Account
from twisted_chat.core.text.sanitize import decode
from twisted_chat.core.users.public_keys import ALGORITHMS, PublicKey
from twisted_chat.core.users.settings import Settings
from twisted_chat.protocols.ssh.channel import Channels
from twisted_chat.protocols.ssh.identity import Identity
from twisted_chat.protocols.ssh.transport import SshTransport
from twisted_chat.protocols.terminal.rendering import PLAIN

INFO_REQUEST, INFO_RESPONSE = 60, 61
METHODS = b"publickey,keyboard-interactive"
# Maximum attempts of all kinds (an agent may hold a dozen keys), and maximum attempts with a password.
MOST_ATTEMPTS, MOST_PASSWORDS = 30, 3


class Visitor:
    """The outlet of a session that only checks one password."""

    full = False

    def write(self, data: bytes) -> None:
        """Discard the data: the check shows nothing."""

    def tell(self, answers: Sequence[Answer | RoomEvent]) -> None:
        """Discard the answers: the session holds the result."""

    def close(self, last_words: str = "") -> None:
        """Do nothing: the SSH connection continues."""


class Authentication(SSHService):
    """The service ``ssh-userauth``: one attempt after another, until one succeeds."""

    name = b"ssh-userauth"
    protocolMessages: ClassVar = {REQUEST: "MSG_USERAUTH_REQUEST", INFO_RESPONSE: "MSG_USERAUTH_INFO_RESPONSE"}

    transport: SshTransport
    log = Logger()

    def __init__(self) -> None:
        self._user = b""
        self._account: Account | None = None
        self._attempts = self._passwords = 0
        self._signed = ""  # the key that has signed
        self._asked = False  # a password prompt is pending
        self._checking = False
        self._why = ""  # reason for refusing the last password
        self._told = False  # the client knows the reason for refusing a key
        self._keys_of: Account | None = None  # account for which only other keys were offered

    def ssh_USERAUTH_REQUEST(self, packet: bytes) -> None:
        """Called when the client tries a method (RFC 4252, 5)."""
        user, service, method, rest = getNS(packet, 3)
        self._attempts += 1
        self._asked = False
        if service != b"ssh-connection" or self._attempts > MOST_ATTEMPTS or self._checking:
            self._end("That was tried too often." if self._attempts > MOST_ATTEMPTS else "That is not asked for now.")
            return
        if user != self._user:
            self._user, self._signed = user, ""
        self._account = self._find(user)
        if method == b"publickey":
            self._offered(rest)
        elif self._account is None and method in (b"none", b"keyboard-interactive"):
            self._succeed(None)
        elif method == b"keyboard-interactive":
            self._ask()
        else:
            self._fail()

    def ssh_USERAUTH_INFO_RESPONSE(self, packet: bytes) -> None:
        """Called with the password (RFC 4256, 3.4)."""
        if not self._asked or self._account is None or packet[:4] != b"\0\0\0\1":
            self._end("Nothing was asked.")
            return
        (given, _) = getNS(packet[4:])
        self._asked = False
        self._passwords += 1
        try:
            password = decode(given)
        except BadText as error:
            self._refuse(error)
            return
        self._checking = True
        Deferred.fromCoroutine(self._check(self._account, password)).addErrback(self._broken)

    def serviceStopped(self) -> None:
        """Called at the end, after success too. All wrong keys together count as one failure: an agent has many."""
        self._account = None
        account, self._keys_of = self._keys_of, None
        if account is not None and not self._passwords:
            wrong = WrongPassword("That key is none of this name's.")
            attempts = self.transport.factory.people.hub.attempts
            attempts.wrong(self.transport.way, Kind.SSH_KEY, wrong, subject=account.key, name=account.name)

    def _find(self, user: bytes) -> Account | None:
        """Return the account of a name, or None. The session asks for another name if the bytes are not text."""
        try:
            return self.transport.factory.people.hub.registry.account(decode(user))
        except BadText:
            return None

    def _succeed(self, proven: Proof | None) -> None:
        self._keys_of = None
        self.transport.identity = Identity(self._user, proven, self._signed)
        self.transport.sendPacket(SUCCESS, b"")
        self.transport.setService(Channels())

    def _fail(self) -> None:
        self.transport.sendPacket(MSG_USERAUTH_FAILURE, NS(METHODS) + b"\0")

    def _end(self, why: str) -> None:
        self.transport.end(why, DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE)

    # Keys

    def _offered(self, packet: bytes) -> None:
        """Handle a key that is offered, or that has signed (RFC 4252, 7)."""
        signs = packet[:1] != b"\0"
        algorithm, blob, rest = getNS(packet[1:], 2)
        key = PublicKey.from_blob(blob)
        if key is None or ALGORITHMS.get(algorithm.decode("ascii", "replace")) != key.kind:
            self._refuse_key("It is of no kind that is taken here: Ed25519, ECDSA, or RSA with 2048 bits or more.")
            return
        line = str(key)
        known = self._account is not None and key.is_among(self._account.keys)
        if not signs:
            if known or self._account is None or not self._signed:
                self.transport.sendPacket(MSG_USERAUTH_PK_OK, NS(algorithm) + NS(blob))
            else:
                self._refuse_key()
        elif not self._verify(algorithm, blob, getNS(rest)[0]):
            self._refuse_key("Its signature is wrong.")
        elif known or self._account is None:
            self._signed = line
            if self._account is not None:
                hub = self.transport.factory.people.hub
                hub.attempts.count_right(self.transport.way, Kind.SSH_KEY)
                hub.learn_source(self._account.key, self.transport.way)
            self._succeed(Proof.of(self._account, line) if self._account else None)
        else:
            self._signed = self._signed or line
            self._refuse_key()

    def _verify(self, algorithm: bytes, blob: bytes, signature: bytes) -> bool:
        signed = NS(self.transport.sessionID or b"") + bytes((REQUEST,)) + NS(self._user) + NS(b"ssh-connection")
        signed += NS(b"publickey") + b"\1" + NS(algorithm) + NS(blob)
        try:
            return getNS(signature)[0] == algorithm and bool(Key.fromString(blob).verify(signature, signed))
        except BadKeyError:
            return False

    def _refuse_key(self, why: str = "") -> None:
        self._keys_of = self._account
        if self._account is not None and not self._told:
            self._told = True
            why = why or f"That key is none of those of {self._account.name}."
            banner = f"{why} {self._account.name} is a registered name: one of its keys, or its password.\r\n"
            self.transport.sendPacket(MSG_USERAUTH_BANNER, NS(banner) + NS(b""))
        self._fail()

    # Passwords

    def _ask(self) -> None:
        """Ask for the password (RFC 4256, 3.2)."""
        assert self._account is not None
        why = self._why or f"{self._account.name} is a registered name."
        if self._signed and not self._why:
            why += " Once you are in, /keys add makes the key you have shown one of its keys."
        self._asked = True
        self.transport.sendPacket(
            INFO_REQUEST, NS(b"") + NS(why) + NS(b"") + b"\0\0\0\1" + NS(f"Password for {self._account.name}: ") + b"\0"
        )

    async def _check(self, account: Account, password: str) -> None:
        people = self.transport.factory.people
        session = people.hub.connect(Visitor(), PLAIN, Settings(), self.transport.way)
        try:
            answering: Answering | None = people.table.invoke(
                Call(people.hub, session, people.table), "login", [account.name, password]
            )
            if answering is not None:
                await answering
        except ChatError as error:
            self._checking = False
            self._refuse(error)
        else:
            self._checking = False
            if self._account is not None:  # still connected
                self._succeed(session.proven)
        finally:
            people.hub.disconnect(session)

    def _refuse(self, error: ChatError) -> None:
        if self._account is None:
            return  # the client has disconnected
        if self._passwords >= MOST_PASSWORDS:
            self._end(str(error))
        else:
            self._why = str(error)
            self._fail()

    def _broken(self, failure: Failure) -> None:
        self.log.failure("while a password was checked", failure)
        self.transport.end("That went wrong here, and is not your fault.")
