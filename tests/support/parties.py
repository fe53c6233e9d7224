"""Several parties with secrets of their own, on connections of every protocol, and hashes that are done when a test says."""

from collections.abc import Awaitable, Callable
from typing import Any

from ssh_clients import SshClient, new_key, public_line
from twisted.conch.ssh.keys import Key
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from twisted_chat.testing import Chat, Client, PlainAccounts

PROTOCOLS = ("line", "json", "irc", "line", "json", "irc", "ssh")  # an SSH handshake costs as much as all the rest


class Party:
    """Somebody, and what only they know: two passwords and a key of ssh."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.passwords = (f"{name}-password-1", f"{name}-password-2")
        self.key: Key = new_key()
        self.public_line = public_line(self.key)


class LateAccounts(PlainAccounts):
    """Passwords whose hashing takes until `answer`, as that on a thread does: what was kept when it began is looked at."""

    def __init__(self, kept: Callable[[str], str | None]) -> None:
        super().__init__(kept)
        self._lookup = kept
        self.waiting: list[Callable[[], None]] = []

    def hash(self, password: str, source: str) -> Awaitable[str]:  # type: ignore[override]
        """Itself, later."""
        return self._later(lambda: super(LateAccounts, self).hash(password, source))

    def check(self, key: str, password: str, source: str) -> Awaitable[bool]:  # type: ignore[override]
        """Whether it is the one that was kept when this was asked, later."""
        kept = self._lookup(key)

        async def checked() -> bool:
            return kept == password

        return self._later(checked)

    def _later(self, work: Callable[[], Any]) -> "Deferred[Any]":
        done: Deferred[Any] = Deferred()
        self.waiting.append(lambda: Deferred.fromCoroutine(work()).chainDeferred(done))
        return done

    def answer(self, index: int = 0) -> bool:
        """Finish one of those that wait. False if none does."""
        if not self.waiting:
            return False
        self.waiting.pop(index % len(self.waiting))()
        return True


class Connection:
    """One connection of a party: it is known by its address, and what was shown on it is remembered."""

    def __init__(self, chat: Chat, party: Party, kind: str, address: str, name: str, password: str | None) -> None:
        """Come in as ``name``."""
        self.party, self.kind, self.address = party, kind, address
        self.shown: set[str] = {name} | ({password} if password else set())
        self.gone = False
        self._client: Client | SshClient
        if kind == "ssh":
            self.shown.add(party.public_line)
            passwords = () if password is None else (password,)
            self._client = SshClient(chat, name, *passwords, keys=(party.key,), address=address, door="ssh")
            return
        self._client = chat.connect(kind, address)
        if kind == "json":
            self._client.send({"type": "hello", "name": name} | ({"password": password} if password else {}))
        elif kind == "irc":
            self._client.send(*([f"PASS {password}"] if password else []), f"NICK {name}", "USER x 0 * :X")
        else:
            self._client.send(name, *([password] if password else []))

    def type(self, line: str, *secrets: str) -> None:
        """Type a line. It may be the answer to a question, and become a password as it stands."""
        self.shown |= {line, line.strip(), *secrets}
        if self.closed:
            return
        match self.kind:
            case "json":
                self._client.send({"type": "line", "text": line})  # type: ignore[arg-type]
            case "irc":
                self._client.send(f"CHAT {line}")
            case _:
                self._client.send(line)

    def raw(self, line: str, *secrets: str) -> None:
        """Send a line as it is."""
        self.shown |= {*secrets}
        if not self.closed:
            self._client.send(line)

    @property
    def closed(self) -> bool:
        """Whether the connection has ended, or has no session yet."""
        return self.gone or self._client.closed or (isinstance(self._client, SshClient) and not self._client.let_in)

    @property
    def over(self) -> bool:
        """Whether it has ended for good."""
        return self.gone or self._client.closed

    def flush(self) -> None:
        """Read what has come."""
        self._client.lines()

    def lose(self) -> None:
        """The line drops."""
        if not self.gone:
            self.gone = True
            self._client.transport.protocol.connectionLost(Failure(ConnectionLost()))
