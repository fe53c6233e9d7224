"""What a person can be told: frozen nouns.

1. Events of a room (`RoomEvent`) stand in the log. Their ``seq`` is the one order everybody sees.
2. Of these only `Said`, `Emoted` and `Told` are kept on disk (`KEPT`); the others pass between them.
3. Answers (`Answer`) concern one person alone, have no number and never enter the log.
4. ``room`` is a room's key (``#lobby``), or an inbox, which nobody else reads: ``@ann`` of a registered name, else ``@17``.
5. ``by`` is the id of the session that caused the event, 0 when unknown (read back from disk).
6. ``time`` is in seconds since 1970, UTC. It is shown; nothing is ordered by it.
7. They are frozen for the type checker, which sees all that handles them. Python's own check would cost each message 0.5 µs
   (measured), a tenth of what else is done for it in Python.
"""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from dataclasses import dataclass as noun
else:
    from dataclasses import dataclass

    def noun(*, frozen, slots):
        """A dataclass, made frozen by nobody but who reads it."""
        return dataclass(slots=slots, unsafe_hash=frozen)


@noun(frozen=True, slots=True)
class Said:
    """Somebody said something in a room."""

    seq: int
    time: float
    room: str
    author: str
    text: str
    by: int = 0


@noun(frozen=True, slots=True)
class Emoted:
    """Somebody did something: ``/me waves``."""

    seq: int
    time: float
    room: str
    author: str
    text: str
    by: int = 0


@noun(frozen=True, slots=True)
class Whispered:
    """A private message that is not kept: one of the two is a guest."""

    seq: int
    time: float
    room: str
    author: str
    to: str
    text: str
    by: int = 0


@noun(frozen=True, slots=True)
class Told(Whispered):
    """A private message between registered names. It is kept, and waits for whoever is away."""


@noun(frozen=True, slots=True)
class Noticed:
    """What a program remarks in a room, or to one person: nobody is to answer it, and it is not kept."""

    seq: int
    time: float
    room: str
    author: str
    to: str  # the room, or who is told
    text: str
    by: int = 0


@noun(frozen=True, slots=True)
class Joined:
    """Somebody came in; ``here`` people are in the room now."""

    seq: int
    time: float
    room: str
    name: str
    here: int
    by: int = 0


@noun(frozen=True, slots=True)
class Left:
    """Somebody went; ``here`` people are left. ``reason`` may be empty. ``quit``: they have left the chat."""

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
    """Somebody was sent out by an operator; ``here`` people are left. ``reason`` may be empty."""

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
    """Somebody has another name from here on."""

    seq: int
    time: float
    room: str
    name: str
    new: str
    by: int = 0


@noun(frozen=True, slots=True)
class TopicSet:
    """A room has another topic; an empty one was taken away."""

    seq: int
    time: float
    room: str
    name: str
    topic: str
    by: int = 0


@noun(frozen=True, slots=True)
class Changed:
    """An operator has changed what may be done in a room, or who is who there: ``name`` did ``what``.

    ``changes`` says the same for programs: ``+`` or ``-``, a member of `records.Policy` (or ``bans``), and a value:
    a name, a mask, a number, or nothing. A room's key is not told.
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
    """Somebody in a room is ``away`` (or, with None, back), has an ``account`` (or none), is ``about`` something else, or
    has ``invited`` somebody.

    ``what`` is one of these four words.
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
    """An operator has taken the text of message ``target`` out of the history."""

    seq: int
    time: float
    room: str
    name: str
    target: int
    by: int = 0


@noun(frozen=True, slots=True)
class Notice:
    """The server tells a whole room something."""

    seq: int
    time: float
    room: str
    text: str
    by: int = 0


@noun(frozen=True, slots=True)
class Welcome:
    """You have a name now. ``log`` names the log the numbers belong to; ``commands`` pairs each command with its usage."""

    name: str
    log: str
    motd: tuple[str, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()


@noun(frozen=True, slots=True)
class Receipt:
    """Your message has its number, and is on disk. With ``kept`` false it was shown, but is not in the history.

    ``stored`` is its text if that is not what was sent: see `core.text.sanitize.altered`.
    """

    seq: int
    room: str
    text: str
    kept: bool
    id: str | None = None
    stored: str | None = None


@noun(frozen=True, slots=True)
class People:
    """Who is in a room, in alphabetical order, and what the room is about. ``arriving`` if you have just come in.

    ``how``, if asked for, says of each how they have come in and whether they are away.
    """

    room: str
    names: tuple[str, ...]
    topic: str = ""
    arriving: bool = False
    how: tuple[str, ...] = ()


@noun(frozen=True, slots=True)
class RoomSummary:
    """A room as it stands in a list: how many ``people`` are there, and whether you are one of them."""

    room: str
    people: int
    topic: str
    mine: bool


@noun(frozen=True, slots=True)
class RoomList:
    """The rooms there are."""

    rooms: tuple[RoomSummary, ...]


@noun(frozen=True, slots=True)
class History:
    """What was said before, oldest first. ``today`` is the time of asking, for day marks.

    ``mark`` is the number up to which you had read when you left, 0 if that is not known, and ``missed`` how many
    messages have come since.
    """

    room: str
    events: "tuple[KeptEvent, ...]"
    today: float
    mark: int = 0
    missed: int = 0


@noun(frozen=True, slots=True)
class Found:
    """What a search has found, oldest first. With ``more``, there is more before it."""

    events: "tuple[KeptEvent, ...]"
    today: float
    more: bool = False


@noun(frozen=True, slots=True)
class Help:
    """How commands are used: (usage, what it does), one pair a command."""

    entries: tuple[tuple[str, str], ...]


@noun(frozen=True, slots=True)
class Whois:
    """Somebody who is here. ``idle`` is in seconds; ``address`` is for operators only; ``away`` is None if they are not.

    ``about`` is what they say of themselves; ``host`` stands for their address in masks.
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
    """``name`` invites you, ``whom``, into a room."""

    room: str
    name: str
    whom: str


@noun(frozen=True, slots=True)
class Listing:
    """A table: what it lists (``bans``), what its columns are called, and its rows."""

    of: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@noun(frozen=True, slots=True)
class Remark:
    """The server tells you alone something, in one sentence."""

    text: str


@noun(frozen=True, slots=True)
class Refused:
    """What you asked for can't be done, or not without a secret."""

    code: str
    text: str
    id: str | None = None
    prompt: str | None = None  # asks for a secret, which the next ``answer`` is


@noun(frozen=True, slots=True)
class Done:
    """What you asked for under this id is done. For programs; people see what happened."""

    id: str


@noun(frozen=True, slots=True)
class Pong:
    """Everything you asked for before this has been worked off."""


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
IN_ROOMS = (Said, Emoted)  # what is not private of it
KIND_OF: dict[type, str] = {Said: "said", Emoted: "emoted", Told: "told"}  # as it stands in the log
DELETED = "(deleted)"  # stands where a text was
