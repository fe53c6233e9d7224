"""Streams: parts of the log with their own readers, and the delivery of batches to these.

A stream knows its readers as `StreamMember`: sessions know their streams, so neither module can import the other.
"""

from typing import Any, Protocol

from twisted_chat.core.delivery.batch import Batch, Dialect
from twisted_chat.core.interfaces import Outlet


class StreamMember(Protocol):
    """The parts of a session that streams and rooms use."""

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
    """A part of the log with its own readers. An inbox is a stream that only its owner reads."""

    __slots__ = ("delivered", "key", "readers")

    def __init__(self, key: str, delivered: int) -> None:
        self.key = key
        self.delivered = delivered  # the number of the last event sent to every live reader
        self.readers: dict[int, StreamMember] = {}

    def deliver(self, batch: Batch) -> None:
        """Send a batch to every live reader: one write for each reader, and one rendering for each dialect."""
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
                if theirs is not dialect:  # most readers have the same dialect as the previous one
                    dialect, data = theirs, batch.for_everybody(theirs)
                session.outlet.write(data)
