"""``/rooms/NAME`` for scripts: post a message, read messages, or listen. docs/web.md describes it for its users.

1. A token authorises the script. It is accepted in the ``Authorization`` header only: URLs are written into logs.
2. A message is answered with its receipt, once it is on disk. The connection waits for that, and for nothing else.
3. A script that listens is in the room as its bot, and reads the log like any other reader. The stream is a
   `LineConnection` that takes the connection over and ignores its input.
"""

from collections.abc import Sequence
from urllib.parse import unquote

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_chat.core.command_table.table import Answering, Call
from twisted_chat.core.commands.rooms import HISTORY_ON_JOIN
from twisted_chat.core.delivery.batch import Dialect
from twisted_chat.core.digests import TOKEN
from twisted_chat.core.errors import Busy, ChatError
from twisted_chat.core.events import Answer, Event, Receipt, Refused, RoomEvent
from twisted_chat.core.records import Token
from twisted_chat.core.rooms.room import Room
from twisted_chat.core.text.sanitize import decode
from twisted_chat.core.users.session import Way
from twisted_chat.core.users.settings import Settings
from twisted_chat.core.users.tokens import WrongToken
from twisted_chat.net.addresses import ip_of, place_of
from twisted_chat.protocols.connection import ChatFactory, LineConnection
from twisted_chat.protocols.jsonlines.codec import JSON, Json, as_object, written
from twisted_chat.protocols.jsonlines.protocol import LONGEST_ID, BadRequest
from twisted_chat.protocols.web.errors import TooLarge
from twisted_chat.protocols.web.request import WebRequest

PATH = b"/rooms/"
KIND = "HTTP"
# Messages that one query reads.
PAGE_MESSAGES = 500
# Interval of a stream's keep-alive comments, in seconds: proxies end a connection that is silent for a minute.
COMMENT_SECONDS = 30.0
COMMENT = b":\n\n"
STREAM = b"text/event-stream"


class EventStream(Json):
    """The dialect of scripts that listen: the objects for programs, as server-sent events (HTML, 9.2)."""

    def pieces(self, events: Sequence[Event]) -> list[bytes]:
        """Return each chat event as a server-sent event. A script can resume after an event with a number."""
        return [
            (b"id: %d\n" % event.seq if isinstance(event, RoomEvent) else b"") + b"data: " + written(as_object(event)) + b"\n\n"
            for event in events
        ]


EVENTS = EventStream()


def answer(request: WebRequest, chat: ChatFactory, streams: ChatFactory) -> None:
    """Handle a request for a room. Raises `ChatError`."""
    peer, host = request.channel.getPeer(), request.channel.getHost()
    way = Way(KIND, ip_of(peer), request.isSecure(), place_of(host))
    name = unquote(request.path.removeprefix(PATH).decode("ascii", "replace"))
    secret = bearer(request)
    token = chat.hub.token(secret, name, way)
    if request.method == b"GET" and STREAM in (request.getHeader(b"accept") or b""):
        stream = streams.buildProtocol(None)
        assert isinstance(stream, StreamProtocol)
        stream.show(token, secret, since(request, chat.hub.log.id))
        request.channel.hand_over(stream, STREAM_HEAD % chat.hub.log.id.encode())
        return
    visit = Visit(request, chat, way, secret)
    visit.begin(token)


def bearer(request: WebRequest) -> str:
    """Return the token in a request's header. Raises `WrongToken`."""
    shown = request.requestHeaders.getRawHeaders(b"authorization", [])
    scheme, _, secret = (shown[0] if len(shown) == 1 else b"").partition(b" ")
    if scheme.lower() != b"bearer" or not secret.strip():
        raise WrongToken("A token is needed here, as: Authorization: Bearer TOKEN. See /help token")
    return secret.strip().decode("ascii", "replace")


def since(request: WebRequest, log: str) -> int | None:
    """Return the number after which to read, or None if it is missing or of another log. Raises `BadRequest`."""
    if request.args.get(b"log", [log.encode()])[-1] != log.encode():
        return None
    given = request.getHeader(b"last-event-id") or request.args.get(b"since", [b""])[-1]
    if not given:
        return None
    if not (given.isdigit() and len(given) < 19):
        raise BadRequest("What is read since is a sequence number.")
    return int(given)


def idempotency_key(request: WebRequest) -> str | None:
    """Return the id that a script has given its message, or None. Raises `BadRequest`."""
    given = request.requestHeaders.getRawHeaders(b"idempotency-key", [])
    try:
        key = b"\0".join(given).decode("utf-8")
    except UnicodeDecodeError:
        key = "\0"
    if given and not (0 < len(key) <= LONGEST_ID and key.isprintable()):
        raise BadRequest(f"There is one Idempotency-Key, of 1 to {LONGEST_ID} characters, all of them printable.")
    return key if given else None


class Visit:
    """A script that posts a message or reads a page, for as long as that takes: the outlet of its session."""

    full = False

    def __init__(self, request: WebRequest, chat: ChatFactory, way: Way, secret: str) -> None:
        self._request = request
        self._chat = chat
        self._answered = False
        self.session = chat.hub.connect(self, JSON, Settings(), way, program=True)
        self.session.known_by(secret, TOKEN)

    def begin(self, token: Token) -> None:
        """Post or read, as the request asks. Raises `ChatError`."""
        room = self._chat.hub.vouch(self.session, token)
        answering = self._say(room) if self._request.method == b"POST" else self._read(room)
        if answering is not None:
            waiting = Deferred.fromCoroutine(answering)
            waiting.addCallbacks(lambda _: self._wait(), self._failed)

    def _say(self, room: Room) -> Answering | None:
        hub, body = self._chat.hub, self._request.content.read()
        if hub.log.congested:
            raise Busy("More is said than can be kept just now. Please try again in a second.")
        if len(body) > self._chat.config.message_limit:
            raise TooLarge(f"A message has at most {self._chat.config.message_limit} bytes.")
        message_id = idempotency_key(self._request)
        call = Call(hub, self.session, self._chat.table, message_id, message_id is not None, room)
        answering = self._chat.table.invoke(call, "say", [decode(body)])
        if answering is None:
            self._wait()
        return answering

    async def _read(self, room: Room) -> None:
        log, queries = self._chat.hub.log.id, self._chat.hub.queries
        after = since(self._request, log)
        queries.charge(self.session, f"You read {room.key}")
        if after is None:
            events: Sequence[Event] = await queries.before(self.session, room, None, HISTORY_ON_JOIN)
        else:
            page = await queries.after(self.session, room, after, PAGE_MESSAGES)
            while not page.events and page.position > after:  # all on disk has been read: the rest is in memory
                after = page.position
                page = await queries.after(self.session, room, after, PAGE_MESSAGES)
            events = page.events
        self._request.setHeader(b"content-type", b"application/jsonl; charset=utf-8")
        self._request.setHeader(b"chat-log", log.encode())
        self._end(JSON.render(events))

    def _failed(self, failure: Failure) -> None:
        if isinstance(failure.value, ChatError):
            self._answered = True
            self._request.refuse(failure.value)
        else:
            self._request.broken(failure)

    def _wait(self) -> None:
        """Wait for the disk: all else is done."""
        self.session.when_settled(self._settled)

    def _settled(self) -> None:
        if not self._answered:
            self._failed(Failure(Busy("This message has been sent again meanwhile: the receipt is given there.")))

    def _end(self, body: bytes) -> None:
        self._answered = True
        self._request.end(body)

    # Methods of an `Outlet`, which the session calls

    def write(self, data: bytes) -> None:
        """Called with room events. There are none: the session is in no room."""

    def tell(self, answers: Sequence[Answer | RoomEvent]) -> None:
        """Called with answers for the script. It waits for the receipt of its message."""
        for one in answers:
            if isinstance(one, Receipt) and not self._answered:
                self._request.setHeader(b"content-type", b"application/json")
                if not one.kept:
                    self._request.setResponseCode(503)
                self._end(JSON.render([one]))

    def close(self, last_words: str = "") -> None:
        """Called to end the session. Do nothing: it ends by itself."""


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: text/event-stream\r\n"
    b"Cache-Control: no-store\r\n"
    b"Chat-Log: %b\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
    b"Connection: close\r\n\r\n"
)


class StreamProtocol(LineConnection):
    """A script that listens."""

    dialect: Dialect = EVENTS
    kind = KIND
    program = True
    longest = most = 0

    def show(self, token: Token, secret: str, position: int | None) -> None:
        """Set the token, and the number to read from, before the connection is made."""
        self._token, self._secret, self._position = token, secret, position
        self._commented = 0.0

    def greet(self) -> None:
        """Join the room."""
        me = self.session
        me.token, me.shows_past = self._token, False
        me.known_by(self._secret, TOKEN)
        me.landing = {self._token.room: self._position}
        self.perform(lambda: self.factory.table.invoke(self.call(), "name", [self._token.name]), None, self._come_in)

    def _come_in(self) -> None:
        if not self.session.rooms:
            self.close()

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport. Ignore the data."""

    def tick(self, now: float) -> None:
        """Called every few seconds."""
        super().tick(now)
        if now - self._commented >= COMMENT_SECONDS:
            self._commented = now
            self.write(b"" if self.full else COMMENT)

    def refuse(self, error: ChatError, request: str | None = None) -> None:
        """Send the error, and end the stream."""
        self.session.tell(Refused(error.code, str(error)))
        self.close()

    def say_last(self, text: str) -> None:
        """Send the reason for the end."""
        self.session.tell(Refused("closing", text))


class StreamFactory(ChatFactory):
    """The factory of connections of scripts that listen."""

    protocol = StreamProtocol
