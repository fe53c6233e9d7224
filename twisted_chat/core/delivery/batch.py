"""What was added to one room in one reactor turn: the unit in which the chat is shown, kept, and read on from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import Protocol, TypeVar

from twisted_chat.core.events import KEPT, Event, Noticed, RoomEvent, Whispered
from twisted_chat.core.text import names
from twisted_chat.core.users.settings import Settings

# What an event costs in memory besides its text, in bytes: its object, its numbers, its place in the batch. Measured
# with tracemalloc on CPython 3.11: 330 to 420.
EVENT_COST = 400
# What stands round a text where it is shown, in bytes: a time, a room, a name; in JSON some more.
FRAME_BYTES = 32


BY_SOMEBODY = (*KEPT, Whispered, Noticed)


class Dialect(Protocol):
    """How events become bytes. Equal dialects give equal bytes, so each batch is rendered once for each dialect."""

    def pieces(self, events: Sequence[Event]) -> list[bytes]:
        """Each event or answer as bytes for the wire. Never raises."""

    def render(self, events: Sequence[Event]) -> bytes:
        """All of them, one after the other."""

    def echoes(self, event: RoomEvent) -> bool:
        """Whether the person who caused the event is shown it too. A terminal already shows what was typed on it."""

    @property
    def alerts(self) -> bool:
        """Whether messages that name the reader look otherwise than those that don't."""

    def styled(self, settings: Settings, name: str) -> Dialect:
        """The dialect of somebody of this name with these settings."""

    def aside(self) -> Dialect:
        """The same for rooms one is not looking at."""

    def unalarmed(self) -> Dialect:
        """The same for messages that don't name the reader."""

    def __hash__(self) -> int: ...


D = TypeVar("D", bound="Unstyled")


class Unstyled:
    """The half of a `Dialect` that programs and IRC clients have in common: they make of an event what they like themselves."""

    __slots__ = ()

    def pieces(self, events: Sequence[Event]) -> list[bytes]:
        """Each event or answer as bytes for the wire."""
        raise NotImplementedError

    def render(self, events: Sequence[Event]) -> bytes:
        """All of them, one after the other."""
        return b"".join(self.pieces(events))

    @property
    def alerts(self) -> bool:
        """A client looks for its name itself."""
        return False

    def styled(self: D, settings: Settings, name: str) -> D:
        """Its settings are its own."""
        return self

    def aside(self: D) -> D:
        """Every event names its room already."""
        return self

    def unalarmed(self: D) -> D:
        """No message looks otherwise than the others."""
        return self


class Fate(Enum):
    """What became of the messages of a batch."""

    PENDING = "on its way to disk"
    KEPT = "on disk"
    LOST = "shown, but not kept"


class Batch:
    """Events of one room in the order of their numbers. Open while its turn lasts, unchanged afterwards."""

    __slots__ = (
        "_authors",
        "_fresh",
        "_pieces",
        "_words",
        "events",
        "fate",
        "keeps",
        "keys",
        "origins",
        "rendered",
        "room",
        "shown",
    )

    def __init__(self, room: str) -> None:
        self.room = room
        self.events: list[RoomEvent] = []
        self.keys: dict[int, bytes] = {}  # the message keys, by sequence number; see MessageLog.append
        self.origins: dict[int, list[int]] = {}  # by the session that caused them: which of the events
        self.rendered: dict[Dialect, bytes] = {}
        self._pieces: dict[Dialect, list[bytes]] = {}  # the same event by event, while the batch is fresh
        self._fresh = True
        self.shown = 0  # bytes a reader is sent of it, roughly
        self.fate = Fate.PENDING
        self.keeps = False  # whether it has a message for the disk
        self._words: frozenset[str] | None = None
        self._authors: frozenset[str] | None = None

    def add(self, event: RoomEvent, text_size: int) -> None:
        """Add the next event. ``text_size`` is the length of its text."""
        self.origins.setdefault(event.by, []).append(len(self.events))
        self.events.append(event)
        self.shown += FRAME_BYTES + text_size
        self.keeps = self.keeps or isinstance(event, KEPT)

    @property
    def first(self) -> int:
        """The number of its first event."""
        return self.events[0].seq

    @property
    def last(self) -> int:
        """The number of its last event."""
        return self.events[-1].seq

    @property
    def size(self) -> int:
        """Bytes of memory its events take, roughly."""
        return self.shown + (EVENT_COST - FRAME_BYTES) * len(self.events)

    @property
    def memory(self) -> int:
        """Bytes of memory it takes by now, with what it was rendered to, roughly."""
        return self.size + sum(map(len, self.rendered.values()))

    def delivered(self) -> None:
        """Its turn is over: few will ask for it any more, so that only what everybody has in common is still held."""
        self._fresh = False
        self._pieces.clear()

    def for_everybody(self, dialect: Dialect) -> bytes:
        """Its bytes in a dialect, rendered once."""
        data = self.rendered.get(dialect)
        if data is None:
            data = self.rendered[dialect] = b"".join(self._by_event(dialect))
        return data

    def for_one(self, dialect: Dialect, session: int, after: int, ignored: frozenset[str] = frozenset()) -> bytes:
        """Its bytes for one reader who has read up to ``after``: without what their own terminal already shows.

        What the people ``ignored`` (keys) have said is left out.
        """
        left_out = [at for at in self.origins.get(session, ()) if not dialect.echoes(self.events[at])]
        if after >= self.first:
            left_out += [at for at, event in enumerate(self.events) if event.seq <= after]
        if ignored and self._by(ignored):
            left_out += [at for at, event in enumerate(self.events) if is_by(event, ignored)]
        if not left_out:
            return self.for_everybody(dialect)
        pieces = self._by_event(dialect).copy()
        for at in left_out:
            pieces[at] = b""
        return b"".join(pieces)

    def _by_event(self, dialect: Dialect) -> list[bytes]:
        pieces = self._pieces.get(dialect)
        if pieces is None:
            pieces = dialect.pieces(self.events)
            if self._fresh:
                self._pieces[dialect] = pieces
        return pieces

    def concerns(self, key: str) -> bool:
        """Whether a message in it names the person of this key, or is for them alone."""
        if self.room.startswith("@"):
            return True
        if self._words is None:
            self._words = frozenset().union(*(words(event.text) for event in self.events if isinstance(event, KEPT)))
        return key in self._words

    def replace(self, seq: int, event: RoomEvent) -> None:
        """Put another event in the place of one, as if it had been so from the beginning."""
        self.events = [event if one.seq == seq else one for one in self.events]
        self.rendered.clear()
        self._pieces.clear()

    def _by(self, keys: frozenset[str]) -> bool:
        if self._authors is None:
            self._authors = frozenset(names.fold(event.author) for event in self.events if isinstance(event, BY_SOMEBODY))
        return not self._authors.isdisjoint(keys)


def is_by(event: RoomEvent, keys: frozenset[str]) -> bool:
    """Whether one of these people has said it."""
    return isinstance(event, BY_SOMEBODY) and names.fold(event.author) in keys


def words(text: str) -> frozenset[str]:
    """The words of a text, folded, with and without the punctuation that names may have at their ends."""
    found = re.findall(r"[\w.'-]+", text)
    return frozenset(names.fold(word) for one in found for word in (one, one.strip(".'-")) if word)
