"""No answer by HTTP is kept by anybody on its way: no message, and no error. Files of the page are asked for anew."""

import re

import pytest
from browsers import HANDSHAKE
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport

from twisted_chat.core.records import Account, RoomRecord, Token
from twisted_chat.metrics import Metrics
from twisted_chat.protocols.web import static_files
from twisted_chat.testing import Chat

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "BREW")
DYNAMIC = (
    "/rooms/own",
    "/rooms/%23own",
    "/rooms/other",
    "/rooms/",
    "/rooms/own?since=x",
    "/ws",
    "/nothing",
    "/rooms/%ff",
    "/rooms/%ED%A0%80",
    "*",
    "//",
)
STATIC = tuple(path.decode() for path in static_files.load())
HEADERS = (
    "Authorization: Bearer token",
    "Authorization: Bearer wrong",
    "Accept: text/event-stream",
    "Idempotency-Key: \x7f",
    "Idempotency-Key: \xff",
    "Content-Length: x",
    "Content-Length: 5",
    "Content-Length: 99999",
    "Host: evil.example",
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Key: x",
    "Expect: 100-continue",
    "If-None-Match: *",
    "Transfer-Encoding: chunked",
    "no header",
)


def server() -> Chat:
    """A server with a room that has a bot."""
    chat = Chat()
    chat.hub.put_account(Account(key="reg", name="Reg", password="secret99", created=0.0))
    token = Token(digest="token"[::-1], name="Bot", room="#own", by="reg", at=0.0)
    chat.hub.restore([RoomRecord(key="#own", owner="reg"), token])
    return chat


def heads(chat: Chat, data: bytes, kind: str = "web") -> list[bytes]:
    """The heads of what is answered, in lower case, without those that only say to go on."""
    client = chat.connect(kind)
    client.send_bytes(data)
    chat.clock.advance(1)
    if not client.closed:
        chat.clock.advance(60)  # more is waited for, or a wrong secret's time
    parts = re.split(rb"http/[0-9.]+ (?=[0-9]{3} )", client.transport.received.lower())[1:]
    return [part.partition(b"\r\n\r\n")[0] for part in parts if not part.startswith(b"100 ")]


@given(
    method=st.sampled_from(METHODS),
    path=st.sampled_from(DYNAMIC),
    headers=st.lists(st.sampled_from(HEADERS), max_size=5),
    version=st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/9", ""]),
)
def test_whatever_is_asked(method: str, path: str, headers: list[str], version: str) -> None:
    """By any method and with any header: one answer, which says so once."""
    lines = [f"{method} {path} {version}".rstrip(), "Host: localhost", *headers]
    answered = heads(server(), "\r\n".join(lines).encode("latin-1") + b"\r\n\r\nhello")
    whole = "Content-Length: 99999" not in headers and "Transfer-Encoding: chunked" not in headers
    assert answered or not whole
    for head in answered:
        assert head.split(b"\r\n").count(b"cache-control: no-store") == 1, head
        assert not head.startswith(b"500 "), head


@pytest.mark.parametrize("path", STATIC)
def test_files_of_the_page_are_asked_for_anew(path: str) -> None:
    """They are no secret: a browser keeps them, and asks whether they have changed; but not that something can't be asked."""
    chat = server()
    for method in METHODS:
        (head,) = heads(chat, f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        is_file = head.startswith(b"200 ")
        assert is_file is (method in ("GET", "HEAD"))
        assert (b"cache-control: no-cache" in head, b"cache-control: no-store" in head) == (is_file, not is_file)


@pytest.mark.parametrize(
    "data",
    [
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 101 + b"\r\n",
        b"GET / \x00\r\n\r\n",
    ],
)
def test_what_is_no_request(data: bytes) -> None:
    """Is answered so, too."""
    (head,) = heads(server(), data)
    assert head.startswith(b"400 ")
    assert b"cache-control: no-store" in head


def test_sockets_and_streams_and_refusals() -> None:
    """What is no single answer: a WebSocket's beginning, a stream of events, and where HTTP is not spoken."""
    stream = b"GET /rooms/own HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer token\r\nAccept: text/event-stream\r\n\r\n"
    for data, status in ((HANDSHAKE, b"101 "), (stream, b"200 ")):
        (head,) = heads(server(), data)
        assert head.startswith(status)
        assert head.split(b"\r\n").count(b"cache-control: no-store") == 1
    (head,) = heads(Chat(protocols=["line", "json"]), b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "detect")
    assert head.startswith(b"501 ")
    assert b"cache-control: no-store" in head


@pytest.mark.parametrize("path", ["/metrics", "/health", "/", "/nothing"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_metrics(path: str, method: str) -> None:
    """What Prometheus is told is of the moment."""

    chat = Chat()
    metrics = Metrics(chat.frame, chat.clock)
    transport = StringTransport()
    protocol = metrics.site.buildProtocol(None)
    protocol.makeConnection(transport)
    protocol.dataReceived(f"{method} {path} HTTP/1.0\r\n\r\n".encode())
    metrics.stop()
    protocol.connectionLost(None)
    head = transport.value().lower().partition(b"\r\n\r\n")[0]
    assert head.split(b"\r\n").count(b"cache-control: no-store") == 1
