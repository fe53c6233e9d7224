"""A room: its record, its members, and what they were given. It decides nothing."""

from collections import Counter
from dataclasses import replace
from typing import Any

from twisted_chat.core.delivery.stream import Stream, StreamMember
from twisted_chat.core.records import SERVER, Policy, RoomRecord
from twisted_chat.core.rooms.shut_out import Spans

# The room that everybody comes into who asks for none.
LOBBY = "#lobby"


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

    def add(self, session: StreamMember) -> None:
        """Somebody comes in, on one of their connections."""
        self.readers[session.id] = session
        self._here[session.key] += 1

    def remove(self, session: StreamMember) -> None:
        """One of somebody's connections goes out."""
        del self.readers[session.id]
        self.carried.pop(session.id, None)
        self._one_less(session.key)

    def renamed(self, session: StreamMember, old_key: str) -> None:
        """One of somebody's connections is another's now."""
        self._one_less(old_key)
        self._here[session.key] += 1

    @property
    def size(self) -> int:
        """How many people are here."""
        return len(self._here)

    def names(self) -> tuple[str, ...]:
        """Who is here, in alphabetical order."""
        return tuple(sorted({session.key: session.name for session in self.readers.values()}.values(), key=str.casefold))

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
