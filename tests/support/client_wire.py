"""The bundled client's conversation without a terminal or a socket."""

import json
from typing import Any

from twisted.internet.testing import StringTransport

from twisted_chat.client.connection import Connection, Conversation
from twisted_chat.core.events import Event, Refused


class Front:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.happenings: list[Event] = []
        self.answers: list[tuple[str, Event]] = []
        self.lines_lost = 0

    def happened(self, event: Event) -> None:
        """Called by the conversation."""
        self.happenings.append(event)

    def settled(self, text: str, answer: Event) -> None:
        """Called by the conversation."""
        self.answers.append((text, answer))

    def turned_away(self, why: Refused) -> None:
        """Called by the conversation."""
        self.happenings.append(why)

    def lost(self) -> None:
        """Called by the conversation."""
        self.lines_lost += 1


class Wire:
    """One connection of a conversation, with a server that the test plays."""

    def __init__(self, conversation: Conversation) -> None:
        self.transport = StringTransport()
        self.connection = Connection(conversation)
        self.connection.makeConnection(self.transport)

    def sent(self) -> list[dict[str, Any]]:
        """The requests since this was asked last."""
        data = self.transport.value()
        self.transport.clear()
        return [json.loads(line) for line in data.splitlines()]

    def send(self, **event: Any) -> None:
        """The server sends an object."""
        self.connection.dataReceived(json.dumps(event).encode() + b"\n")
