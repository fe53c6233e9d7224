"""What the layers of an SSH connection need of one another. Each layer imports this module instead of the layer above."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_chat.protocols.connection import ChatFactory
from twisted_chat.protocols.ssh.identity import Identity
from twisted_chat.protocols.ssh.pty import Pty


class ChannelConsumer(Protocol):
    """The connection to the chat whose transport is a session channel."""

    filled: Callable[[], None]
    drained: Callable[[], None]

    def makeConnection(self, transport: Any) -> None:
        """Begin with this transport."""

    def dataReceived(self, data: bytes) -> None:
        """Take what the client sends."""

    def readConnectionLost(self) -> None:
        """The client sends no more."""

    def connectionLost(self, reason: Failure) -> None:
        """The session has ended."""

    def resize(self, width: int, height: int) -> None:
        """The client's window has this many columns and rows now."""


class TransportSession(Protocol):
    """The session of a transport."""

    def look_how_full(self) -> None:
        """The transport has become full, or is full no longer."""

    def cut(self) -> None:
        """The connection has ended."""


class TransportFactory(Protocol):
    """The factory of SSH transports."""

    people: ChatFactory
    undecided: set[Any]
    clock: IReactorTime
    closing_seconds: float

    def person(self, identity: Identity, pty: Pty | None, command: bytes | None) -> ChannelConsumer:
        """Return the connection to the chat of a session that begins."""
