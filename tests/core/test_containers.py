"""Everything that grows has a bound, by person and by server; a flood exceeds none, and no message costs more after it.

To add a container to the server: add its row below, with what bounds it. The test fails on any that has none.
"""

import random
import sys
from collections.abc import Callable
from typing import Any

from hypothesis import Phase, given, seed, settings
from hypothesis import strategies as st
from object_graph import containers
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure

from twisted_chat.config import Config
from twisted_chat.core.commands import ignore, invitations, room_settings, ssh_keys
from twisted_chat.core.commands import tokens as token_commands
from twisted_chat.core.hub import hub
from twisted_chat.core.logins import attempts, failures, turns
from twisted_chat.core.rate_limits import MOST_REMEMBERED
from twisted_chat.core.records import CLAIMED, Account, RoomRecord, Token
from twisted_chat.core.rooms import closed_rooms, endings, shut_out
from twisted_chat.core.rooms.bans import MOST_IN_ROOMS, MOST_ON_SERVER
from twisted_chat.core.users.registry import MOST_HELD
from twisted_chat.core.users.session import MOST_KEPT_INVITATIONS, MOST_KNOWN
from twisted_chat.protocols import connection
from twisted_chat.protocols.detect import no_room
from twisted_chat.protocols.detect.detector import BROWSERS
from twisted_chat.protocols.irc import users, welcome
from twisted_chat.protocols.irc.connection import MOST_MARKS
from twisted_chat.testing import BUFFER_SIZE, Chat, Client

CONFIG = Config(
    most_connections=400,
    per_address=30,
    unnamed_per_address=10,
    most_rooms=40,
    most_accounts=12,
    rooms_a_person=6,
    owned_rooms=3,
    tail_bytes=64 * 1024,
    message_limit=400,
    operator=("Olga",),
)
CONNECTIONS, ROOMS, ACCOUNTS = 400, 40, 12
# A channel, an account's inbox, or a guest's; and those that have ended in this turn.
STREAMS = 2 * ROOMS + ACCOUNTS + CONNECTIONS
# What fits into the tail: an event costs some hundred bytes, however short its text. Two batches are there in any case.
EVENTS = CONFIG.tail_bytes // 100 + 2 * CONFIG.batch_bytes // 32
# The events of one turn: each connection has so many lines worked off, which each may be seen in as many rooms as one is in.
A_TURN = CONNECTIONS * connection.LINES_A_TURN * (CONFIG.rooms_a_person + 4)
WAITING = A_TURN + CONFIG.waiting_bytes // 400
NAMES = ACCOUNTS + CONNECTIONS + MOST_HELD + ROOMS * token_commands.MOST_TOKENS
RESTRICTIONS = MOST_ON_SERVER + MOST_IN_ROOMS
WINDOWS = 600  # as many as any `Often` of the configuration has

# By a container's class and attribute ("[]" is each container within): how many it may have, and by what that is bounded.
BOUNDS: dict[str, tuple[int, str]] = {
    # Connections
    "Frame.connections": (CONNECTIONS, "by address `per_address`; by server `most_connections`"),
    "ChatFactory.connections": (CONNECTIONS, "the same"),
    "Frame.undecided": (CONNECTIONS, "by address `unnamed_per_address`; by server a quarter of all"),
    "SshFactory.undecided": (CONNECTIONS, "the same"),
    "DetectorFactory.undecided": (CONNECTIONS, "the same"),
    "Gate._sources": (CONNECTIONS, "one for each address with a connection"),
    "Gate._named_there": (CONNECTIONS, "the same"),
    "Gate._idle": (CONNECTIONS, "the same"),
    "Gate._idle[]": (CONNECTIONS, "connections of one address"),
    "Gate.refused": (8, "reasons there are"),
    "NoRoom._waiting": (no_room.MOST_AT_ONCE, "by address `MOST_A_SOURCE`; by server `MOST_AT_ONCE`"),
    "DetectorFactory._browsers": (BROWSERS, "addresses; the earliest is forgotten"),
    "RefusalFactory._refused": (20, "protocols there are"),
    "Frame.refused": (20, "the same"),
    "LineSplitter._lines": (connection.READ_AHEAD, "bytes of one connection: `READ_AHEAD`"),
    "LineSplitter._buffer": (2 * connection.READ_AHEAD, "the same"),
    "WebChannel._dataBuffer": (64, "one connection's, not read on while it answers"),
    "WebChannel.requests": (4, "one connection's"),
    "WebRequest.*": (200, "one request's: twisted.web's bounds"),
    "SshTransport.*": (200, "one connection's: not read on while it is full"),
    "Telnet.*": (40, "one connection's options"),
    # People and their names
    "Hub.people": (CONNECTIONS, "people who are here"),
    "Admission._people": (CONNECTIONS, "the same"),
    "ClosedRooms._people": (CONNECTIONS, "the same"),
    "Grants._people": (CONNECTIONS, "the same"),
    "ClosedRooms._people[]": (CONFIG.devices, "connections of one name"),
    "Grants._people[]": (CONFIG.devices, "the same"),
    "Hub.people[]": (CONFIG.devices, "connections of one name"),
    "Admission._people[]": (CONFIG.devices, "the same"),
    "Hub.invited_visitors": (CONNECTIONS, "connections"),
    "Grants._visitors": (CONNECTIONS, "the same"),
    "Registry.accounts": (ACCOUNTS, "by address `registrations`; by server `most_accounts`"),
    "Registry._users": (4 * NAMES, "what the names look like that are registered, here, held, or bots'"),
    "Registry._users[]": (NAMES, "names that look alike: those of one person"),
    "Held.secrets": (2, "one chosen, one made here"),
    "Question.*": (10, "words of one command"),
    "Registry._held": (MOST_HELD, "dropped lines; the earliest is released"),
    "Registry.bots": (ROOMS * token_commands.MOST_TOKENS, "tokens"),
    "Hub._deserted": (hub.MOST_DESERTED, "the earliest is forgotten"),
    "Session.rooms": (CONFIG.rooms_a_person, "of one connection `rooms_a_person`"),
    "Session.positions": (CONFIG.rooms_a_person + 1, "its rooms and inbox"),
    "Session.held": (CONFIG.rooms_a_person + 1, "the same"),
    "Session.landing": (2 * CONFIG.rooms_a_person, "rooms of one `hello`, and those one is invited to"),
    "Session.ignores": (ignore.MOST_IGNORED, "of one person"),
    "Session.known": (MOST_KNOWN, "of one person; another gives way"),
    "Session.invited": (MOST_KEPT_INVITATIONS, "of one connection; another gives way"),
    "Session.secrets": (2, "one chosen, one made here"),
    "Session._when_settled": (connection.LINES_A_TURN, "what one connection's command waits for"),
    "Session.*": (40, "one connection's"),
    "Account.known": (MOST_KNOWN, "of one account"),
    "Account.ignores": (ignore.MOST_IGNORED, "of one account"),
    "Account.rooms": (CONFIG.rooms_a_person, "of one account"),
    "Account.read": (CONFIG.rooms_a_person + 1, "its rooms and inbox"),
    "Account.keys": (ssh_keys.MOST_KEYS, "of one account"),
    "Account.*": (40, "settings there are, and the latest sources"),
    # Rooms
    "Hub.rooms": (ROOMS, "by connection `rooms_a_person`; by server `most_rooms`"),
    "Access._rooms": (ROOMS, "the same"),
    "Grants._rooms": (ROOMS, "the same"),
    "Hub._streams": (STREAMS, "rooms and inboxes"),
    "Readers._streams": (STREAMS, "the same"),
    "Readers._early": (CONNECTIONS, "connections"),
    "Hub._renamed": (hub.MOST_RENAMED, "programs; the earliest is forgotten"),
    "Hub._renamed[]": (hub.MOST_EARLIER_NAMES, "names of one program"),
    "Hub._left": (2 * ROOMS, "rooms that may end with this turn"),
    "Hub.watchers": (8, "made at the start"),
    "Stream.readers": (CONNECTIONS, "connections in it"),
    "Room._here": (CONNECTIONS, "people in it"),
    "Room.entered": (CONNECTIONS, "people in it"),
    "Room.carried": (CONNECTIONS, "connections in it"),
    "Room.carried[]": (8 * shut_out.MOST_SPANS, "spans of one"),
    "Room.granted": (CONNECTIONS, "people in it"),
    "Room.voiced": (CONNECTIONS, "people in it"),
    "Room.spoken": (2 * CONNECTIONS + 101, "twice the people in it, and a hundred"),
    "RoomRecord.shut_out": (shut_out.MOST_ACCOUNTS + 1, "the earliest are one"),
    "RoomRecord.shut_out[]": (shut_out.MOST_SPANS, "the earliest are one"),
    "RoomRecord.shut_out[][]": (2, "the ends of one span"),
    "Room.carried[][]": (2, "the ends of one span"),
    "RoomRecord.guests": (closed_rooms.MOST_GUESTS, "of one room"),
    "RoomRecord.guests[]": (2, "secrets of one"),
    "Policy.operators": (room_settings.MOST_RAISED, "of one room"),
    "Policy.voices": (room_settings.MOST_RAISED, "of one room"),
    "Policy.invited": (invitations.MOST_INVITED, "of one room; the earliest is forgotten"),
    "Policy.invited_by": (invitations.MOST_INVITED, "the same"),
    "Policy.invited_by[]": (2, "of one"),
    "Policy.excepted": (room_settings.MOST_MASKS, "of one room"),
    "Policy.welcome": (room_settings.MOST_MASKS, "of one room"),
    "Endings.*": (endings.MOST_ENDINGS, "the earliest are forgotten"),
    "Hub.invitations": (
        invitations.MOST_INVITATIONS,
        "by person or address 50, by room 200; by server",
    ),
    "Grants._invitations": (invitations.MOST_INVITATIONS, "the same"),
    "Tokens._by_digest": (ROOMS * token_commands.MOST_TOKENS, "by room"),
    "MemoryRecords._deeds": (1000, "the earliest is forgotten"),
    "MemoryRecords._of_server": (1000, "the earliest is forgotten"),
    # What restricts
    "Sanctions.*": (RESTRICTIONS, "by room 100, by person 1,000; by server"),
    "Sanctions._of_room[]": (MOST_ON_SERVER, "of one room 100, of the whole server"),
    "RestrictionIndex.*": (RESTRICTIONS, "of one room and kind 100, of the whole server"),
    # What is counted
    "Window._times": (MOST_REMEMBERED + 1, "the earliest is forgotten"),
    "Window._times[]": (WINDOWS, "as many as the limit allows"),
    "Failures.*": (failures.MOST_REMEMBERED, "the least are forgotten"),
    "Attempts.*": (max(attempts.MOST_SOURCES, attempts.MOST_KNOWN, failures.MOST_REMEMBERED) + 1, "the least are forgotten"),
    "Entry.waiting": (attempts.MOST_WAITING + 1, "of one source at one subject"),
    "Turns.*": (CONNECTIONS + 1, "sources that wait"),
    "_Lane.*": (turns.MOST_WAITING + 1, "of one source"),
    # Messages
    "Tail._batches": (EVENTS, "`tail_bytes`"),
    "Tail._weights": (EVENTS, "the same"),
    "Tail._rooms": (EVENTS, "the same"),
    "Tail._rooms[]": (EVENTS, "the same"),
    "Tail._sent": (EVENTS, "the same"),
    "Batch.*": (EVENTS, "`batch_bytes`, and the messages of one room in one turn"),
    "Irc.*": (30, "capabilities there are"),
    "BatchingLog._turn": (A_TURN, "lines worked off in one turn"),
    "BatchingLog._fresh": (A_TURN, "the same"),
    "BatchingLog._open": (STREAMS, "rooms and inboxes"),
    "BatchingLog._unsettled": (WAITING, "`waiting_bytes`"),
    "BatchingLog._when_delivered": (2 * CONNECTIONS, "commands that wait, one a connection"),
    "Receipts._answers": (WAITING, "messages on their way to disk: `waiting_bytes`"),
    "Receipts._sessions": (CONNECTIONS, "connections"),
    "Changed.changes": (200, "of one event"),
    "Changed.changes[]": (3, "of one event"),
    # IRC
    "PeopleFactory._dialects": (2**9, "capabilities there are"),
    "PeopleFactory._dialects[]": (30, "capabilities there are"),
    "People.modes": (CONNECTIONS, "connections"),
    "People.watched": (CONNECTIONS * welcome.MOST_MONITORED, "of one connection 100"),
    "People.watched[]": (CONNECTIONS, "connections"),
    "People.reads": (users.MOST_READERS + ACCOUNTS, "accounts; of those that are gone the earliest is forgotten"),
    "People.reads[]": (MOST_MARKS, "of one account; the earliest is forgotten"),
    "People.client_tags": (users.MOST_TAGGED, "the earliest are forgotten"),
    "People.client_tags[]": (400, "of one message: 4 KiB"),
    "People._gone": (users.MOST_GONE, "the earliest are forgotten"),
    "Watchlist.names": (welcome.MOST_MONITORED, "of one connection"),
    "Negotiation.*": (40, "capabilities there are"),
    "IrcConnection._reads": (MOST_MARKS, "of one connection; the earliest is forgotten"),
    "IrcConnection._said": (WAITING, "messages on their way to disk"),
    "IrcConnection._pasts": (CONFIG.rooms_a_person, "rooms of one connection"),
    "IrcConnection._moved_late": (welcome.MOST_MONITORED, "whom one connection watches"),
    "IrcConnection.shown_rooms": (CONFIG.rooms_a_person + 10, "rooms of one connection"),
    "IrcConnection.client_tags": (400, "of one line"),
    "Replies._collected": (20_000, "the answer to one command"),
    "Replies._waiting": (BUFFER_SIZE, "`MOST_BEHIND_LABEL` bytes, and one write"),
    "Replies._held": (20_000, "the answer to one command"),
    # Made at the start
    "Frame.*": (40, "made at the start"),
    "Hub.spoken": (20, "made at the start"),
    "Hub.facts": (10, "there are so many"),
    "Admission._facts": (10, "the same"),
    "Hub.operators": (20, "made at the start"),
    "Registry._operators": (20, "made at the start"),
    "Registry._reserved": (200, "made at the start"),
    "Claims.*": (20, "operators there are"),
    "Operators.*": (20, "operators there are"),
    "Table.*": (300, "made at the start"),
    "Command.*": (100, "made at the start"),
    "Usage.*": (100, "made at the start"),
    "Place.*": (100, "made at the start"),
    "Gate._exempt": (20, "made at the start"),
    "Config.*": (20, "made at the start"),
    "DetectorFactory.choices": (20, "made at the start"),
    "NoRoom.choices": (20, "made at the start"),
    "WebFactory.*": (100, "made at the start"),
    "SshFactory.*": (20, "made at the start"),
}
NAMES_USED = tuple(one + two for one in ("Al", "Bo", "Cy", "Di", "Ed") for two in ("", "na", "ric", "mus", "ted", "wyn"))
REGISTERED = ("Olga", "Pia", "Quin", "Ria")
ROOM_NAMES = tuple(f"#r{number}" for number in range(60))
ADDRESSES = tuple(f"198.51.100.{number}" for number in range(6))
TYPED = """
/join {room}|/leave {room}|/nick {name}|/msg {name} {text}|/notice {name} {text}|/ignore {name}|/invite {name}|/invite
/topic {text}|/room private|/room moderated {flag}|/slow 5|/op {name}|/voice {name}|/mute {mask} 1h|/ban {mask}|/unban {mask}
/except {mask}|/welcome {mask}|/kick {name}|/away {text}|/about {text}|/me {text}|/register {text}-{text}|/password|{text}
/login {name} {text}|/oper {name} {text}|/code {text}|/resume|/token Bot{number}|/who|/rooms|/history|/set quiet {flag}|/help
/keys|/audit|/bans|{text}|{text} {name}
""".replace("\n", "|").split("|")
IRC_TYPED = (
    """
PRIVMSG {room} :{text}|PRIVMSG {name} :{text}|NOTICE {name} :{text}|@+x={text} TAGMSG {room}|JOIN {room}|PART {room}
@label={text};+y={text} PRIVMSG {room} :{text}|MONITOR + {name},{text},{text}{number}|MARKREAD {room} STAMP
MARKREAD {name} STAMP|NICK {name}|MODE {room} +b {mask}|MODE {room} +v {name}|TOPIC {room} :{text}|WHOWAS {name}
CHATHISTORY LATEST {room} * 10|INVITE {name} {room}|AWAY :{text}|CAP REQ :echo-message labeled-response|LIST|WHO {room}
@label=a LIST|AUTHENTICATE PLAIN|AUTHENTICATE {text}|SETNAME :{text}|KICK {room} {name}
""".replace("STAMP", "timestamp=2026-01-01T00:00:00.000Z")
    .replace("\n", "|")
    .split("|")
)


class Flood:
    """People, programs and clients of all kinds who do as they like."""

    def __init__(self, chat: Chat, dice: random.Random) -> None:
        self.chat, self.dice = chat, dice
        self.clients: list[tuple[str, Client]] = []

    def filled(self, template: str) -> str:
        """A command with words put in."""
        dice = self.dice
        return template.format(
            room=dice.choice(ROOM_NAMES),
            name=dice.choice(NAMES_USED + REGISTERED),
            text=dice.choice(("x", "word", "y" * 300, "a\abc")) + str(dice.randrange(1000)),
            mask=dice.choice((f"g{dice.randrange(500)}!*@*", f"Guest{dice.randrange(500)}", f"192.0.2.{dice.randrange(250)}")),
            flag=dice.choice(("on", "off")),
            number=dice.randrange(1000),
        )

    def step(self) -> None:
        """Do one thing."""
        chance = self.dice.random()
        self.clients = [one for one in self.clients if not one[1].closed]
        if chance < 0.05 or not self.clients:
            self.connect()
        elif chance < 0.07:
            kind, client = self.clients.pop(self.dice.randrange(len(self.clients)))
            why = ConnectionLost() if self.dice.random() < 0.5 else ConnectionDone()
            client.transport.protocol.connectionLost(Failure(why))
            if client.transport.slot is not None:
                client.transport.slot.release()
        elif chance < 0.09:
            _, client = self.dice.choice(self.clients)
            (client.transport.stop_reading if self.dice.random() < 0.3 else client.transport.read_on)()
        else:
            kind, client = self.dice.choice(self.clients)
            client.transport.received = b""
            self.talk(kind, client)

    def connect(self) -> None:
        """Come in, by any protocol."""
        dice = self.dice
        kind = dice.choice(("line", "json", "irc", "web", "ssh", "silent"))
        client = self.chat.connect("detect", dice.choice(ADDRESSES))
        name = dice.choice(NAMES_USED + REGISTERED)
        match kind:
            case "line":
                client.send_bytes(f"{name}\r\n".encode())
            case "json":
                rooms = dict.fromkeys(dice.choices(ROOM_NAMES, k=dice.randrange(6))) or None
                hello = {"type": "hello", "name": name, "password": "password" if name in REGISTERED else None, "rooms": rooms}
                client.send({key: value for key, value in hello.items() if value is not None})
            case "irc":
                caps = "CAP REQ :message-tags echo-message labeled-response draft/read-marker batch\r\n"
                secret = f"PASS {name}:password\r\n" if name in REGISTERED else ""
                client.send_bytes(f"{secret}{caps}NICK {name}\r\nUSER u 0 * :r\r\nCAP END\r\n".encode())
            case "web":
                body = "x" * dice.randrange(300)
                head = f"POST /rooms/own HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {dice.choice(('t1', 'no'))}\r\n"
                client.send_bytes(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            case "ssh":
                client.send_bytes(b"SSH-2.0-x\r\n" + bytes(dice.randrange(200)))
        self.clients.append((kind, client))

    def talk(self, kind: str, client: Client) -> None:
        """Send something on a connection."""
        match kind:
            case "line" | "silent":
                client.send_bytes(self.filled(self.dice.choice(TYPED)).encode() + b"\r\n")
            case "json":
                request = {"type": "line", "id": str(self.dice.randrange(50)), "text": self.filled(self.dice.choice(TYPED))}
                client.send(request | ({"again": True} if self.dice.random() < 0.2 else {}))
            case "irc":
                client.send_bytes(self.filled(self.dice.choice(IRC_TYPED)).encode() + b"\r\n")
            case "web":
                client.send_bytes(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")


def declared(names: list[str]) -> tuple[int, str] | None:
    """The bound of a container, by any of its names; ``Class.*`` stands for all of a class that have no row of their own."""
    for name in names:
        if name in BOUNDS:
            return BOUNDS[name]
    for name in names:
        if (general := name.partition(".")[0] + ".*") in BOUNDS:
            return BOUNDS[general]
    return None


def check(chat: Chat) -> int:
    """See that everything that grows is declared and within its bound. Returns how many containers there are."""
    found = 0
    for names, container in containers(
        chat.hub, chat.hub.registry, chat.hub.tokens, chat.frame, chat.gate, chat.detector, *chat.connections
    ):
        found += 1
        bound = declared(names)
        assert bound is not None, f"{names[0]} has no bound: add one, and its row in BOUNDS"
        assert len(container) <= bound[0], f"{names[0]} has {len(container)}, at most {bound[0]} are allowed ({bound[1]})"
    return found


def calls_of(action: Callable[[], None]) -> int:
    """How many functions the server calls meanwhile: what something costs, whatever the machine."""
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        where = frame.f_code.co_filename
        count += event in ("call", "c_call") and "/twisted_chat/" in where and not where.endswith("testing.py")

    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def new_chat() -> Chat:
    """A server where some names are registered, and a room is owned whose bot has a token."""
    chat = Chat(CONFIG)
    accounts = [Account(key=name.lower(), name=name, password="password", created=1.0, claimed=CLAIMED) for name in REGISTERED]
    chat.hub.restore([*accounts, RoomRecord(key="#own", owner="olga")])
    chat.hub.restore([Token(digest="1t", name="Bot", room="#own", by="olga", at=1.0)])
    return chat


@seed(20261128)
@given(st.integers(0, 2**32))
@settings(max_examples=4, deadline=None, phases=[Phase.generate])
def test_nothing_grows_beyond_its_bound(number: int) -> None:
    """Whatever is sent, by any protocol, from many addresses under many names; and a plain message costs what it did."""
    chat = new_chat()
    flood = Flood(chat, random.Random(number))
    speaker, reader = chat.connect("line", "203.0.113.1"), chat.connect("line", "203.0.113.1")
    speaker.send("Speaker", "/join #quiet")
    reader.send("Reader", "/join #quiet")
    for _ in range(3):
        speaker.send("warm")
    before = calls_of(lambda: speaker.send("plain"))
    for step in range(3000):
        flood.step()
        if step % 10 == 9:
            chat.clock.advance(0.5)
        if step % 600 == 599:
            assert check(chat) > 100
    for kind, client in flood.clients:
        held = len(client.transport.value()) + len(getattr(client.transport.protocol, "_splitter", b""))
        assert held < 3 * BUFFER_SIZE + connection.READ_AHEAD, kind
    chat.clock.advance(30)
    chat.turn()
    reader.lines()
    after = calls_of(lambda: speaker.send("plain"))
    assert "<Speaker> plain" in "\n".join(reader.lines())
    assert after <= before * 1.1 + 10, (before, after)


def test_a_container_without_a_bound_is_noticed() -> None:
    """One more anywhere, also in slots, also within another, fails the check above."""
    for put in (
        lambda chat: setattr(chat.hub, "_more", {}),
        lambda chat: setattr(chat.hub.admission, "_more", [1]),
        lambda chat: chat.hub.rooms["#lobby"].__class__ and setattr(chat.frame.hub.registry, "_more", {"a": {1}}),
    ):
        chat = new_chat()
        check(chat)
        put(chat)
        try:
            check(chat)
        except AssertionError as error:
            assert "_more has no bound" in str(error)
        else:
            raise AssertionError("not noticed")
