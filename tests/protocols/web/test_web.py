"""HTTP on the port: the page's files, who may ask for them, and what a connection is held to."""

import gzip
import json
from importlib.resources import files
from typing import Any

import pytest
from browsers import HOST, answers, ask, request

from twisted_chat.config import Config
from twisted_chat.protocols.web.allowed_hosts import is_ours
from twisted_chat.protocols.web.static_files import POLICY, TYPES
from twisted_chat.testing import Chat

PAGE = sorted(
    entry.name
    for entry in files("twisted_chat.protocols.web").joinpath("static").iterdir()
    if entry.name.endswith(tuple(TYPES))
)


def nobody_came(chat: Chat) -> bool:
    """Whether nobody has a name, and nothing has been said."""
    return not chat.hub.people and chat.hub.log.newest == 0


@pytest.mark.parametrize("name", PAGE)
def test_each_file_of_the_page_is_served_as_what_it_is(name: str) -> None:
    """With its type, what it may do, and compressed for who takes that; who has it already is told so."""
    chat, path = Chat(), "/" if name == "index.html" else f"/{name}"
    plain = ask(chat, "GET", path)
    assert (plain.status, plain.headers["content-type"].encode()) == (200, TYPES["." + name.rpartition(".")[2]])
    assert plain.headers["content-security-policy"].encode() == POLICY
    assert plain.headers["x-content-type-options"] == "nosniff"
    assert plain.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in plain.headers
    assert plain.body == files("twisted_chat.protocols.web").joinpath("static", name).read_bytes()
    squeezed = ask(chat, "GET", path, "Accept-Encoding: gzip, br")
    assert squeezed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(squeezed.body) == plain.body
    again = ask(chat, "GET", path, f"If-None-Match: {plain.headers['etag']}")
    assert (again.status, again.body) == (304, b"")
    head = ask(chat, "HEAD", path)
    assert (head.status, int(head.headers["content-length"])) == (200, len(plain.body))


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/../jsonl.py", 404, "not-found"),
        ("GET", "/index.html%00.css", 404, "not-found"),
        ("POST", "/", 405, "wrong-method"),
        ("OPTIONS", "/", 405, "wrong-method"),
        ("DELETE", "/rooms/lobby", 405, "wrong-method"),
        ("GET", "/ws", 426, "upgrade-needed"),
    ],
)
def test_what_is_not_there_is_told_in_one_object(method: str, path: str, status: int, code: str) -> None:
    """And nothing of a request is chat, its body least of all."""
    chat = Chat()
    answer = ask(chat, method, path, body=b"Eve\nhello\n" if method == "POST" else b"")
    assert (answer.status, answer.object["code"]) == (status, code)
    assert ("allow" in answer.headers) is (status == 405)
    assert nobody_came(chat)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nEve\r\nhello\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"x\r\n\r\n",
        b"GET /\r\nEve\r\nhello\r\n\r\n",
        b"CONNECT host:443 HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/TCP nm\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"x%d: y\r\n" % number for number in range(200)) + b"\r\n",
        b"GET /" + b"x" * 20000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    ],
)
def test_what_is_no_proper_request_is_refused(data: bytes) -> None:
    """With a status, or by the end of the connection; never with a traceback, and nothing of it is chat."""
    chat = Chat()
    client = chat.connect()
    client.send_bytes(data)
    chat.turn()
    got = client.transport.received
    assert client.closed or got.startswith(b"HTTP/1.1 4")
    assert b"500" not in got[:20]
    assert nobody_came(chat)


@pytest.mark.parametrize("protocols", [["web"], ["web", "line"]])
def test_a_port_for_the_page_alone(protocols: list[str]) -> None:
    """The page is served there, too, and what is no request is not."""
    chat = Chat(protocols=protocols)
    assert ask(chat, "GET", "/").status == 200


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        (b"localhost:5555", True),
        (b"127.0.0.1", True),
        (b"[::1]:5555", True),
        (b"10.1.2.3:5555", True),
        (b"chatbox:5555", True),
        (b"chatbox.local", True),
        (b"chat.example.org:5555", True),
        (b"CHAT.example.org", True),
        (b"evil.example:5555", False),
        (b"chat.example.org.evil.example", False),
        (b"", True),
        (b"evil.example.", False),
        (b"\xff.example", False),
    ],
)
def test_names_by_which_browsers_may_reach_us(host: bytes, ours: bool) -> None:
    """Any page's site can lead to our address, but only by a name that it has."""
    assert is_ours(host, ("chat.example.org",)) is ours


def test_the_page_of_a_name_that_is_not_ours() -> None:
    """It is told what to do if it is one."""
    chat = Chat(Config(web_name=("chat.example.org",)))
    evil, good = (
        b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n" for host in (b"evil.example", b"chat.example.org")
    )
    for data, status in ((evil, 403), (good, 200)):
        client = chat.connect()
        client.send_bytes(data)
        (answer,) = answers(client)
        assert answer.status == status
        assert (b"--web-name" in answer.body) is (status == 403)
        assert client.closed


def test_a_connection_is_used_again_and_requests_may_be_sent_ahead() -> None:
    """Each is answered in its turn, in their order, and byte by byte as well as at once."""
    chat = Chat()
    client = chat.connect()
    both = request("GET", "/nothing") + request("GET", "/")
    client.send_bytes(both)
    chat.turn()
    assert [one.status for one in answers(client)] == [404, 200]
    for byte in both:
        client.send_bytes(bytes([byte]))
        chat.turn()
    assert [one.status for one in answers(client)] == [404, 200]


def test_many_requests_at_once_are_held_to_the_rate() -> None:
    """Each has a turn of its own, and after the burst there are so many a second."""
    chat = Chat(Config())
    client = chat.connect()
    client.send_bytes(request("GET", "/nothing") * 300)
    assert len(answers(client)) == 1
    chat.turn()
    assert 190 < len(answers(client)) < 210
    assert client.transport.producerState == "paused"
    for _ in range(10):
        chat.clock.advance(0.1)
        chat.turn()
    assert 40 < len(answers(client)) < 60


def test_answers_that_nobody_takes_do_not_gather() -> None:
    """Whoever asks and asks and does not read is asked no more either, and is cut off."""
    chat = Chat()
    client = chat.connect()
    client.transport.stop_reading()
    client.send_bytes(request("GET", "/") * 2000)
    chat.turn()
    assert len(client.transport.value()) < 200_000
    chat.clock.advance(16.0)
    chat.clock.advance(6.0)
    assert client.transport.disconnected


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nA: ", request("POST", "/", body=b"x" * 9)[:-1]]
)
def test_a_request_has_to_come_whole_in_time(sent: bytes) -> None:
    """However it is dribbled: a byte each second gives no more time. After an answer there is as much again."""
    chat = Chat(protocols=["web"])
    client = chat.connect()
    client.send_bytes(request("GET", "/nothing"))
    chat.clock.advance(10)
    assert [one.status for one in answers(client)] == [404]
    for at in range(20):
        client.send_bytes(sent[at : at + 1])
        chat.clock.advance(1.0)
    assert client.closed


def test_who_sends_no_more_is_answered_what_was_asked() -> None:
    """Half close, as of nc -N: right after the request, or before the second of two is answered."""
    chat = Chat()
    client = chat.connect()
    client.send_bytes(request("GET", "/nothing") * 2)
    client.end_input()
    chat.turn()
    assert [one.status for one in answers(client)] == [404, 404]
    assert client.closed


def test_a_bug_is_noted_under_a_number_and_nothing_of_the_request_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for the client; the log has the case and what went wrong, no address and no header."""
    chat = Chat()
    monkeypatch.setattr("twisted_chat.protocols.web.static_files.load", lambda: None)
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr("twisted_chat.protocols.web.request.WebRequest.log", Noted(seen))
    answer = ask(chat, "GET", "/secret-path", "Authorization: Bearer secret-token")
    assert (answer.status, answer.object["code"]) == (500, "internal-error")
    assert seen[0]["case"] in answer.object["text"]
    assert "secret" not in json.dumps(seen, default=str)


class Noted:
    """A Logger that remembers."""

    def __init__(self, seen: list[dict[str, Any]]) -> None:
        self.seen = seen

    def failure(self, template: str, failure: Any, **fields: Any) -> None:
        """What a request calls."""
        self.seen.append({"template": template, "failure": failure.getErrorMessage()} | fields)


def test_whoever_goes_leaves_nothing_behind() -> None:
    """In the middle of a request, between two, and while an answer waits to be read: no timer is left."""
    chat = Chat()
    waiting = len(chat.clock.getDelayedCalls())
    for data in (
        b"GET / HT",
        request("GET", "/"),
        request("GET", "/") * 3,
        request("POST", "/", "Expect: 100-continue", body=b"x"),
    ):
        client = chat.connect()
        client.send_bytes(data)
        client.vanish()
    assert len(chat.clock.getDelayedCalls()) == waiting
