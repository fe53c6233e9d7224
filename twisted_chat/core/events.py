"""Events and answers: everything that a person can be told, as frozen dataclasses.

1. Events of a room (`RoomEvent`) are in the log. All people see them in the order of their ``seq``.
2. Only `Said`, `Emoted` and `Told` are kept on disk (`KEPT`); the other events are shown once.
3. Answers (`Answer`) are for one person alone, have no number and never enter the log.
4. ``room`` is a room's key (``#lobby``), or a person's private inbox: ``@ann`` for a registered name, else ``@17``.
5. ``by`` is the id of the session that caused the event, 0 when unknown (read back from disk).
6. ``time`` is in seconds since 1970, UTC. It is for display only; it orders nothing.
7. The classes are frozen for type checkers only; these see all code that handles them. A check at run time would cost
   0.5 µs a message (measured), a tenth of the other Python work for it.
"""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from dataclasses import dataclass as noun
else:
    from dataclasses import dataclass

    def noun(*, frozen, slots):
        """Return a dataclass decorator. The class is frozen for type checkers only."""
        return dataclass(slots=slots, unsafe_hash=frozen)


@noun(frozen=True, slots=True)
class Said:
    """A message in a room."""

    seq: int
    time: float
    room: str
    author: str
    text: str
    by: int = 0


@noun(frozen=True, slots=True)
class Emoted:
    """An action in a room: ``/me waves``."""

    seq: int
    time: float
    room: str
    author: str
    text: str
    by: int = 0


@noun(frozen=True, slots=True)
class Whispered:
    """A private message that is not kept: its author or its recipient is a guest."""

    seq: int
    time: float
    room: str
    author: str
    to: str
    text: str
    by: int = 0


@noun(frozen=True, slots=True)
class Told(Whispered):
    """A private message between registered names. It is kept, and waits for a recipient who is away."""


@noun(frozen=True, slots=True)
class Noticed:
    """An automated notice to a room, or to one person. It is not kept and must not be answered."""

    seq: int
    time: float
    room: str
    author: str
    to: str  # the room, or the recipient
    text: str
    by: int = 0


@noun(frozen=True, slots=True)
class Joined:
    """A person joined a room; ``here`` people are in it now."""

    seq: int
    time: float
    room: str
    name: str
    here: int
    by: int = 0


@noun(frozen=True, slots=True)
class Left:
    """A person left a room; ``here`` people remain. ``reason`` may be empty. ``quit``: they have left the chat."""

    seq: int
    time: float
    room: str
    name: str
    here: int
    reason: str = ""
    quit: bool = False
    by: int = 0


@noun(frozen=True, slots=True)
class Kicked:
    """A person was removed by an operator; ``here`` people remain. ``reason`` may be empty."""

    seq: int
    time: float
    room: str
    name: str
    here: int
    operator: str
    reason: str = ""
    by: int = 0


@noun(frozen=True, slots=True)
class Renamed:
    """A person changed their name."""

    seq: int
    time: float
    room: str
    name: str
    new: str
    by: int = 0


@noun(frozen=True, slots=True)
class TopicSet:
    """A room's topic was set; an empty topic means that it was cleared."""

    seq: int
    time: float
    room: str
    name: str
    topic: str
    by: int = 0


@noun(frozen=True, slots=True)
class Changed:
    """An operator changed a room's policy or people's rights there: ``name`` did ``what``.

    ``changes`` says the same for programs: ``+`` or ``-``, a member of `records.Policy` (or ``bans``), and a value:
    a name, a mask, a number, or nothing. A room's key is not included.
    """

    seq: int
    time: float
    room: str
    name: str
    what: str
    changes: tuple[tuple[str, str, str], ...] = ()
    by: int = 0


@noun(frozen=True, slots=True)
class Described:
    """A change to a person in a room. ``what`` is one of four words:

    ``away`` (with None: back), ``account`` (with None: none any more), ``about`` (their description of themselves), or
    ``invited`` (a person whom they invited).
    """

    seq: int
    time: float
    room: str
    name: str
    what: str
    value: str | None = None
    by: int = 0


@noun(frozen=True, slots=True)
class Deleted:
    """An operator removed the text of message ``target`` from the history."""

    seq: int
    time: float
    room: str
    name: str
    target: int
    by: int = 0


@noun(frozen=True, slots=True)
class Notice:
    """A message of the server to a whole room."""

    seq: int
    time: float
    room: str
    text: str
    by: int = 0


@noun(frozen=True, slots=True)
class Welcome:
    """The answer to a new name. ``log`` is the id of the log of all numbers; ``commands`` pairs each command with its usage."""

    name: str
    log: str
    motd: tuple[str, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()


@noun(frozen=True, slots=True)
class Receipt:
    """The receipt of a message that has its number and is on disk. With ``kept`` false, it was shown but is not in the history.

    ``stored`` is the message's text if it was altered: see `core.text.sanitize.altered`.
    """

    seq: int
    room: str
    text: str
    kept: bool
    id: str | None = None
    stored: str | None = None


@noun(frozen=True, slots=True)
class People:
    """The people in a room, in alphabetical order, and its topic. ``arriving``: the person has just joined.

    ``how``, if asked for, gives each person's protocol and whether they are away.
    """

    room: str
    names: tuple[str, ...]
    topic: str = ""
    arriving: bool = False
    how: tuple[str, ...] = ()


@noun(frozen=True, slots=True)
class RoomSummary:
    """A room in a list: the number of ``people`` in it, and whether the person is one of them (``mine``)."""

    room: str
    people: int
    topic: str
    mine: bool


@noun(frozen=True, slots=True)
class RoomList:
    """The list of rooms."""

    rooms: tuple[RoomSummary, ...]


@noun(frozen=True, slots=True)
class History:
    """Earlier messages, oldest first. ``today`` is the time of the request, for day marks.

    ``mark`` is the number up to which the person had read when they left, 0 if unknown; ``missed`` is the number of
    messages since.
    """

    room: str
    events: "tuple[KeptEvent, ...]"
    today: float
    mark: int = 0
    missed: int = 0


@noun(frozen=True, slots=True)
class Found:
    """The results of a search, oldest first. With ``more``, there are earlier ones."""

    events: "tuple[KeptEvent, ...]"
    today: float
    more: bool = False


@noun(frozen=True, slots=True)
class Help:
    """The help on commands: one pair (usage, explanation) per command."""

    entries: tuple[tuple[str, str], ...]


@noun(frozen=True, slots=True)
class Whois:
    """A person who is here. ``idle`` is in seconds; ``address`` is for operators only; ``away`` is None if they are not away.

    ``about`` is their description of themselves; ``host`` stands for their address in masks.
    """

    name: str
    registered: bool
    rooms: tuple[str, ...]
    idle: float
    protocol: str
    encrypted: bool
    away: str | None = None
    address: str | None = None
    about: str = ""
    host: str = ""


@noun(frozen=True, slots=True)
class Invited:
    """An invitation into a room, from ``name`` to ``whom``."""

    room: str
    name: str
    whom: str


@noun(frozen=True, slots=True)
class Listing:
    """A table: its subject (``bans``), the titles of its columns, and its rows."""

    of: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@noun(frozen=True, slots=True)
class Remark:
    """One sentence of the server to one person."""

    text: str


@noun(frozen=True, slots=True)
class Refused:
    """The refusal of a request that cannot be done, or needs a secret."""

    code: str
    text: str
    id: str | None = None
    prompt: str | None = None  # asks for a secret, which the next ``answer`` must be


@noun(frozen=True, slots=True)
class Done:
    """The confirmation that the request with this id is done. For programs; people see the effect."""

    id: str


@noun(frozen=True, slots=True)
class Pong:
    """The confirmation that all earlier requests are done."""


Spoken: TypeAlias = Said | Emoted
KeptEvent: TypeAlias = Said | Emoted | Told
RoomEvent: TypeAlias = (
    Said
    | Emoted
    | Told
    | Whispered
    | Noticed
    | Joined
    | Left
    | Kicked
    | Renamed
    | TopicSet
    | Changed
    | Described
    | Deleted
    | Notice
)
Answer: TypeAlias = (
    Welcome | Receipt | People | RoomList | History | Found | Help | Whois | Invited | Listing | Remark | Refused | Done | Pong
)
Event: TypeAlias = RoomEvent | Answer

KEPT = (Said, Emoted, Told)
IN_ROOMS = (Said, Emoted)  # the kept events that are not private
KIND_OF: dict[type, str] = {Said: "said", Emoted: "emoted", Told: "told"}  # the names of kept events in the log
DELETED = "(deleted)"  # replaces a deleted text
