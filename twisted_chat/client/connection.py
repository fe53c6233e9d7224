"""A conversation with the server that outlives its connections.

1. Each message has its own id and is pending until its receipt arrives. After a reconnect the client sends it again, under
   the same id, and the server's log stores one copy.
2. The client remembers the reading position in each room, and asks the server to continue there after a reconnect.
3. The client sends passwords only on encrypted connections, unless the user has allowed clear text. This holds for the
   first request, typed commands and answers. If the server asks for a password, the client cancels the question.
"""

import json
import re
import secrets
import uuid
from typing import Any, Protocol

from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from twisted_chat.core.command_table.prompts import edited
from twisted_chat.core.events import Done, Event, Joined, Left, People, Receipt, Refused, Renamed, RoomEvent, Welcome
from twisted_chat.core.text.lookalikes import is_like_command, is_like_secret
from twisted_chat.core.text.names import fold
from twisted_chat.core.text.sanitize import clean
from twisted_chat.protocols.jsonlines.codec import as_event, line

# The longest object a server may send, in bytes: a history of 500 messages of 4 KiB, and the JSON around them.
LONGEST = 4 * 1024 * 1024


# The error that the user sees instead of a question for a password.
NOT_SENT = Refused("not-encrypted", "Passwords are not sent without encryption. Use another name, or --insecure-plain.")


# The names of secrets in a command's usage.
SECRET = re.compile("PASSWORD|CURRENT|NEW")


class Front(Protocol):
    """The front end, which receives events: the terminal or the pipe."""

    def happened(self, event: Event) -> None:
        """Handle an event from the server."""

    def settled(self, text: str, answer: Event) -> None:
        """Handle the reply to a message: its receipt (`Receipt`), an error (`Refused`), or a finished command (`Done`)."""

    def turned_away(self, why: Refused) -> None:
        """Handle a refused name. `Conversation.come_in` may try another."""

    def lost(self) -> None:
        """Handle a lost connection. The client connects again by itself."""


class Conversation:
    """Name, rooms, positions and pending messages."""

    def __init__(
        self,
        front: Front,
        name: str,
        room: str | None,
        password: str | None = None,
        code: str | None = None,
        *,
        plain: bool = False,
    ) -> None:
        """Set the name and the options of the login.

        ``room`` is the room to join, by default the server's choice. ``code`` is an invitation. ``plain`` allows passwords in
        clear text.
        """
        self.front = front
        self.name = name
        self.password = password
        self.claim: str | None = None  # the code that claims an operator's name
        self.room = room  # the current room
        self.rooms: dict[str, int | None] = {room: None} if room else {}
        self.pending: dict[str, dict[str, Any]] = {}
        self.welcome: Welcome | None = None  # the welcome on this connection
        self.prompt: str | None = None  # the server's question for a secret on this connection
        self._code = code
        self._plain = plain
        self._client = secrets.token_hex(16)
        self._log: str | None = None
        self._connection: Connection | None = None
        self._answer = ""  # the id of the last answer

    def opened(self, connection: "Connection") -> None:
        """Log in on a new connection."""
        self._connection = connection
        self.come_in()

    def closed(self, connection: "Connection") -> None:
        """Forget a connection that has ended."""
        if self._connection is connection:
            self._connection = self.welcome = self.prompt = None
            self.front.lost()

    def come_in(self) -> None:
        """Send hello with our name, and ask to catch up from our positions."""
        if self._connection is not None:
            if (self.password or self.claim) is not None and not self._private:
                self.password = self.claim = None
                self.front.turned_away(NOT_SENT)
                return
            if self._code is not None:
                self._connection.send({"type": "do", "command": "code", "arguments": [self._code]})
            hello = {"type": "hello", "id": "hello", "name": self.name, "client": self._client}
            known = {"rooms": self.rooms or None, "log": self._log, "password": self.password, "claim": self.claim}
            self._connection.send(hello | {member: value for member, value in known.items() if value is not None})

    def say(self, text: str, kind: str = "say") -> None:
        """Send a message now, or as soon as there is a connection. The kind ``line`` marks text as typed by the user."""
        message_id = str(uuid.uuid4())
        request = {"type": kind, "id": message_id, "text": text} | ({"room": self.room} if self.room else {})
        self.pending[message_id] = request
        if self._connection is not None and self.welcome is not None:
            self._send(request)

    def answer(self, text: str) -> bool:
        """Send an answer to the server's question. Return False if there is no question any more, and drop the answer."""
        if self._connection is None or self.prompt is None:
            return False
        self._answer = str(uuid.uuid4())
        self._connection.send({"type": "answer", "id": self._answer, "text": text if self._private else ""})
        return True

    def leave(self) -> None:
        """Log out. The server closes the connection."""
        if self._connection is not None:
            self._connection.send({"type": "do", "command": "quit"})

    def received(self, event: Event) -> None:
        """Process an event from the server."""
        match event:
            case Welcome():
                self._welcomed(event)
            case Refused(code="password-needed" | "claim-needed") if not self._private:
                self._give_up()
                if event.id == "hello":
                    self.front.turned_away(NOT_SENT)
                    return
                event = Refused(NOT_SENT.code, NOT_SENT.text, event.id)
            case Refused(id="hello"):
                self.front.turned_away(event)
                return
            case Refused(prompt=str(prompt)):
                self.prompt = prompt
            case Refused(id=self._answer) | Done(id=self._answer):
                self.prompt = None
            case People(arriving=True):
                self.rooms.setdefault(event.room, None)
                self.room = self.room or event.room
            case Joined(name=self.name) | Left(name=self.name):
                self._moved(event)
            case Renamed(name=self.name):
                self.name = event.new
        if isinstance(event, RoomEvent) and event.room in self.rooms:
            self.rooms[event.room] = max(event.seq, self.rooms[event.room] or 0)
        self.front.happened(event)
        if isinstance(event, Receipt | Refused | Done) and event.id in self.pending:
            self.front.settled(self.pending.pop(event.id)["text"], event)

    def _welcomed(self, welcome: Welcome) -> None:
        if self._log not in (None, welcome.log):
            self.rooms = dict.fromkeys(self.rooms)
        self._log, self.name, self.welcome, self._code, self.claim = welcome.log, welcome.name, welcome, None, None
        assert self._connection is not None
        for request in tuple(self.pending.values()):
            self._send(request | {"again": True})

    @property
    def _private(self) -> bool:
        """True if the client may send a password."""
        return self._plain or (self._connection is not None and self._connection.encrypted)

    def _send(self, request: dict[str, Any]) -> None:
        """Send a message or a typed line, unless it contains a password that others could read."""
        assert self._connection is not None
        if self._private or request["type"] != "line" or not self._has_password(request["text"]):
            self._connection.send(request)
        else:
            self.pending.pop(request["id"], None)
            self.front.happened(NOT_SENT)
            self.front.settled("", Refused(NOT_SENT.code, NOT_SENT.text, request["id"]))

    def _has_password(self, typed: str) -> bool:
        """Return whether a typed command may contain a password.

        The command's usage tells: both ours and the server's, as an impostor's server may conceal it.
        """
        from twisted_chat.core.commands.builtins import table  # imported on use, as it brings the hub with it

        typed = clean(edited(typed)).lstrip()
        if is_like_secret(typed, table.secrets) or is_like_command(typed, table.commands):
            return True
        word, *arguments = typed.split() or [""]
        name = word.lstrip("/").lower()
        own = table.commands.get(name)
        usages = [own.usage if own else "", dict(self.welcome.commands).get(name, "") if self.welcome else ""]
        places = [index for usage in usages for index, place in enumerate(usage.split()[1:]) if SECRET.search(place.upper())]
        return word.startswith("/") and any(len(arguments) > index for index in places)

    def _give_up(self) -> None:
        """Cancel the server's question for a password with an empty answer."""
        assert self._connection is not None
        self._connection.send({"type": "answer", "text": ""})

    def _moved(self, event: Joined | Left) -> None:
        if isinstance(event, Joined):
            self.rooms.setdefault(event.room, None)
            self.room = event.room
        else:
            self.rooms.pop(event.room, None)
            if self.room == event.room:
                self.room = next(iter(self.rooms), None)

    def mine(self, name: str) -> bool:
        """Return whether this is our own name."""
        return fold(name) == fold(self.name)


class Connection(LineReceiver):
    """One connection to the server, in its protocol for programs."""

    delimiter = b"\n"
    MAX_LENGTH = LONGEST

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    @property
    def encrypted(self) -> bool:
        """True if the connection is encrypted."""
        return ISSLTransport.providedBy(self.transport)

    def connectionMade(self) -> None:
        """Called by the transport."""
        self._conversation.opened(self)

    def lineReceived(self, data: bytes) -> None:
        """Called by LineReceiver for each line. Ignore lines that are not events: they are a server's text for people."""
        try:
            event = as_event(json.loads(data))
        except (ValueError, RecursionError):
            return
        if event is not None:
            self._conversation.received(event)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by the transport."""
        self._conversation.closed(self)

    def send(self, request: dict[str, Any]) -> None:
        """Send a request."""
        self.transport.write(line(request))


class ConnectionFactory(Factory):
    """The factory of one conversation's connections, one after the other."""

    noisy = False

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def buildProtocol(self, addr: object) -> Connection:
        """Called for each connection."""
        return Connection(self._conversation)
