"""The protocol for programs: one JSON object a line, in both directions. `docs/protocol.md` describes it for its users."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from twisted_chat.config import Config
from twisted_chat.core.command_table.prompts import refused
from twisted_chat.core.command_table.table import Answering, Call
from twisted_chat.core.delivery.batch import Dialect
from twisted_chat.core.errors import ChatError, NotAllowed, NotInRoom
from twisted_chat.core.events import Done, Pong, Refused
from twisted_chat.core.rate_limits import Rate
from twisted_chat.core.text.names import room as room_key
from twisted_chat.core.text.sanitize import decode, one_line
from twisted_chat.core.users.session import TAKEN_OVER
from twisted_chat.protocols.connection import ChatFactory, LineConnection
from twisted_chat.protocols.jsonlines.codec import JSON, check_unicode

# The longest id a program may give a request, in characters: a UUID has 36.
LONGEST_ID = 64
# The longest secret with which a program may resume a session, in characters.
LONGEST_CLIENT = 128
# The number of rooms in a ``hello`` that are charged as one line.
ROOMS_A_LINE = 4


class BadRequest(ChatError):
    """A request that is not a JSON object, or has an invalid member."""

    code = "bad-request"


def read(request: Mapping[str, Any], member: str, kind: type, default: Any = None) -> Any:
    """Return a member of a request. Raise `BadRequest` if it has the wrong type, or is missing and has no default."""
    value = request.get(member)
    if value is None:
        value = default
    if value is None and member in REQUIRED:
        raise BadRequest(f"The member {member!r} is missing.")
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool)):
        raise BadRequest(f"The member {member!r} has to be {KINDS[kind]}.")
    return value


REQUIRED = frozenset({"name", "text", "command"})
KINDS = {str: "a string", list: "a list", dict: "an object", bool: "true or false"}


class ProgramProtocol(LineConnection):
    """One program. Its first object is ``hello``."""

    dialect: Dialect = JSON
    kind = "JSON"
    program = True
    longest = 32 * 1024  # a message of 4 KiB, each character escaped as \uXXXX, and the members around it
    most = 32 * 1024

    @staticmethod
    def rate(config: Config) -> Rate | None:
        """Return the limit on the lines of a program."""
        return config.programs_rate

    def lineReceived(self, line: bytes) -> None:
        """Called for each line, without its end."""
        if not line.strip():
            return
        request, self._asks = None, False
        try:
            members = parse(line)
            request = read(members, "id", str)
            if request is not None and not (0 < len(request) <= LONGEST_ID and request.isprintable()):
                request = None
                raise BadRequest(f"An id has 1 to {LONGEST_ID} characters, all of them printable.")
            kind = read(members, "type", str, "")
            if kind not in REQUESTS:
                raise BadRequest(f"There is no request of this type. There are: {', '.join(REQUESTS)}.")
        except ChatError as error:
            self.refuse(error, request)
        else:
            self.perform(lambda: REQUESTS[kind](self, members, request), request, lambda: self.done(request))

    def hello(self, members: Mapping[str, Any], request: str | None) -> Answering | None:
        """Name the session, join rooms, and catch up in each from the given position."""
        me = self.session
        if not me.name:
            me.question = None  # a leftover of an earlier line
            name = read(members, "name", str)
            password = read(members, "password", str)
            client = read(members, "client", str, "")
            if len(client) > LONGEST_CLIENT:
                raise BadRequest(f"The member 'client' has at most {LONGEST_CLIENT} characters.")
            rooms, most = read(members, "rooms", dict, {}), self.factory.hub.bounds.rooms_a_person
            if len(rooms) > most:
                raise BadRequest(f"The member 'rooms' has at most {most} rooms.")
            self.charge(len(rooms) / ROOMS_A_LINE)
            me.known_by(client)
            same_log = read(members, "log", str, self.factory.hub.log.id) == self.factory.hub.log.id
            invited: dict[str, int | None] = {room: None for room in me.landing if room in me.invited}
            me.landing = invited | {room_key(room): position(since) if same_log else None for room, since in rooms.items()}
            table, self._asks = self.factory.table, True
            secrets = [] if password is None else [password]
            claim = read(members, "claim", str)
            if claim is not None:
                return table.begin(self.call(request), table.find("claim"), [name, claim, *secrets])
            return table.begin(self.call(request), table.find("name"), [name, *secrets])
        raise NotAllowed("You have said hello already.")

    def say(self, members: Mapping[str, Any], request: str | None) -> Answering | None:
        """Send a message, even if its text looks like a command."""
        return self.invoke(members, request, "say", [read(members, "text", str)])

    def typed(self, members: Mapping[str, Any], request: str | None) -> Answering | None:
        """Run a line that a person has typed."""
        self._asks, table = True, self.factory.table
        text = one_line(read(members, "text", str))
        if self.session.question is not None:
            return table.answer(self.call(request), text)
        command, arguments = table.parse(self._call, text)
        self._receipted = command.receipted
        return table.begin(self._called(members, request), command, arguments)

    def answer(self, members: Mapping[str, Any], request: str | None) -> Answering | None:
        """Answer a question that a line has caused. The text is never a message or a command."""
        self._asks = True
        return self.factory.table.answer(self.call(request), one_line(read(members, "text", str)))

    def do(self, members: Mapping[str, Any], request: str | None) -> Answering | None:
        """Run a command that is given as separate words."""
        arguments = read(members, "arguments", list, [])
        if not all(isinstance(argument, str) for argument in arguments):
            raise BadRequest("The member 'arguments' has to be a list of strings.")
        for argument in arguments:
            one_line(argument)
        return self.invoke(members, request, read(members, "command", str), arguments)

    def ping(self, members: Mapping[str, Any], request: str | None) -> Answering | None:
        """Reply with a pong once all earlier requests are processed."""
        self.session.tell(Pong())
        return None

    def invoke(self, members: Mapping[str, Any], request: str | None, name: str, arguments: list[str]) -> Answering | None:
        """Run a command from the table, in the room that the request names."""
        self._receipted = self.factory.table.find(name).receipted
        return self.factory.table.invoke(self._called(members, request), name, arguments)

    def _called(self, members: Mapping[str, Any], request: str | None) -> Call:
        """Return the call of a request, in the room that it names. Raises `NotInRoom` or `BadRequest`."""
        room = read(members, "room", str, "")
        in_room = self.session.rooms.get(room_key(room)) if room else None
        if room and in_room is None:
            raise NotInRoom(f"You are not in {room_key(room)}.")
        again = read(members, "again", bool, False)
        return self.call(request, again=again, in_room=in_room)

    def done(self, request: str | None) -> None:
        """Acknowledge a request, unless a receipt does."""
        receipted, self._receipted = self._receipted, False
        if request is not None and not receipted:
            self.session.tell(Done(request))

    def refuse(self, error: ChatError, request: str | None = None) -> None:
        """Send an error to the program."""
        self._receipted = False
        error = refused(self.session, error) if self._asks else error
        question = self.session.question if self._asks else None
        self.session.tell(Refused(error.code, str(error), request, question.again if question is not None else None))

    def say_last(self, text: str) -> None:
        """Send the program the reason for the close."""
        self.session.tell(Refused("taken-over" if text == TAKEN_OVER else "closing", text))

    _receipted = False
    _asks = False  # True while the current request is a person's input


Request = Callable[[ProgramProtocol, Mapping[str, Any], str | None], Answering | None]

REQUESTS: dict[str, Request] = {
    "hello": ProgramProtocol.hello,
    "say": ProgramProtocol.say,
    "line": ProgramProtocol.typed,
    "answer": ProgramProtocol.answer,
    "do": ProgramProtocol.do,
    "ping": ProgramProtocol.ping,
}


def parse(line: bytes) -> dict[str, Any]:
    """Return a line as a JSON object, all of whose texts are Unicode. Raises `BadText` or `BadRequest`."""
    text = decode(line)
    try:
        members = json.loads(text)
        if "\\u" in text:  # all other text is valid UTF-8
            check_unicode(members)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"That is not JSON: {error}.") from None
    if not isinstance(members, dict):
        raise BadRequest("A request is a JSON object.")
    return members


def position(since: object) -> int | None:
    """Return a reading position from a request: a sequence number, or None for the present. Raise `BadRequest`."""
    if since is None:
        return None
    if isinstance(since, bool) or not isinstance(since, int) or since < 0:
        raise BadRequest("A position in a room is a sequence number, or null.")
    return since


class ProgramFactory(ChatFactory):
    """The ServerFactory of programs."""

    protocol = ProgramProtocol
