"""Clients of HTTP and of WebSockets, in memory: what the tests of the web talk with."""

import json
from dataclasses import dataclass
from typing import Any

from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, TextMessage

from twisted_chat.testing import Chat, Client

HOST = b"Host: localhost:5555\r\n"
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\n" + HOST + b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@dataclass(frozen=True)
class Answered:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def object(self) -> dict[str, Any]:
        """Its body as a JSON object."""
        found: dict[str, Any] = json.loads(self.body)
        return found


def request(method: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """A request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost:5555", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answers(client: Client, method: str = "GET") -> list[Answered]:
    """What has come, as answers. To HEAD there is no body."""
    data, client.transport.received = client.transport.received, b""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = 0 if method == "HEAD" else int(headers.get("content-length", 0))
        found.append(Answered(int(first.split()[1]), headers, data[:length]))
        data = data[length:]
    return found


def ask(chat: Chat, method: str, path: str, *headers: str, body: bytes = b"", address: str = "192.0.2.1") -> Answered:
    """The answer to a request, on a connection of its own."""
    client = chat.connect(address=address)
    client.send_bytes(request(method, path, *headers, body=body))
    chat.turn()
    (answer,) = answers(client, method)
    return answer


class WebClient:
    """The page's end of a WebSocket."""

    def __init__(self, chat: Chat, address: str = "192.0.2.1") -> None:
        self.chat = chat
        self.client: Client = chat.connect("web", address)
        self.client.send_bytes(HANDSHAKE)
        head, _, rest = self.client.transport.received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.client.transport.received = rest
        self.frames = Connection(ConnectionType.CLIENT)
        self.code: int | None = None

    def send(self, *requests: dict[str, Any]) -> None:
        """Send objects, and let the server work."""
        for one in requests:
            self.client.send_bytes(self.frames.send(TextMessage(json.dumps(one))))
        self.chat.turn()

    def events(self) -> list[Any]:
        """All frames that have come, as wsproto tells them."""
        data, self.client.transport.received = self.client.transport.received, b""
        self.frames.receive_data(data)
        found = list(self.frames.events())
        for event in found:
            if isinstance(event, CloseConnection):
                self.code = event.code
        return found

    def lines(self) -> list[str]:
        """What was sent since this was asked last, message by message."""
        return [event.data for event in self.events() if isinstance(event, TextMessage)]

    @property
    def transport(self) -> Any:
        """The server's end."""
        return self.client.transport

    @property
    def closed(self) -> bool:
        """Whether the server has ended the connection."""
        return self.client.closed

    def vanish(self) -> None:
        """The connection ends, however that came about."""
        self.client.vanish()

    def objects(self, kind: str | None = None) -> list[dict[str, Any]]:
        """What was sent since this was asked last, of one type or all."""
        found = [json.loads(line) for line in self.lines()]
        return [one for one in found if kind in (None, one["type"])]
