"""An event as lines of human text. Used for terminals of every kind, and by the bundled client.

1. What people say stands behind ``[12:01] <Simran>``. What the server tells everybody begins with ``* ``, what it tells
   you alone with ``-> ``: nothing a person types comes to stand at the start of a line.
2. Times are those of this machine's time zone.
3. Text was made safe when it came in; it is made safe here once more, whatever way it took.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from time import localtime, strftime

from twisted_chat.core.events import (
    Done,
    Emoted,
    Event,
    Help,
    History,
    Joined,
    Left,
    Notice,
    People,
    Pong,
    Receipt,
    Refused,
    Remark,
    Renamed,
    RoomEvent,
    RoomList,
    Said,
    Told,
    TopicSet,
    Welcome,
)
from twisted_chat.core.text import clean

GREETING = "Welcome to the chat server! What's your name?"


def stamp(time: float) -> str:
    """``12:01``, of seconds since 1970."""
    return strftime("%H:%M", localtime(time))


def day(time: float) -> str:
    """``Monday 23 November 2026``, of seconds since 1970."""
    return strftime("%A %-d %B %Y", localtime(time))


def lines(event: Event, *, marked: bool = False, paint: Callable[[str], str] = str) -> Iterator[str]:
    """An event as lines, without line ends. Most events are one; some are none, some several.

    ``marked`` names the room on each line. ``paint`` may colour a person's name.
    """
    at = f"{event.room} " if marked and isinstance(event, RoomEvent) else ""
    match event:
        case Said():
            yield f"[{stamp(event.time)}] {at}<{paint(event.author)}> {event.text}"
        case Emoted():
            yield f"[{stamp(event.time)}] {at}* {paint(event.author)} {event.text}"
        case Told():
            yield f"[{stamp(event.time)}] <{paint(event.author)} -> {paint(event.to)}> {event.text}"
        case Joined():
            yield f"* {at}{paint(event.name)} joined ({event.here} here)"
        case Left():
            reason = f": {event.reason}" if event.reason else ""
            yield f"* {at}{paint(event.name)} left ({event.here} here){reason}"
        case Renamed():
            yield f"* {at}{event.name} is now {paint(event.new)}"
        case TopicSet():
            yield f"* {at}{paint(event.name)} set the topic: {event.topic}"
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
            if len(event.names) != 1 or not event.arriving:  # who comes into an empty room is told by the receipts
                yield f"-> In {event.room}: {', '.join(event.names) or 'nobody'}"
            if event.topic:
                yield f"-> {event.room} is about: {event.topic}"
        case RoomList():
            for room in event.rooms:
                with_you = " with you" if room.mine else ""
                yield f"-> {room.room}, {room.people} here{with_you}" + (f": {room.topic}" if room.topic else "")
        case History():
            yield from _history(event)
        case Help():
            width = max((len(usage) for usage, _ in event.entries), default=0)
            yield from (f"-> {usage:{width}}  {explanation}" for usage, explanation in event.entries)
        case Remark() | Refused():
            yield f"-> {event.text}"
        case Done() | Pong():
            pass


def _history(event: History) -> Iterator[str]:
    if not event.events:
        yield f"-> Nothing was said in {event.room} yet."
    today = shown = day(event.today)
    for said in event.events:
        if day(said.time) != shown:
            shown = day(said.time)
            yield f"-> {shown}"
        yield from lines(said)
    if shown != today:
        yield f"-> {today}"


@dataclass(frozen=True, slots=True)
class Plain:
    """The dialect of terminals without colour. ``marked`` names the room on each line."""

    marked: bool = False

    def render(self, events: Iterable[Event]) -> bytes:
        """The events as UTF-8 lines that end in CR LF, as telnet has it (RFC 854)."""
        return b"".join(clean(line).encode() + b"\r\n" for event in events for line in lines(event, marked=self.marked))

    def echoes(self, event: RoomEvent) -> bool:
        """A terminal shows what is typed on it; that one came in is said by the greeting."""
        return not isinstance(event, Said | Emoted | Joined)


PLAIN = Plain()
PLAIN_ASIDE = Plain(marked=True)


def sentence(text: str) -> bytes:
    """One line of the server's own, for those who are not a session yet or no longer."""
    return PLAIN.render([Remark(text)])
