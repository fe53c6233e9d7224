"""A room: its record, its members and their grants. It makes no decisions."""

from collections import Counter
from dataclasses import replace
from typing import Any

from twisted_chat.core.delivery.stream import Stream, StreamMember
from twisted_chat.core.records import SERVER, Policy, RoomRecord
from twisted_chat.core.rooms.shut_out import Spans

# The room of a session that asks for no other room.
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
        self.saved = record.policy  # the policy when the room was last saved
        self._here: Counter[str] = Counter()  # by key: the number of connections
        self.deserted_by = ""  # the last member's host, if that member's connection was lost since the start
        self.carried: dict[int, Spans] = {}  # by session: spans still hidden from it since it belonged to another account
        self.entered: dict[str, int] = {}  # by key: the number of the event with which each account joined
        self.spoken: dict[str, float] = {}  # the time of each person's last message, while the room is slow
        self.granted: set[str] = set()  # the keys of guests who are its operators as long as they are here
        self.voiced: set[str] = set()  # the keys of guests who have a voice as long as they are here
        self.topic_by = ""  # the name that set the topic, and the time, if it was set since the start
        self.topic_at = 0.0

    @property
    def topic(self) -> str:
        """The room's topic."""
        return self.record.topic

    @property
    def policy(self) -> Policy:
        """The rules for joining and for members."""
        return self.record.policy

    @property
    def lasts(self) -> bool:
        """True if the room exists and is kept even when empty. A room without an owner lasts only until it ends: see `kept`."""
        owner = self.record.owner
        return (bool(owner) and (owner != SERVER or self.policy.closed)) or self.key == LOBBY

    @property
    def kept(self) -> bool:
        """True if the room, its policy and its bans survive a restart: it lasts, or it was closed and has not ended."""
        return self.lasts or self.record.closed

    def change(self, **changes: Any) -> None:
        """Change the room's policy."""
        policy = replace(self.policy, **changes)
        self.record = replace(self.record, policy=policy, closed=self.record.closed or policy.closed)

    def add(self, session: StreamMember) -> None:
        """Add one connection of a person."""
        self.readers[session.id] = session
        self._here[session.key] += 1

    def remove(self, session: StreamMember) -> None:
        """Remove one connection of a person."""
        del self.readers[session.id]
        self.carried.pop(session.id, None)
        self._one_less(session.key)

    def renamed(self, session: StreamMember, old_key: str) -> None:
        """Recount a connection under its new key."""
        self._one_less(old_key)
        self._here[session.key] += 1

    @property
    def size(self) -> int:
        """The number of people here."""
        return len(self._here)

    def names(self) -> tuple[str, ...]:
        """Return the members' names in alphabetical order."""
        return tuple(sorted({session.key: session.name for session in self.readers.values()}.values(), key=str.casefold))

    def has(self, key: str) -> bool:
        """Return whether the person of this key is here, on any connection."""
        return key in self._here

    def is_alone(self, key: str) -> bool:
        """Return whether the person of this key is the only one here."""
        return len(self._here) == 1 and key in self._here

    def _one_less(self, key: str) -> None:
        self._here[key] -= 1
        if not self._here[key]:
            del self._here[key]
            self.entered.pop(key, None)

    def gone(self, key: str, new: str = "") -> None:
        """Drop the grants of a key that is no longer here. If its person is renamed, move them to the key ``new``."""
        for keys in (self.granted, self.voiced):
            if key in keys:
                keys.discard(key)
                if new:
                    keys.add(new)
