"""Rooms and inboxes: what is read, by whom, and how a batch reaches them."""

from dataclasses import replace
from typing import Any

from twisted_chat.core.batch import Batch, Dialect
from twisted_chat.core.records import Policy, RoomRecord
from twisted_chat.core.session import LOBBY, Session


class Stream:
    """A part of the log with readers of its own. A person's inbox is one that nobody else reads."""

    __slots__ = ("delivered", "key", "readers")

    def __init__(self, key: str, delivered: int) -> None:
        self.key = key
        self.delivered = delivered  # the number up to which every live reader has been handed all
        self.readers: dict[int, Session] = {}

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


class Room(Stream):
    """A room: its readers are its members."""

    __slots__ = ("record", "spoken")

    def __init__(self, record: RoomRecord, delivered: int) -> None:
        super().__init__(record.key, delivered)
        self.record = record
        self.spoken: dict[str, float] = {}  # when each person spoke last, while the room is slow

    @property
    def topic(self) -> str:
        """What it is about."""
        return self.record.topic

    @property
    def policy(self) -> Policy:
        """Who may come in, and do what."""
        return self.record.policy

    @property
    def lasts(self) -> bool:
        """Whether it is there, and kept, also when nobody is in it."""
        return bool(self.record.owner) or self.key == LOBBY

    def change(self, **changes: Any) -> None:
        """Change its policy."""
        self.record = replace(self.record, policy=replace(self.policy, **changes))

    def people(self) -> dict[str, Session]:
        """Who is here, by key: of somebody with several connections, one."""
        return {session.key: session for session in self.readers.values()}

    def names(self) -> tuple[str, ...]:
        """Who is here, in alphabetical order."""
        return tuple(sorted((session.name for session in self.people().values()), key=str.casefold))

    def is_alone(self, key: str) -> bool:
        """Whether nobody but the person of this key is here. Asked for every message: the first reader mostly tells."""
        for reader in self.readers.values():  # noqa: SIM110 (a generator costs more than what it does here)
            if reader.key != key:
                return False
        return True

    def has(self, key: str) -> bool:
        """Whether somebody of this key is here, on any connection."""
        return any(session.key == key for session in self.readers.values())
