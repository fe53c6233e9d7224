"""Interfaces between the layers of an SSH connection. Each layer imports this module instead of the layer above."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_chat.protocols.connection import ChatFactory
from twisted_chat.protocols.ssh.identity import Identity
from twisted_chat.protocols.ssh.pty import Pty


class ChannelConsumer(Protocol):
    """The chat connection whose transport is a session channel."""

    filled: Callable[[], None]
    drained: Callable[[], None]

    def makeConnection(self, transport: Any) -> None:
        """Begin with this transport."""

    def dataReceived(self, data: bytes) -> None:
        """Take what the client sends."""

    def readConnectionLost(self) -> None:
        """Handle the end of the client's input."""

    def connectionLost(self, reason: Failure) -> None:
        """Handle the end of the session."""

    def resize(self, width: int, height: int) -> None:
        """Adapt to a window of this many columns and rows."""


class TransportSession(Protocol):
    """The session of a transport."""

    def look_how_full(self) -> None:
        """Check again whether the transport is full."""

    def cut(self) -> None:
        """Handle the end of the connection."""


class TransportFactory(Protocol):
    """The factory of SSH transports."""

    people: ChatFactory
    undecided: set[Any]
    clock: IReactorTime
    closing_seconds: float

    def person(self, identity: Identity, pty: Pty | None, command: bytes | None) -> ChannelConsumer:
        """Return the chat connection of a new session."""
