"""One way to drive a person, at a terminal or by SSH, and a program alike: what is typed, and what is then shown as text."""

import json
from typing import Any

from browsers import WebClient
from ssh_clients import SshClient

from twisted_chat.protocols.jsonlines.codec import as_event
from twisted_chat.protocols.terminal.rendering import lines
from twisted_chat.testing import OPERATOR_PASSWORD, Chat, Client

KINDS = ("line", "json", "web", "ssh")
PROGRAMS = ("json", "web")
# What /who says of each.
WAYS = {"line": "telnet or nc", "json": "JSON", "web": "browser", "ssh": "ssh, encrypted"}


class Guest:
    """Somebody at a terminal, or a program, by ``kind``."""

    def __init__(
        self, chat: Chat, kind: str, name: str, password: str | None = None, address: str = "192.0.2.1", **hello: Any
    ) -> None:
        self.kind = kind
        self.chat = chat
        self.client: Client | SshClient | WebClient
        if password is None and (claim := chat.claim_code(name)) and "claim" not in hello:
            self._claim(name, claim, address)
            return
        if kind == "ssh":
            asked = password is None and (chat.hub.registry.account(name) is not None or name.startswith("/"))
            self.client = SshClient(
                chat, "?" if asked else name, *[password] * (password is not None), address=address, door="ssh"
            )
            if asked:  # a name is asked for in the session, where a client can't be asked for its password any more
                self.shown()
                self.type(name)
            return
        self.client = WebClient(chat, address) if kind == "web" else chat.connect(kind, address)
        if kind == "line":
            self.client.send(*[line for line in (name, password) if line is not None])
        else:
            self.client.send({"type": "hello", "name": name} | ({"password": password} if password else {}) | hello)

    def _claim(self, name: str, code: str, address: str) -> None:
        """Come in under an operator's name, which nobody has claimed yet."""
        if self.kind == "ssh":
            self.client = SshClient(self.chat, name, address=address, door="ssh")
            self.client.send(code, OPERATOR_PASSWORD)
        elif self.kind == "line":
            self.client = self.chat.connect(self.kind, address)
            self.client.send(name, code, OPERATOR_PASSWORD)
        else:
            self.client = WebClient(self.chat, address) if self.kind == "web" else self.chat.connect(self.kind, address)
            self.client.send({"type": "hello", "name": name, "claim": code, "password": OPERATOR_PASSWORD})

    def type(self, *typed: str) -> "Guest":
        """Type lines."""
        for text in typed:
            self.client.send({"type": "line", "text": text} if self.kind in PROGRAMS else text)
        return self

    def shown(self) -> str:
        """What has come since this was asked last, as a person reads it."""
        if isinstance(self.client, SshClient):
            told, self.client.told = [*self.client.told, self.client.last_words], []
            return "\n".join(filter(None, told + self.client.lines()))
        if self.kind not in PROGRAMS:
            return "\n".join(self.client.lines())
        events = (as_event(json.loads(line)) for line in self.client.lines())
        return "\n".join(line for event in events if event is not None for line in lines(event))

    def answer(self, *typed: str) -> str:
        """Type lines, and return what came then."""
        self.shown()
        return self.type(*typed).shown()

    def leave(self) -> None:
        """Close the connection, as a program that ends does."""
        self.client.transport.loseConnection()
        self.client.transport.protocol.connectionLost()
        self.chat.turn()
