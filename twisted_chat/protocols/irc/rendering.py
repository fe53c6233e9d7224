"""Events as lines of IRC, for all clients with the same capabilities.

1. Lines that are the same for all of these clients are rendered here, once. A client's own connection shows the client's
   own actions, at once and with a label; only private messages to oneself come back this way.
2. Tags follow the capabilities exactly: a client with ``server-time`` alone is sent ``time`` alone.
3. A message's id is its sequence number. A message that is too long for a line becomes several; the first has the id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from twisted_chat.core.delivery.batch import Unstyled
from twisted_chat.core.events import (
    Changed,
    Deleted,
    Described,
    Emoted,
    Event,
    Joined,
    Kicked,
    Left,
    Notice,
    Noticed,
    Renamed,
    RoomEvent,
    Said,
    TopicSet,
    Whispered,
)
from twisted_chat.protocols.irc.channel_modes import mode_changes
from twisted_chat.protocols.irc.users import People
from twisted_chat.protocols.irc.wire.message import (
    LONGEST,
    action,
    beginning,
    format_body,
    format_tags,
    format_text,
    pieces,
    space_for_text,
)
from twisted_chat.protocols.irc.wire.modes import format_modes, in_lines
from twisted_chat.protocols.irc.wire.parameters import format_time, milliseconds

# The most modes with a word in one MODE.
MODES_AT_ONCE = 6
# The capabilities that change the rendering of events.
SHARED = frozenset(
    [
        "account-notify",
        "account-tag",
        "away-notify",
        "extended-join",
        "invite-notify",
        "message-tags",
        "server-time",
        "setname",
    ]
)

Line = tuple[Mapping[str, str], bytes]


@dataclass(frozen=True, slots=True)
class Irc(Unstyled):
    """The dialect of IRC clients with these capabilities, out of `SHARED`."""

    people: People = field(compare=False, repr=False)
    caps: frozenset[str] = frozenset()

    def echoes(self, event: RoomEvent) -> bool:
        """Return True for private messages only: the author's own connection shows everything else."""
        return isinstance(event, Whispered) or (isinstance(event, Noticed) and not event.to.startswith("#"))

    def pieces(self, events: Sequence[Event]) -> list[bytes]:
        """Return each event's lines. Each connection itself sends the events that belong to no room.

        The most common event is an ASCII message without tags: it takes the shortest path.
        """
        done: list[bytes] = []
        begun: dict[tuple[str, str], bytes] = {}
        for event in events:
            if type(event) is Said and not self.caps and event.text.isascii() and event.text.isprintable():
                start = begun.get((event.author, event.room))
                if start is None:
                    start = beginning(self.people.source(event.author), "PRIVMSG", event.room)
                    begun[event.author, event.room] = start
                line = start + event.text.encode() + b"\r\n"
                if len(line) <= LONGEST + len(b"\r\n"):
                    done.append(line)
                    continue
            done.append(b"".join(format_tags(tags) + body for tags, body in self.lines(event)))
        return done

    def tags(self, name: str, time: float, seq: int = 0) -> dict[str, str]:
        """Return the tags of an action by ``name``; with ``seq``, of a message."""
        tags: dict[str, str] = {}
        if "server-time" in self.caps:
            tags["time"] = format_time(milliseconds(time))
        if "message-tags" in self.caps:
            if seq:
                tags |= self.people.client_tags.get(seq, {})
                tags["msgid"] = str(seq)
            if self.people.is_bot(name):
                tags["bot"] = ""
        if "account-tag" in self.caps:
            account = self.people.account(name)
            if account:
                tags["account"] = account
        return tags

    def lines(self, event: Event) -> Iterator[Line]:
        """Yield an event as lines: tags, and the rest."""
        match event:
            case Said():
                yield from self._message(event, event.room, event.text, "PRIVMSG")
            case Emoted():
                yield from self._message(event, event.room, event.text, "PRIVMSG", acting=True)
            case Whispered():
                yield from self._message(event, event.to, event.text, "PRIVMSG")
            case Noticed():
                yield from self._message(event, event.to, event.text, "NOTICE")
            case Joined():
                yield self._by(event.name, event, "JOIN", event.room, *self._joiner(event.name))
                session = self.people.here(event.name)
                if "away-notify" in self.caps and session is not None and session.away is not None:
                    yield self._by(event.name, event, "AWAY", session.away)
            case Left(quit=True):
                yield self._by(event.name, event, "QUIT", event.reason)
            case Left():
                yield self._by(event.name, event, "PART", event.room, *([event.reason] if event.reason else []))
            case Kicked():
                yield self._by(event.operator, event, "KICK", event.room, event.name, event.reason or event.operator)
            case Renamed():
                if event.name != event.new:
                    yield self._by(event.name, event, "NICK", event.new)
            case TopicSet():
                yield self._by(event.name, event, "TOPIC", event.room, event.topic)
            case Changed():
                yield from self.mode_lines(event, [event])
            case Described():
                yield from self._described(event)
            case Deleted():
                yield self._told(event, event.room, f"{event.name} has deleted message {event.target}.")
            case Notice():
                yield self._told(event, event.room, event.text)

    def mode_lines(self, by: Changed, events: Iterable[Changed]) -> Iterator[Line]:
        """Yield one user's changes of a room in as few MODE lines as possible; a change that is no mode is a NOTICE."""
        source = self.people.source(by.name)
        changes = [change for event in events for change in mode_changes(event)]
        space = LONGEST - len(f":{source} MODE {by.room} ".encode())
        for group in in_lines(changes, MODES_AT_ONCE, space):
            yield self._by(by.name, by, "MODE", by.room, *format_modes(group))
        for event in events:
            if not any(mode_changes(event)):
                yield self._told(event, event.room, f"{event.name} {event.what}.")

    def _joiner(self, name: str) -> list[str]:
        if "extended-join" not in self.caps:
            return []
        session = self.people.here(name)
        return [self.people.account(name) or "*", self.people.about(session) if session else name]

    def _described(self, event: Described) -> Iterator[Line]:
        match event.what:
            case "away" if "away-notify" in self.caps:
                yield self._by(event.name, event, "AWAY", *([] if event.value is None else [event.value]))
            case "account" if "account-notify" in self.caps:
                yield self._by(event.name, event, "ACCOUNT", event.value or "*")
            case "about" if "setname" in self.caps:
                yield self._by(event.name, event, "SETNAME", event.value or event.name)
            case "invited" if "invite-notify" in self.caps:
                yield self._by(event.name, event, "INVITE", event.value or "*", event.room)

    def _message(
        self, event: Said | Emoted | Whispered | Noticed, to: str, text: str, command: str, *, acting: bool = False
    ) -> Iterator[Line]:
        source = self.people.source(event.author)
        tags = self.tags(event.author, event.time, event.seq)
        space = space_for_text(source, command, to) - (len(action("")) if acting else 0)
        for piece in pieces(text, space) if len(text) * 4 > space else (text,):
            yield tags, format_text(source, command, to, action(piece) if acting else piece)
            if "msgid" in tags:
                tags = {key: value for key, value in tags.items() if key != "msgid"}

    def _by(self, name: str, event: RoomEvent, command: str, *params: str) -> Line:
        return self.tags(name, event.time), format_body(self.people.source(name), command, params)

    def _told(self, event: RoomEvent, to: str, text: str) -> Line:
        tags = {"time": format_time(milliseconds(event.time))} if "server-time" in self.caps else {}
        return tags, format_body(self.people.server, "NOTICE", (to, text))
