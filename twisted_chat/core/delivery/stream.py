"""Streams: parts of the log with readers of their own, and how a batch reaches these.

A stream knows its readers as `StreamMember`: sessions know their streams, and neither module can import the other.
"""

from typing import Any, Protocol

from twisted_chat.core.delivery.batch import Batch, Dialect
from twisted_chat.core.interfaces import Outlet


class StreamMember(Protocol):
    """A session, as far as streams and rooms know it."""

    id: int
    key: str
    name: str
    live: bool
    particular: bool
    outlet: Outlet

    def rendered(self, batch: Batch, stream: Any, after: int) -> bytes:
        """Return the bytes of a batch for this session alone."""

    def dialect_in(self, stream: Any) -> Dialect:
        """Return the renderer for the events of a stream."""


class Stream:
    """A part of the log with readers of its own. A person's inbox is one that nobody else reads."""

    __slots__ = ("delivered", "key", "readers")

    def __init__(self, key: str, delivered: int) -> None:
        self.key = key
        self.delivered = delivered  # the number up to which every live reader has been handed all
        self.readers: dict[int, StreamMember] = {}

    def deliver(self, batch: Batch) -> None:
        """Hand a batch to every reader that keeps up: one write each, and one rendering a dialect."""
        self.delivered = batch.last
        dialect: Dialect | None = None
        data = b""
        for session in tuple(self.readers.values()):
            if not session.live:
                continue
            if session.particular or session.id in batch.origins:
                session.outlet.write(session.rendered(batch, self, 0))
            else:
                theirs = session.dialect_in(self)
                if theirs is not dialect:  # most readers have the very same one as the reader before
                    dialect, data = theirs, batch.for_everybody(theirs)
                session.outlet.write(data)
