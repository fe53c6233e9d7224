"""HTTP on the same port: the web page, its WebSocket, and rooms for scripts. docs/web.md describes it for its users.

1. A request's body is never chat, but for that of ``POST /rooms/NAME``, with a token. A cookie is neither set nor read.
2. What goes wrong is one JSON object, as programs are told; its code stays, and gives the status.
3. Nobody is asked to trust what a browser can be made to send: see `web_hosts`, and ``Origin`` in `web_socket`.
4. No answer is kept on its way, errors included; of the files of the page it is asked each time whether they are new.
5. No request is logged: tokens and what people say would stand there.
"""

import secrets
from http import HTTPStatus

from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPFactory, Request, datetimeToString

from twisted_chat.config import Config
from twisted_chat.core.errors import ChatError, NotAllowed
from twisted_chat.core.events import Refused
from twisted_chat.protocols import web_page, web_rooms, web_socket
from twisted_chat.protocols.connection import ChatFactory, InternalError
from twisted_chat.protocols.json_codec import JSON
from twisted_chat.protocols.jsonl import BadRequest
from twisted_chat.protocols.web_channel import WebChannel
from twisted_chat.protocols.web_hosts import is_ours

# By the code of an error; any other is 400.
STATUS = {
    "wrong-token": HTTPStatus.UNAUTHORIZED,
    "banned": HTTPStatus.FORBIDDEN,
    "not-allowed": HTTPStatus.FORBIDDEN,
    "not-invited": HTTPStatus.FORBIDDEN,
    "not-found": HTTPStatus.NOT_FOUND,
    "not-in-room": HTTPStatus.NOT_FOUND,
    "wrong-method": HTTPStatus.METHOD_NOT_ALLOWED,
    "too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "upgrade-needed": HTTPStatus.UPGRADE_REQUIRED,
    "too-often": HTTPStatus.TOO_MANY_REQUESTS,
    "internal-error": HTTPStatus.INTERNAL_SERVER_ERROR,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "history-unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
}
# The longest body that is looked at, in bytes: a message, with room to spare.
LONGEST_BODY = 16 * 1024


class NotFound(ChatError):
    """There is nothing at this address."""

    code = "not-found"


class WrongMethod(ChatError):
    """What is there can't be asked that."""

    code = "wrong-method"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"Here one can: {allowed}.")
        self.allowed = allowed


class WebRequest(Request):
    """One request. Its body is read up to `LONGEST_BODY`; of what is longer, no more than that is held."""

    gone = False
    _parsePOSTFormSubmission = False
    log = Logger()

    def handleContentChunk(self, data: bytes) -> None:
        """Called by twisted.web with a piece of the body."""
        if self.content.tell() <= LONGEST_BODY:
            super().handleContentChunk(data)

    def gotLength(self, length: int | None) -> None:
        """Called by twisted.web before the body. It is never so long that it needs a file."""
        super().gotLength(min(length or 0, LONGEST_BODY))

    def connectionLost(self, reason: Failure) -> None:
        """Called by twisted.web: nobody waits for the answer any more."""
        self.gone = True
        super().connectionLost(reason)

    def process(self) -> None:
        """Called by twisted.web when the whole request has come."""
        self.setHeader(b"date", datetimeToString())
        self.setHeader(b"x-content-type-options", b"nosniff")
        self.setHeader(b"referrer-policy", b"no-referrer")
        self.setHeader(b"cache-control", b"no-store")  # the files of the page say otherwise
        try:
            self._answer()
        except ChatError as error:
            self.refuse(error)
        except Exception:
            self.broken(Failure())

    def broken(self, failure: Failure) -> None:
        """A bug: it is logged under an id, which the client is told."""
        case = secrets.token_hex(4)
        self.log.failure("bug {case}", failure, case=case)
        self.refuse(InternalError(f"That went wrong here, and is not your fault. It is noted as {case}."))

    def refuse(self, error: ChatError) -> None:
        """Say what can't be done."""
        status = STATUS.get(error.code, HTTPStatus.BAD_REQUEST)
        self.setResponseCode(status, status.phrase.encode())
        self.setHeader(b"content-type", b"application/json")
        if status is HTTPStatus.UNAUTHORIZED:
            self.setHeader(b"www-authenticate", b"Bearer")
        if isinstance(error, WrongMethod):
            self.setHeader(b"allow", error.allowed.encode())
        if isinstance(error, web_socket.UpgradeNeeded):
            self.setHeader(b"upgrade", b"websocket")
            self.setHeader(b"connection", b"Upgrade")
            self.setHeader(b"sec-websocket-version", web_socket.VERSION)
        self.end(JSON.render([Refused(error.code, str(error))]))

    def end(self, body: bytes) -> None:
        """Send the body, and be done."""
        if self.gone:
            return
        self.setHeader(b"content-length", b"%d" % len(body))
        self.write(b"" if self.method == b"HEAD" else body)
        self.finish()

    def _answer(self) -> None:
        hosts = self.requestHeaders.getRawHeaders(b"host", [])
        if len(hosts) != 1:
            raise BadRequest("A request names its host, once.")
        web: WebFactory = self.channel.factory
        if self.path.startswith(web_rooms.PATH) and self._asks(b"GET", b"HEAD", b"POST"):
            web_rooms.answer(self, web.chat, web.streams)
            return
        self._check_host(hosts[0], web.chat.config)
        page = web.pages.get(self.path)
        if page is not None and self._asks(b"GET", b"HEAD"):
            self.end(page.answer(self))
        elif self.path == b"/ws" and self._asks(b"GET"):
            answer = web_socket.accept(self)
            self.channel.hand_over(web.chat.buildProtocol(None), answer)
        else:
            raise NotFound("There is nothing at this address.")

    def _asks(self, *methods: bytes) -> bool:
        """True if it is one of these that is asked. Raises `WrongMethod`."""
        if self.method not in methods:
            raise WrongMethod(b", ".join(methods).decode())
        return True

    def _check_host(self, host: bytes, config: Config) -> None:
        """Raises `NotAllowed` if the name by which we are asked is none of ours."""
        if not self.isSecure() and not is_ours(host, config.web_name):
            raise NotAllowed("This server does not know that this is its name. If it is: twistd chat --web-name NAME")


class WebFactory(HTTPFactory):
    """What HTTP is spoken with on a port."""

    noisy = False
    protocol = WebChannel

    def __init__(self, chat: ChatFactory, streams: ChatFactory) -> None:
        """``chat`` makes the connections of pages, ``streams`` those of scripts that listen."""
        super().__init__(timeout=chat.config.request_seconds, reactor=chat.clock)
        self.chat = chat
        self.streams = streams
        self.pages = web_page.load()

    def buildProtocol(self, addr: IAddress | None) -> WebChannel:
        """Called for each connection."""
        channel = super().buildProtocol(addr)
        channel.requestFactory = WebRequest
        return channel

    def startFactory(self) -> None:
        """Called when the port opens. Replaces HTTPFactory's, which opens an access log and looks at the clock each second."""

    def stopFactory(self) -> None:
        """Called when the port closes."""

    def log(self, request: Request) -> None:
        """Called by twisted.web after each request. It is not logged."""
