"""Insiders, who have secrets, and outsiders, who want to know them: each on a connection to a server in memory."""

import json
from dataclasses import replace
from typing import Any

from browsers import WebClient, request
from ssh_clients import SshClient
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from canaries.oracle import PersonNow, person_now
from twisted_chat.core.users.session import Session
from twisted_chat.protocols.connection import LineConnection
from twisted_chat.testing import Chat, Client


class Insider:
    """A program that the test steers."""

    def __init__(self, name: str, address: str, *, registered: bool) -> None:
        self.name = name
        self.address = address
        self.registered = registered
        self.password = ""
        self.latest = b""  # what it was sent last
        self.client: Client | None = None

    def enter(self, chat: Chat) -> None:
        """Come in, on an encrypted connection."""
        self.client = chat.connect("json", self.address)
        self.session.way = replace(self.session.way, encrypted=True)
        hello = {"type": "hello", "name": self.name, "client": f"secret of {self.name}"}
        self.client.send(hello | ({"password": self.password} if self.password else {}))
        if self.registered and not self.password:
            self.password = "insider-secret-1"
            self.type(f"/register {self.password}")

    @property
    def session(self) -> Session:
        """The server's end."""
        assert self.client is not None
        found: Session = self.client.transport.protocol.session
        return found

    def type(self, *lines: str, room: str = "") -> None:
        """Do what somebody types."""
        assert self.client is not None
        for line in lines:
            self.client.send({"type": "line", "text": line} | ({"room": room} if room else {}))

    def received(self) -> bytes:
        """What has come since."""
        assert self.client is not None
        data, self.client.transport.received = self.client.transport.received, b""
        return data

    def lose(self) -> None:
        """The line drops."""
        assert self.client is not None
        self.client.transport.protocol.connectionLost(Failure(ConnectionLost()))


class Outsider:
    """Somebody who may know nothing, by one protocol. ``kind`` is line, json, irc, web, http, stream or ssh."""

    def __init__(self, kind: str, name: str, password: str = "", token: str = "") -> None:
        self.kind = kind
        self.name = name
        self.password = password
        self.token = token
        self.connections: list[LineConnection] = []
        self.client: Any = None

    def __repr__(self) -> str:
        return f"{self.name or 'a visitor'} by {self.kind}"

    def enter(self, chat: Chat, hello: dict[str, Any] | None = None) -> None:
        """Come in, if it is not somebody who stays without a name."""
        before = set(chat.connections)
        if self.kind == "web":
            self.client = WebClient(chat).client
        elif self.kind in ("line", "json", "irc"):
            self.client = chat.connect(self.kind)
        else:
            self.client = chat.connect()
        if self.kind == "stream":
            self._ask(chat, "GET", "bots", "Accept: text/event-stream")
        self.connections = list(set(chat.connections) - before)
        if self.name and self.kind == "line":
            self.client.send(self.name, *([self.password] if self.password else []))
        elif self.name and self.kind in ("json", "web"):
            login = {"password": self.password} if self.password else {}
            self.send(
                chat,
                json.dumps({"type": "hello", "client": f"secret of {self.name}"} | (hello or {}) | {"name": self.name} | login),
            )
        elif self.name and self.kind == "irc":
            self.client.send(
                "CAP REQ :batch message-tags server-time draft/chathistory", f"NICK {self.name}", "USER u 0 * :x", "CAP END"
            )
            if self.password:
                self.client.send(f"CHAT :/nick {self.name}-2", f"CHAT :/nick {self.name} {self.password}")

    def send(self, chat: Chat, text: str) -> None:
        """Send a line, as a frame where there are frames."""
        data = text.encode()
        if self.kind == "web":
            mask, size = b"\0\0\0\0", len(data)
            length = bytes((0x80 | size,)) if size < 126 else bytes((0xFE,)) + size.to_bytes(2, "big")
            self.client.send_bytes(b"\x81" + length + mask + data)
        else:
            self.client.send_bytes(data + b"\n")
        chat.turn()

    def ask(self, chat: Chat, method: str, room: str, query: str, *headers: str) -> None:
        """Ask by HTTP."""
        self.client = chat.connect("web")
        self._ask(chat, method, room + query, *headers)

    def _ask(self, chat: Chat, method: str, place: str, *headers: str) -> None:
        body = b"said by a bot" if method == "POST" else b""
        self.client.send_bytes(request(method, f"/rooms/{place}", f"Authorization: Bearer {self.token}", *headers, body=body))
        chat.turn()

    def run(self, chat: Chat, command: str) -> None:
        """Run a command by SSH."""
        before = set(chat.connections)
        self.client = SshClient(chat, self.name, command=command)
        self.connections = list(set(chat.connections) - before)

    @property
    def sessions(self) -> list[Session]:
        """The server's end: none of HTTP."""
        return [connection.session for connection in self.connections]

    @property
    def closed(self) -> bool:
        """Whether the server has ended the connection."""
        return self.kind != "ssh" and bool(self.client.transport.disconnecting)

    def received(self) -> bytes:
        """What has come since."""
        if self.kind == "ssh":
            data, self.client.received = bytes(self.client.received), b""
            return data
        data, self.client.transport.received = self.client.transport.received, b""
        return data

    def people(self, chat: Chat) -> tuple[PersonNow, ...]:
        """Whoever that is now: nobody with a name, for a request of HTTP."""
        found = tuple(person_now(session, chat) for session in self.sessions)
        if self.kind == "ssh":
            return *found, PersonNow(-1, self.name.lower(), False, frozenset(), True, False, "", visits=True)
        return found or (PersonNow(-1, "", False, frozenset(), True, False, "#bots" if self.token else ""),)
