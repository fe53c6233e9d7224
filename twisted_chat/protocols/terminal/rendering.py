"""A renderer of events as lines of text, for terminals of every kind and for the bundled client.

1. Users' messages stand behind ``[12:01] <Simran>``. The server's messages to everybody begin with ``* ``, and its replies
   to one user with ``-> ``. A user's text never begins a line, nor, thanks to `protocols.terminal.wrapping`, a row of the
   terminal.
2. Times are in this machine's time zone.
3. Text is sanitized on input, and again here.
"""

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import zip_longest
from time import localtime, strftime

from twisted_chat.core.delivery.batch import Dialect
from twisted_chat.core.events import (
    Changed,
    Deleted,
    Described,
    Done,
    Emoted,
    Event,
    Found,
    Help,
    History,
    Invited,
    Joined,
    KeptEvent,
    Kicked,
    Left,
    Listing,
    Notice,
    Noticed,
    People,
    Pong,
    Receipt,
    Refused,
    Remark,
    Renamed,
    RoomEvent,
    RoomList,
    Said,
    TopicSet,
    Welcome,
    Whispered,
    Whois,
)
from twisted_chat.core.text.durations import words
from twisted_chat.core.text.sanitize import clean
from twisted_chat.core.users.settings import Settings
from twisted_chat.protocols.terminal.wrapping import ENDLESS, GUTTER, UNKNOWN, all_fit, fits, rows

# Messages; the events that the user's own terminal shows already; and events with text of the server only. They are tuples:
# `isinstance` takes several times as long to create a union of types as to search one.
MESSAGES, SHOWN, OURS = (Said, Emoted, Whispered, Noticed), (Said, Emoted, Noticed, Joined), (Help, Refused)

GREETING = "Welcome to the chat server! What's your name?"


def stamp(time: float) -> str:
    """Return seconds since 1970 as ``12:01``."""
    return _minute(int(time // 60))


@lru_cache(maxsize=1024)
def _minute(minute: int) -> str:
    return strftime("%H:%M", localtime(minute * 60))


def day(time: float) -> str:
    """Return seconds since 1970 as ``Monday 23 November 2026``."""
    return strftime("%A %-d %B %Y", localtime(time))


def said_line(when: str, at: str, author: str, text: str) -> str:
    """Return a message as one line. ``when`` is a `stamp`; ``at`` is the room and a blank, or empty."""
    return f"[{when}] {at}<{author}> {text}"


def lines(event: Event, *, marked: bool = False, paint: Callable[[str], str] = str) -> Iterator[str]:
    """Yield the lines of an event, without line ends. Most events have one line; some have none, some several.

    ``marked`` names the room on each line. ``paint`` may colour a user's name.
    """
    at = f"{event.room} " if marked and isinstance(event, RoomEvent) else ""
    match event:
        case Said():
            yield said_line(stamp(event.time), at, paint(event.author), event.text)
        case Emoted():
            yield f"[{stamp(event.time)}] {at}* {paint(event.author)} {event.text}"
        case Whispered():
            yield f"[{stamp(event.time)}] <{paint(event.author)} -> {paint(event.to)}> {event.text}"
        case Noticed():
            if event.to.startswith("#"):
                yield f"[{stamp(event.time)}] {at}-{paint(event.author)}- {event.text}"
            else:
                yield f"[{stamp(event.time)}] -{paint(event.author)} -> {paint(event.to)}- {event.text}"
        case Joined():
            yield f"* {at}{paint(event.name)} joined ({event.here} here)"
        case Left():
            reason = f": {event.reason}" if event.reason else ""
            yield f"* {at}{paint(event.name)} left ({event.here} here){reason}"
        case Kicked():
            reason = f": {event.reason}" if event.reason else ""
            yield f"* {at}{event.operator} sent {paint(event.name)} out ({event.here} here){reason}"
        case Renamed():
            yield f"* {at}{event.name} is now {paint(event.new)}"
        case TopicSet():
            yield f"* {at}{paint(event.name)} set the topic: {event.topic}"
        case Changed():
            yield f"* {at}{paint(event.name)} {event.what}"
        case Deleted():
            yield f"* {at}{paint(event.name)} deleted message {event.target}"
        case Notice():
            yield f"* {at}{event.text}"
        case Welcome():
            yield f"Hello {event.name}, you are now connected!"
            yield from (f"-> {line}" for line in event.motd)
        case Receipt(kept=True):
            yield f"Server: I received your message - '{event.text}'"
        case Receipt():
            yield f"-> Your message was shown, but not kept: '{event.text}'"
        case People():
            if len(event.names) != 1 or not event.arriving:  # a user who joins an empty room learns that from the receipts
                ways = zip_longest(event.names, event.how, fillvalue="")
                people = (name + (f" ({way})" if way else "") for name, way in ways)
                yield f"-> In {event.room}: {', '.join(people) or 'nobody'}"
            if event.topic:
                yield f"-> {event.room} is about: {event.topic}"
        case RoomList():
            for room in event.rooms:
                with_you = " with you" if room.mine else ""
                yield f"-> {room.room}, {room.people} here{with_you}" + (f": {room.topic}" if room.topic else "")
        case History():
            yield from _history(event)
        case Found():
            yield from _found(event)
        case Whois():
            yield from _whois(event)
        case Invited():
            yield f"-> {event.name} invites you to {event.room}: /join {event.room}"
        case Listing():
            yield from _table(event)
        case Help():
            width = max((len(usage) for usage, _ in event.entries), default=0)
            yield from (f"-> {usage:{width}}  {explanation}" for usage, explanation in event.entries)
        case Remark() | Refused():
            yield f"-> {event.text}"
        case Described() | Done() | Pong():
            pass


def _history(event: History) -> Iterator[str]:
    if not event.events:
        yield f"-> Nothing was said in {event.room} yet."
    marked = not event.missed
    if event.missed > len(event.events):
        yield f"-> {event.missed} messages since you left: /since shows them"
        marked = True
    for said, line in _dated(event.events, event.today):
        if not marked and said is not None and said.seq > event.mark:
            marked = True
            yield f"-> {event.missed} message{'s' if event.missed > 1 else ''} since you left:"
        yield line


def _found(event: Found) -> Iterator[str]:
    if not event.events:
        yield "-> Nothing was found."
    elif event.more:
        yield f"-> There is more before these: add before:{event.events[0].seq}"
    for said, line in _dated(event.events, event.today):
        yield f"{said.room} {line}" if said is not None else line


def _dated(said: Iterable[KeptEvent], now: float) -> Iterator[tuple[KeptEvent | None, str]]:
    """Yield messages with their lines, and a line with the date wherever the date changes."""
    today = shown = day(now)
    for event in said:
        if day(event.time) != shown:
            shown = day(event.time)
            yield None, f"-> {shown}"
        for line in lines(event):
            yield event, line
    if shown != today:
        yield None, f"-> {today}"


def _whois(event: Whois) -> Iterator[str]:
    yield f"-> {event.name}, {'a registered name' if event.registered else 'a guest'}"
    yield f"-> in {', '.join(event.rooms) or 'no room you can see'}"
    yield f"-> by {event.protocol}, {'encrypted' if event.encrypted else 'not encrypted'}, silent for {words(event.idle)}"
    if event.about:
        yield f"-> about themselves: {event.about}"
    if event.address is not None:
        yield f"-> from {event.address}"
    if event.host:
        yield f"-> host {event.host}"
    if event.away is not None:
        yield f"-> away{': ' + event.away if event.away else ''}"


def _table(event: Listing) -> Iterator[str]:
    if not event.rows:
        yield f"-> There are no {event.of}."
        return
    widths = [max(map(len, column)) for column in zip_longest(*event.rows, fillvalue="")]
    for row in event.rows:
        yield "-> " + "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)).rstrip()


# Colours of names, readable on dark and light backgrounds (SGR codes, ECMA-48).
COLOURS = (31, 32, 33, 34, 35, 36, 91, 92, 94, 95)


def colour_of(name: str) -> int:
    """Return the colour of a name: the same for all readers, and for upper and lower case."""
    return COLOURS[zlib.crc32(name.casefold().encode()) % len(COLOURS)]


# The step in columns to which widths of terminals are rounded down.
WIDTH_STEP = 10

MARK = "\x00"  # encloses a name and its colour while text is sanitized; clean text never contains it
_PAINTED = re.compile(f"{MARK}({'|'.join(map(str, COLOURS))}){MARK}([^{MARK}]*){MARK}{MARK}")


def painted(text: str) -> str:
    """Return a name between marks that `terminal_text` turns into the name's colour."""
    return f"{MARK}{colour_of(text)}{MARK}{text}{MARK}{MARK}"


def terminal_text(line: str) -> str:
    """Return a rendered line, sanitized and with its colours. Marks in a server's text can only add a colour."""
    pieces = _PAINTED.split(line)
    shown = [_safe(pieces[0])]
    for colour, name, rest in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
        shown.append(f"\x1b[{colour}m{_safe(name)}\x1b[0m{_safe(rest)}")
    return "".join(shown)


def _safe(piece: str) -> str:
    """Return a piece of a line, sanitized, with the blanks at its end."""
    return clean(piece + ".")[:-1]


@dataclass(frozen=True, slots=True)
class Plain:
    """The dialect of terminals. ``marked`` names the room on each line; most other fields are the user's settings.

    ``columns`` is the width at which lines are folded: the terminal's width, or `UNKNOWN`, or `ENDLESS`.
    """

    marked: bool = False
    columns: int = UNKNOWN
    stamps: bool = True
    colour: bool = False
    quiet: bool = False
    numbers: bool = False
    bell: str = "off"
    named: bool = False  # the message names the reader
    typed: bool = True  # the reader's own messages are on the screen already, as typed
    usual: bool = field(init=False, compare=False)  # no setting changes a line of text

    def __post_init__(self) -> None:
        object.__setattr__(self, "usual", self.stamps and not (self.colour or self.numbers) and self.bell == "off")

    @property
    def alerts(self) -> bool:
        """True if messages that name the reader are highlighted."""
        return self.named

    def styled(self, settings: Settings, name: str) -> Dialect:
        """Return the dialect for these settings."""
        return _shared(
            Plain(
                columns=self.columns if settings.fold == "on" else ENDLESS,
                stamps=settings.stamps == "on",
                colour=settings.colour == "on",
                quiet=settings.quiet == "on",
                numbers=settings.numbers == "on",
                bell=settings.bell,
                typed=self.typed,
                named=settings.bell == "mention" or settings.colour == "on",
            )
        )

    def at_width(self, columns: int) -> "Plain":
        """Return this dialect for a terminal of this width, rounded down: a room with many widths needs few renderings."""
        return _shared(replace(self, columns=columns - columns % WIDTH_STEP))

    def aside(self) -> Dialect:
        """Return this dialect for rooms other than the current one."""
        return _shared(replace(self, marked=True))

    def unalarmed(self) -> Dialect:
        """Return this dialect for messages that do not name the reader."""
        return _shared(replace(self, named=False))

    def render(self, events: Sequence[Event]) -> bytes:
        """Return the events as UTF-8 lines that end in CR LF, as in telnet (RFC 854)."""
        return b"".join(self.pieces(events))

    def pieces(self, events: Sequence[Event]) -> list[bytes]:
        """Return each event's lines. Messages in ASCII that fit one row, the most common case, take a fast path."""
        if self.usual:
            lines = self._said(events)
            if all_fit(lines, self.columns):
                return "\r\n".join([*lines, ""]).encode().splitlines(keepends=True)
        return [b"".join(self._line(event, line).encode() + b"\r\n" for line in self._lines(event)) for event in events]

    def _said(self, events: Sequence[Event]) -> list[str]:
        """Return a line for each event if all are messages of type `Said`, or else no lines."""
        said: list[str] = []
        minute, when = -1.0, ""
        for event in events:
            if type(event) is not Said:
                return []
            if event.time // 60 != minute:
                minute, when = event.time // 60, stamp(event.time)
            said.append(said_line(when, f"{event.room} " if self.marked else "", event.author, event.text.rstrip()))
        return said

    def echoes(self, event: RoomEvent) -> bool:
        """Return False for events that the user sees already: a terminal shows typed text, and the greeting shows a join."""
        return not isinstance(event, SHOWN if self.typed else Joined)

    def _lines(self, event: Event) -> Iterator[str]:
        if self.quiet and isinstance(event, Joined | Left | Renamed):
            return iter(())
        return lines(event, marked=self.marked, paint=painted if self.colour else str)

    def _line(self, event: Event, line: str) -> str:
        if not isinstance(event, MESSAGES):
            return self._folded(event, terminal_text(line) if self.colour else clean(line))
        if not self.stamps and line.startswith("["):
            line = line.partition("] ")[2]
        if self.numbers:
            line = f"{event.seq} {line}"
        line = self._folded(event, terminal_text(line) if self.colour else clean(line))
        if self.colour and self.named:
            line = f"\x1b[1m{line}\x1b[0m"
        if self.bell == "all" or (self.bell == "mention" and self.named):
            line += "\a"
        return line

    def _folded(self, event: Event, line: str) -> str:
        """Return a line as rows. The original's receipt stays whole, and so do the server's own lines if no width is known."""
        if fits(line, self.columns) or isinstance(event, Receipt) or (self.columns == UNKNOWN and isinstance(event, OURS)):
            return line
        return f"\r\n{GUTTER}".join(rows(line, self.columns))


PLAIN = Plain()


@lru_cache(maxsize=1024)
def _shared(dialect: Plain) -> Plain:
    """Return one shared object for all equal dialects. Rendering is faster for a reader with the previous reader's object."""
    return dialect


def sentence(text: str) -> bytes:
    """Return one line of the server, for a client without a session."""
    return PLAIN.render([Remark(text)])
