"""A conversation with the server that outlives its connections.

1. A message has an id of its own and is pending until its receipt comes. After a reconnect it is sent again, under the
   same id, and the server's log keeps one copy.
2. In each room it is remembered how far one has read; after a reconnect the server is asked to go on from there.
3. No password leaves on a connection that is not encrypted, unless the person has asked for such ones: neither in the
   first request, nor typed after a command, nor as an answer. The server's question is given up for them.
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

# The longest object a server may send, in bytes: a history of 500 messages of 4 KiB, and what stands round them.
LONGEST = 4 * 1024 * 1024


# What a person is told instead of being asked for a password.
NOT_SENT = Refused("not-encrypted", "Passwords are not sent without encryption. Use another name, or --insecure-plain.")


# What a usage calls a secret.
SECRET = re.compile("PASSWORD|CURRENT|NEW")


class Front(Protocol):
    """Who is told what happens: the terminal or the pipe."""

    def happened(self, event: Event) -> None:
        """Something came from the server."""

    def settled(self, text: str, answer: Event) -> None:
        """A message has its receipt (`Receipt`), was refused (`Refused`), or its command is done (`Done`)."""

    def turned_away(self, why: Refused) -> None:
        """The server does not take the name. `Conversation.come_in` may try another."""

    def lost(self) -> None:
        """The connection is gone. Another is on its way."""


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
        """``room`` is where to come in, by default where the server sends us; ``code`` is an invitation.

        With ``plain`` passwords may be sent in clear.
        """
        self.front = front
        self.name = name
        self.password = password
        self.claim: str | None = None  # the code that claims an operator's name
        self.room = room  # the current one
        self.rooms: dict[str, int | None] = {room: None} if room else {}
        self.pending: dict[str, dict[str, Any]] = {}
        self.welcome: Welcome | None = None  # of this connection
        self.prompt: str | None = None  # asks for a secret, on this connection
        self._code = code
        self._plain = plain
        self._client = secrets.token_hex(16)
        self._log: str | None = None
        self._connection: Connection | None = None
        self._answer = ""  # the id of the last answer

    def opened(self, connection: "Connection") -> None:
        """A connection is there."""
        self._connection = connection
        self.come_in()

    def closed(self, connection: "Connection") -> None:
        """A connection is gone."""
        if self._connection is connection:
            self._connection = self.welcome = self.prompt = None
            self.front.lost()

    def come_in(self) -> None:
        """Say hello under our name, and ask to read on where we were."""
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
        """Say something: now, or as soon as there is a connection. With ``line`` the server reads it as typed."""
        message_id = str(uuid.uuid4())
        request = {"type": kind, "id": message_id, "text": text} | ({"room": self.room} if self.room else {})
        self.pending[message_id] = request
        if self._connection is not None and self.welcome is not None:
            self._send(request)

    def answer(self, text: str) -> bool:
        """Answer what the server has asked for, once. Return whether it still asks: else the answer goes nowhere."""
        if self._connection is None or self.prompt is None:
            return False
        self._answer = str(uuid.uuid4())
        self._connection.send({"type": "answer", "id": self._answer, "text": text if self._private else ""})
        return True

    def leave(self) -> None:
        """Go, in good order: the server closes the connection."""
        if self._connection is not None:
            self._connection.send({"type": "do", "command": "quit"})

    def received(self, event: Event) -> None:
        """Take in what came from the server."""
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
        """Whether a password may be sent."""
        return self._plain or (self._connection is not None and self._connection.encrypted)

    def _send(self, request: dict[str, Any]) -> None:
        """Send something that was said or typed, unless it has a password that others could read."""
        assert self._connection is not None
        if self._private or request["type"] != "line" or not self._has_password(request["text"]):
            self._connection.send(request)
        else:
            self.pending.pop(request["id"], None)
            self.front.happened(NOT_SENT)
            self.front.settled("", Refused(NOT_SENT.code, NOT_SENT.text, request["id"]))

    def _has_password(self, typed: str) -> bool:
        """Return whether a password may stand in a typed command.

        Its usage tells: ours, and the server's, which may be another's who does not tell.
        """
        from twisted_chat.core.commands.builtins import table  # with the hub it brings, for none but who needs it

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
        """Answer the server's question for a password with an empty line."""
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
        """Whether this is our own name."""
        return fold(name) == fold(self.name)


class Connection(LineReceiver):
    """One connection to the server, in its protocol for programs."""

    delimiter = b"\n"
    MAX_LENGTH = LONGEST

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    @property
    def encrypted(self) -> bool:
        """Whether nobody on the way can read it."""
        return ISSLTransport.providedBy(self.transport)

    def connectionMade(self) -> None:
        """Called by the transport."""
        self._conversation.opened(self)

    def lineReceived(self, data: bytes) -> None:
        """Called by LineReceiver for each line. What is no event is a server's word to people, and passed over."""
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
    """Makes the connections of one conversation, one after the other."""

    noisy = False

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def buildProtocol(self, addr: object) -> Connection:
        """Called for each connection."""
        return Connection(self._conversation)
