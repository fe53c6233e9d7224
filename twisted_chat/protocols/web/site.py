"""HTTP on the same port: the web page, its WebSocket, and rooms for scripts. docs/web.md describes it for its users.

1. Only ``POST /rooms/NAME`` takes chat from a request's body, and needs a token. Cookies are neither set nor read.
2. An error is one JSON object, in the form that programs get. Its code is stable, and determines the HTTP status.
3. The server does not trust what a browser can be made to send: see `allowed_hosts`, and ``Origin`` in `websocket`.
4. Caches must not store answers, errors included. Browsers may store the page's files, but must revalidate them each time.
5. Requests are not logged: the log would contain tokens and messages.
"""

from twisted.internet.interfaces import IAddress
from twisted.web.http import HTTPFactory, Request

from twisted_chat.core.errors import NotAllowed
from twisted_chat.protocols.connection import ChatFactory
from twisted_chat.protocols.jsonlines.protocol import BadRequest
from twisted_chat.protocols.web import room_api, static_files, websocket
from twisted_chat.protocols.web.allowed_hosts import is_ours
from twisted_chat.protocols.web.channel import WebChannel
from twisted_chat.protocols.web.errors import NotFound
from twisted_chat.protocols.web.request import WebRequest


class WebFactory(HTTPFactory):
    """The factory of a port's HTTP connections."""

    noisy = False
    protocol = WebChannel

    def __init__(self, chat: ChatFactory, streams: ChatFactory) -> None:
        """Load the page. ``chat`` makes the connections of pages, ``streams`` those of scripts that listen."""
        super().__init__(timeout=chat.config.request_seconds, reactor=chat.clock)
        self.chat = chat
        self.streams = streams
        self.pages = static_files.load()

    def buildProtocol(self, addr: IAddress | None) -> WebChannel:
        """Called for each connection."""
        channel = super().buildProtocol(addr)
        channel.requestFactory = WebRequest
        return channel

    def startFactory(self) -> None:
        """Called when the port opens. Replaces HTTPFactory's, which opens an access log and checks the clock each second."""

    def stopFactory(self) -> None:
        """Called when the port closes."""

    def log(self, request: Request) -> None:
        """Called by twisted.web after each request. Log nothing."""

    def answer(self, request: WebRequest) -> None:
        """Called by each request when it is complete. Raises `ChatError`."""
        hosts = request.requestHeaders.getRawHeaders(b"host", [])
        if len(hosts) != 1:
            raise BadRequest("A request must have exactly one Host header.")
        if request.path.startswith(room_api.PATH):
            request.check_method(b"GET", b"HEAD", b"POST")
            room_api.answer(request, self.chat, self.streams)
            return
        self._check_host(request, hosts[0])
        page = self.pages.get(request.path)
        if page is not None:
            request.check_method(b"GET", b"HEAD")
            request.end(page.answer(request))
        elif request.path == b"/ws":
            request.check_method(b"GET")
            head = websocket.accept(request)
            request.channel.hand_over(self.chat.buildProtocol(None), head)
        else:
            raise NotFound("There is nothing at this address.")

    def _check_host(self, request: WebRequest, host: bytes) -> None:
        """Raise `NotAllowed` if the name in the Host header is not one of the server's."""
        if not request.isSecure() and not is_ours(host, self.chat.config.web_name):
            raise NotAllowed("This server does not know that this is its name. If it is: twistd chat --web-name NAME")
