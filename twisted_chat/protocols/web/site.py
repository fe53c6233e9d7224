"""HTTP on the same port: the web page, its WebSocket, and rooms for scripts. docs/web.md describes it for its users.

1. A request's body is never chat, but for that of ``POST /rooms/NAME``, with a token. A cookie is neither set nor read.
2. What goes wrong is one JSON object, as programs are told; its code stays, and gives the status.
3. Nobody is asked to trust what a browser can be made to send: see `allowed_hosts`, and ``Origin`` in `websocket`.
4. No answer is kept on its way, errors included; of the files of the page it is asked each time whether they are new.
5. No request is logged: tokens and what people say would stand there.
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
    """What HTTP is spoken with on a port."""

    noisy = False
    protocol = WebChannel

    def __init__(self, chat: ChatFactory, streams: ChatFactory) -> None:
        """``chat`` makes the connections of pages, ``streams`` those of scripts that listen."""
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
        """Called when the port opens. Replaces HTTPFactory's, which opens an access log and looks at the clock each second."""

    def stopFactory(self) -> None:
        """Called when the port closes."""

    def log(self, request: Request) -> None:
        """Called by twisted.web after each request. It is not logged."""

    def answer(self, request: WebRequest) -> None:
        """Called by each request when it is whole. Raises `ChatError`."""
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
