"""Rooms and inboxes: what is read, by whom, and how a batch reaches them."""

from twisted_chat.core.batch import Batch
from twisted_chat.core.session import Session


class Stream:
    """A part of the log with readers of its own. A person's inbox is one with a single reader."""

    __slots__ = ("delivered", "key", "readers")

    def __init__(self, key: str, delivered: int) -> None:
        self.key = key
        self.delivered = delivered  # the number up to which every live reader has been handed all
        self.readers: dict[int, Session] = {}

    def deliver(self, batch: Batch) -> None:
        """Hand a batch to every reader that keeps up: one write each, and one rendering a dialect."""
        self.delivered = batch.last
        for session in tuple(self.readers.values()):
            if not session.live:
                continue
            dialect = session.dialect_in(self)
            if session.id in batch.origins:
                session.outlet.write(batch.for_one(dialect, session.id, 0))
            else:
                session.outlet.write(batch.for_everybody(dialect))


class Room(Stream):
    """A room: its readers are its members."""

    __slots__ = ("topic",)

    def __init__(self, key: str, delivered: int) -> None:
        super().__init__(key, delivered)
        self.topic = ""

    def names(self) -> tuple[str, ...]:
        """Who is here, in alphabetical order."""
        return tuple(sorted((session.name for session in self.readers.values()), key=str.casefold))
