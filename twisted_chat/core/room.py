"""Rooms and inboxes: what is read, by whom, and how a batch reaches them."""

from collections import Counter
from dataclasses import replace
from typing import Any

from twisted_chat.core.batch import Batch, Dialect
from twisted_chat.core.records import SERVER, Policy, RoomRecord
from twisted_chat.core.session import LOBBY, Session
from twisted_chat.core.shut_out import Spans


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

    __slots__ = (
        "_here",
        "carried",
        "deserted_by",
        "entered",
        "granted",
        "record",
        "saved",
        "spoken",
        "topic_at",
        "topic_by",
        "voiced",
    )

    def __init__(self, record: RoomRecord, delivered: int) -> None:
        super().__init__(record.key, delivered)
        self.record = replace(record, closed=record.closed or record.policy.closed)
        self.saved = record.policy  # as it was when the room was saved last
        self._here: Counter[str] = Counter()  # by key: on how many connections
        self.deserted_by = ""  # the host of the last one here, if their line was lost, and not before the start
        self.carried: dict[int, Spans] = {}  # by session: what is hidden from it still from when it was another account's
        self.entered: dict[str, int] = {}  # by key: the number of the event with which each account came in
        self.spoken: dict[str, float] = {}  # when each person spoke last, while the room is slow
        self.granted: set[str] = set()  # the keys of guests who are its operators as long as they are here
        self.voiced: set[str] = set()  # the keys of guests who have a voice as long as they are here
        self.topic_by = ""  # who has said what it is about, and when, if that was since the start
        self.topic_at = 0.0

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
        """Whether it is there, and kept, also when nobody is in it. What nobody owns lasts only until it ends: see `kept`."""
        owner = self.record.owner
        return (bool(owner) and (owner != SERVER or self.policy.closed)) or self.key == LOBBY

    @property
    def kept(self) -> bool:
        """Return True if the room, its policy and its bans survive a restart: it lasts, or it was closed and has not ended."""
        return self.lasts or self.record.closed

    def change(self, **changes: Any) -> None:
        """Change its policy."""
        policy = replace(self.policy, **changes)
        self.record = replace(self.record, policy=policy, closed=self.record.closed or policy.closed)

    def add(self, session: Session) -> None:
        """Somebody comes in, on one of their connections."""
        self.readers[session.id] = session
        self._here[session.key] += 1

    def remove(self, session: Session) -> None:
        """One of somebody's connections goes out."""
        del self.readers[session.id]
        self.carried.pop(session.id, None)
        self._one_less(session.key)

    def renamed(self, session: Session, old_key: str) -> None:
        """One of somebody's connections is another's now."""
        self._one_less(old_key)
        self._here[session.key] += 1

    @property
    def size(self) -> int:
        """How many people are here."""
        return len(self._here)

    def people(self) -> dict[str, Session]:
        """Who is here, by key: of somebody with several connections, one."""
        return {session.key: session for session in self.readers.values()}

    def names(self) -> tuple[str, ...]:
        """Who is here, in alphabetical order."""
        return tuple(sorted((session.name for session in self.people().values()), key=str.casefold))

    def has(self, key: str) -> bool:
        """Whether somebody of this key is here, on any connection."""
        return key in self._here

    def is_alone(self, key: str) -> bool:
        """Whether nobody but the person of this key is here."""
        return len(self._here) == 1 and key in self._here

    def _one_less(self, key: str) -> None:
        self._here[key] -= 1
        if not self._here[key]:
            del self._here[key]
            self.entered.pop(key, None)

    def gone(self, key: str, new: str = "") -> None:
        """Somebody is no longer here under this key: with ``new``, they are called so now and keep what they were given."""
        for keys in (self.granted, self.voiced):
            if key in keys:
                keys.discard(key)
                if new:
                    keys.add(new)
