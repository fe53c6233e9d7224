"""One connected person: name, role, rooms, and the positions in the log up to which they have read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, IntEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING

from twisted_chat.core import names
from twisted_chat.core.batch import Dialect
from twisted_chat.core.events import Answer, RoomEvent
from twisted_chat.core.ports import Outlet

if TYPE_CHECKING:
    from twisted_chat.core.room import Room, Stream

LOBBY = "#lobby"


class Role(IntEnum):
    """What a person may do. Each role may do what the ones before it may."""

    VISITOR = 0  # has given no name yet
    MEMBER = 1
    OPERATOR = 2


class Receipts(Enum):
    """Who at a terminal is sent a receipt. Programs always are."""

    ALONE = "alone"  # someone by themselves is answered, someone in company sees company
    ALWAYS = "always"
    NEVER = "never"


class Session:
    """A reader of the log, from the moment a connection opens.

    1. While ``live`` it is handed each batch as it comes, and ``positions`` is empty.
    2. Otherwise ``positions`` holds, for each of its streams, the number up to which it has read; `Hub.read_on` hands
       it what follows, except from the streams in ``held``: there something has to be said first.
    3. ``reading`` is true while a read of the disk is under way for it: only one at a time.
    """

    __slots__ = (
        "_settled",
        "aside",
        "awaiting",
        "client",
        "correspondent",
        "current",
        "dialect",
        "held",
        "id",
        "inbox",
        "key",
        "landing",
        "live",
        "name",
        "outlet",
        "positions",
        "reading",
        "receipts",
        "rooms",
    )

    def __init__(
        self,
        session_id: int,
        outlet: Outlet,
        dialect: Dialect,
        aside: Dialect,
        receipts: Receipts,
    ) -> None:
        self.id = session_id
        self.outlet = outlet
        self.dialect = dialect  # for the room that plain text goes to, and for answers
        self.aside = aside  # for the other rooms: it names the room on each line
        self.receipts = receipts
        self.name = ""
        self.key = ""
        self.client = b""  # a secret of the program at the other end, by which it is known when it comes back
        self.landing: Mapping[str, int | None] = MappingProxyType({LOBBY: None})  # rooms to enter, and where to read on
        self.rooms: dict[str, Room] = {}
        self.inbox: Stream | None = None
        self.current: Room | None = None
        self.correspondent = ""  # who wrote privately last: for /reply
        self.live = False
        self.reading = False
        self.positions: dict[str, int] = {}
        self.held: set[str] = set()
        self.awaiting = 0  # messages on their way to disk
        self._settled: list[Callable[[], None]] = []

    @property
    def role(self) -> Role:
        """What this person may do now."""
        return Role.MEMBER if self.name else Role.VISITOR

    @property
    def streams(self) -> list[Stream]:
        """All that this person reads."""
        return [*self.rooms.values(), self.inbox] if self.inbox else []

    def rename(self, name: str) -> None:
        """Take a name that `core.names` allows."""
        self.name = name
        self.key = names.fold(name)

    def tell(self, *answers: Answer | RoomEvent) -> None:
        """Say something to this person alone, at once."""
        self.outlet.write(self.dialect.render(answers))

    def dialect_in(self, stream: Stream) -> Dialect:
        """How this person is shown what happens in a room."""
        return self.dialect if stream is self.current or stream is self.inbox else self.aside

    def pause(self) -> None:
        """Take no more batches as they come: remember how far each stream has been read."""
        if self.live:
            self.live = False
            self.positions = {stream.key: stream.delivered for stream in self.streams}

    def hold(self, stream: Stream, position: int) -> None:
        """Read a stream from ``position`` on, once it is released."""
        self.pause()
        self.positions[stream.key] = position
        self.held.add(stream.key)

    def message_key(self, message_id: str | None) -> bytes | None:
        """What the log knows a message by: its id and the program that chose the id, so that nobody can guess another's."""
        if message_id is None:
            return None
        scope = self.client or b"%d" % self.id
        return blake2b(message_id.encode(), key=blake2b(scope).digest(), digest_size=16).digest()

    def when_settled(self, call: Callable[[], None]) -> None:
        """Call once every message of this person is on disk, or known not to be; at once if that is so now."""
        if self.awaiting:
            self._settled.append(call)
        else:
            call()

    def settle(self, messages: int) -> None:
        """That many messages are no longer on their way."""
        self.awaiting -= messages
        if not self.awaiting:
            calls, self._settled = self._settled, []
            for call in calls:
                call()
