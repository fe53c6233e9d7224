"""Batches: the events added to one room in one reactor turn. The chat is shown, kept and caught up on in batches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import Protocol, TypeVar

from twisted_chat.core.events import KEPT, Event, Noticed, RoomEvent, Whispered
from twisted_chat.core.text import names
from twisted_chat.core.users.settings import Settings

# The memory an event takes besides its text, in bytes: its object, its numbers, its place in the batch. Measured
# with tracemalloc on CPython 3.11: 330 to 420.
EVENT_COST = 400
# The bytes shown around a text: a time, a room, a name; in JSON slightly more.
FRAME_BYTES = 32


BY_SOMEBODY = (*KEPT, Whispered, Noticed)


class Dialect(Protocol):
    """A renderer of events as bytes. Equal dialects give equal bytes, so each batch is rendered once for each dialect."""

    def pieces(self, events: Sequence[Event]) -> list[bytes]:
        """Return each event or answer as bytes for the wire. Never raises."""

    def render(self, events: Sequence[Event]) -> bytes:
        """Return all of them as one byte string."""

    def echoes(self, event: RoomEvent) -> bool:
        """Return whether the session that caused the event is sent it too. A terminal already shows its own input."""

    @property
    def alerts(self) -> bool:
        """True if messages that name the reader look different."""

    def styled(self, settings: Settings, name: str) -> Dialect:
        """Return the dialect for a reader with this name and these settings."""

    def aside(self) -> Dialect:
        """Return the same dialect for rooms other than the reader's current one."""

    def unalarmed(self) -> Dialect:
        """Return the same dialect for messages that do not name the reader."""

    def __hash__(self) -> int: ...


D = TypeVar("D", bound="Unstyled")


class Unstyled:
    """The half of a `Dialect` shared by programs and IRC clients, which style events themselves."""

    __slots__ = ()

    def pieces(self, events: Sequence[Event]) -> list[bytes]:
        """Return each event or answer as bytes for the wire."""
        raise NotImplementedError

    def render(self, events: Sequence[Event]) -> bytes:
        """Return all of them as one byte string."""
        return b"".join(self.pieces(events))

    @property
    def alerts(self) -> bool:
        """Always False: highlighting is the client's job."""
        return False

    def styled(self: D, settings: Settings, name: str) -> D:
        """Return this dialect: the client has its own settings."""
        return self

    def aside(self: D) -> D:
        """Return this dialect: every event already names its room."""
        return self

    def unalarmed(self: D) -> D:
        """Return this dialect: all messages look alike."""
        return self


class Fate(Enum):
    """The state of a batch's messages on their way to disk."""

    PENDING = "on its way to disk"
    KEPT = "on disk"
    LOST = "shown, but not kept"


class Batch:
    """Events of one room in the order of their numbers. It accepts events during its turn and is fixed afterwards."""

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
        self.origins: dict[int, list[int]] = {}  # by session: the indexes of the events it caused
        self.rendered: dict[Dialect, bytes] = {}
        self._pieces: dict[Dialect, list[bytes]] = {}  # the same, event by event, while the batch is fresh
        self._fresh = True
        self.shown = 0  # the approximate bytes sent to each reader
        self.fate = Fate.PENDING
        self.keeps = False  # True if it has a message for the disk
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
        """The number of the first event."""
        return self.events[0].seq

    @property
    def last(self) -> int:
        """The number of the last event."""
        return self.events[-1].seq

    @property
    def size(self) -> int:
        """The approximate memory of its events, in bytes."""
        return self.shown + (EVENT_COST - FRAME_BYTES) * len(self.events)

    @property
    def memory(self) -> int:
        """The approximate memory of its events and their renderings so far, in bytes."""
        return self.size + sum(map(len, self.rendered.values()))

    def delivered(self) -> None:
        """Free the per-event renderings when the turn is over. Few readers need the batch later; `rendered` stays."""
        self._fresh = False
        self._pieces.clear()

    def for_everybody(self, dialect: Dialect) -> bytes:
        """Return the batch in a dialect, rendered once."""
        data = self.rendered.get(dialect)
        if data is None:
            data = self.rendered[dialect] = b"".join(self._by_event(dialect))
        return data

    def for_one(self, dialect: Dialect, session: int, after: int, ignored: frozenset[str] = frozenset()) -> bytes:
        """Return the batch for one reader that has read up to ``after``, without the input its terminal already shows.

        Messages from the people ``ignored`` (keys) are left out.
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
        """Return whether a message names the person of this key, or is in an inbox."""
        if self.room.startswith("@"):
            return True
        if self._words is None:
            self._words = frozenset().union(*(words(event.text) for event in self.events if isinstance(event, KEPT)))
        return key in self._words

    def replace(self, seq: int, event: RoomEvent) -> None:
        """Replace the event ``seq``, and discard the renderings with the old one."""
        self.events = [event if one.seq == seq else one for one in self.events]
        self.rendered.clear()
        self._pieces.clear()

    def _by(self, keys: frozenset[str]) -> bool:
        if self._authors is None:
            self._authors = frozenset(names.fold(event.author) for event in self.events if isinstance(event, BY_SOMEBODY))
        return not self._authors.isdisjoint(keys)


def is_by(event: RoomEvent, keys: frozenset[str]) -> bool:
    """Return whether one of these people sent the event."""
    return isinstance(event, BY_SOMEBODY) and names.fold(event.author) in keys


def words(text: str) -> frozenset[str]:
    """Return the words of a text, folded, with and without the punctuation that names may have at their ends."""
    found = re.findall(r"[\w.'-]+", text)
    return frozenset(names.fold(word) for one in found for word in (one, one.strip(".'-")) if word)
