"""The WebSocket: the protocol for programs in messages, and what a hostile client of it may cost."""

import json
import os
import struct
import zlib

import pytest
from browsers import HANDSHAKE, HOST, WebClient
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from twisted_chat.config import Config
from twisted_chat.protocols.framing import NoLineEnd
from twisted_chat.protocols.web.websocket import PING_SECONDS, SILENCE_SECONDS
from twisted_chat.protocols.web.websocket_frames import MessageReader, text_frame
from twisted_chat.testing import Chat

TEXT, CONTINUATION, PING, CLOSE = 1, 0, 9, 8


def frame(kind: int, payload: bytes, *, final: bool = True, mask: int = 1, says: int | None = None, bits: int = 0) -> bytes:
    """A frame as a client sends it, or as none should; ``says`` is the length that stands in it."""
    size = len(payload) if says is None else says
    short, length = (
        (size, b"") if size < 126 else (126, struct.pack(">H", size)) if size < 65536 else (127, struct.pack(">Q", size))
    )
    head = bytes([final << 7 | bits << 4 | kind, mask << 7 | short]) + length
    key = os.urandom(4) if mask else b""
    return head + key + (bytes(byte ^ key[at % 4] for at, byte in enumerate(payload)) if mask else payload)


def messages(reader: MessageReader, *pieces: bytes) -> list[bytes]:
    """What comes out when these bytes go in, but for the empty lines."""
    found = []
    for piece in pieces:
        reader.feed(piece)
        while (line := reader.next()) is not None:
            found.append(line)
    return [line for line in found if line]


# The reader of messages


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(max_size=300), max_size=6), st.lists(st.integers(1, 50), min_size=1), st.data())
def test_however_the_bytes_are_cut_the_same_messages_come_out(texts: list[str], sizes: list[int], data: st.DataObject) -> None:
    """Messages in one frame or in several, with pings between them, as wsproto's own client sends them."""
    client, sent, whole = Connection(ConnectionType.CLIENT), b"", []
    for text in texts:
        at = data.draw(st.integers(0, len(text)))
        sent += client.send(TextMessage(text[:at], message_finished=False)) + client.send(Ping(b"p"))
        sent += client.send(TextMessage(text[at:]))
        whole.append(text.encode())
    cuts, at = [], 0
    while at < len(sent):
        size = sizes[len(cuts) % len(sizes)]
        cuts.append(sent[at : at + size])
        at += size
    reader = MessageReader(16384)
    assert messages(reader, *cuts) == [text for text in whole if text]
    assert reader.replies() == Connection(ConnectionType.SERVER).send(Pong(b"p")) * len(texts)
    assert len(reader) == 0


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=300))
def test_any_bytes_are_messages_or_the_end(data: bytes) -> None:
    """Nothing raises but what a connection knows of, and after the end nothing comes out."""
    reader = MessageReader(1000)
    try:
        messages(reader, data)
    except NoLineEnd:
        assert reader.code == 1009
    if reader.code is not None:
        reader.feed(frame(TEXT, b"more"))
        assert reader.next() is None


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=70000))
def test_a_message_of_ours_is_one_frame(text: str) -> None:
    """As wsproto's client reads it, whatever its length."""
    client = Connection(ConnectionType.CLIENT)
    payload = text.encode("utf-8", "replace")
    client.receive_data(text_frame(payload))
    events = list(client.events())
    assert "".join(event.data for event in events).encode() == payload
    assert events[-1].message_finished


@pytest.mark.parametrize("size", [125, 126, 65535, 65536])
def test_the_lengths_where_the_head_changes(size: int) -> None:
    """One, two, or eight bytes."""
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(text_frame(b"x" * size))
    assert sum(len(event.data) for event in client.events()) == size


@pytest.mark.parametrize(
    "sent",
    [
        frame(TEXT, b"", final=False) + frame(CONTINUATION, b"", final=False) * 3000,
        frame(TEXT, b"x" * 20000, says=1 << 30),
    ],
)
def test_a_message_without_an_end_is_read_no_further_than_a_message_may_be(sent: bytes) -> None:
    """In empty pieces without end, or in a frame that says it has a gigabyte."""
    reader = MessageReader(16384)
    with pytest.raises(NoLineEnd, match="at most 16384 bytes"):
        for at in range(0, 16384 + 1100, 1000):
            messages(reader, sent[at : at + 1000])


# A connection


def hello(chat: Chat, name: str = "Al") -> WebClient:
    """Somebody who has come in by the page."""
    client = WebClient(chat)
    client.send({"type": "hello", "name": name})
    assert client.objects("welcome")
    return client


def test_the_page_talks_with_a_terminal() -> None:
    """What is said is shown, also live; one's own too, then its receipt. Who asks is told how each came in."""
    chat = Chat()
    ann, al = chat.enter("Ann"), hello(chat)
    ann.lines()
    al.send({"type": "say", "text": "hi ✓", "id": "1"})
    assert [one["type"] for one in al.objects()] == ["said", "receipt"]
    assert ann.lines() == ["[12:01] <Al> hi ✓"]
    ann.send("hello Al", "/who")
    assert [one["text"] for one in al.objects("said")] == ["hello Al"]
    assert "Al (browser)" in ann.lines()[-1]
    assert [one["type"] for one in al.objects()] == []


def test_what_follows_the_handshake_at_once_is_read() -> None:
    """A client need not wait for the answer (none of the browsers does not, but programs may)."""
    chat = Chat()
    client = chat.connect()
    client.send_bytes(HANDSHAKE + Connection(ConnectionType.CLIENT).send(TextMessage('{"type":"hello","name":"Al"}')))
    chat.turn()
    assert list(chat.hub.people) == ["al"]


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"Upgrade: websocket\r\n", b"", 426),
        (b"keep-alive, Upgrade", b"keep-alive", 426),
        (b"Version: 13", b"Version: 8", 426),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"eA==", 400),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"?", 400),
        (b"Upgrade: websocket\r\n", b"Upgrade: websocket\r\nOrigin: http://evil.example\r\n", 403),
        (b"Upgrade: websocket\r\n", b"Upgrade: websocket\r\nOrigin: null\r\n", 403),
        (b"Upgrade: websocket\r\n", b"Upgrade: websocket\r\nOrigin: http://localhost:5556\r\n", 403),
        (b"Upgrade: websocket\r\n", b"Upgrade: websocket\r\nOrigin: https://localhost:5555\r\n", 403),
        (HOST, b"Host: evil.example\r\nOrigin: http://evil.example\r\n", 403),
        (b"GET", b"POST", 405),
        (b"Upgrade: websocket\r\n", b"Upgrade: websocket\r\nOrigin: http://localhost:5555\r\n", 101),
    ],
)
def test_who_may_open_a_websocket(old: bytes, new: bytes, status: int) -> None:
    """A page of ours, or a program; not another site's page, whatever name that has for us."""
    chat = Chat()
    client = chat.connect()
    assert HANDSHAKE.count(old) == 1
    client.send_bytes(HANDSHAKE.replace(old, new))
    assert client.transport.received.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize(
    ("attack", "code", "reason"),
    [
        (frame(TEXT, b"x" * 20000), 1009, "A message has at most 16384 bytes. Goodbye."),
        (frame(TEXT, b"x" * 30000, says=1 << 30), 1009, "A message has at most 16384 bytes. Goodbye."),
        (frame(TEXT, b"{}", mask=0), 1002, "That is not WebSocket. Goodbye."),
        (frame(TEXT, zlib.compress(b"x" * 10**6), bits=4), 1002, "That is not WebSocket. Goodbye."),
        (frame(CONTINUATION, b"{}"), 1002, "That is not WebSocket. Goodbye."),
        (frame(TEXT, b"\xff"), 1007, "A message has to be UTF-8. Goodbye."),
        (frame(PING, b"x" * 126), 1002, "That is not WebSocket. Goodbye."),
        (frame(3, b""), 1002, "That is not WebSocket. Goodbye."),
        (frame(2, b"{}"), 1003, "A message has to be text. Goodbye."),
        (frame(CLOSE, struct.pack(">H", 1001)), 1001, ""),
        (frame(CLOSE, b"x"), 1002, "That is not WebSocket. Goodbye."),
    ],
)
def test_what_breaks_the_rules_ends_the_connection_in_its_words(attack: bytes, code: int, reason: str) -> None:
    """With a close frame that says why, and the others go on; what comes after it is not read."""
    chat = Chat()
    ann, al = chat.enter("Ann"), hello(chat)
    al.client.send_bytes(attack + frame(TEXT, b'{"type":"say","text":"after"}'))
    chat.turn()
    closing = [json.loads(event.data)["text"] for event in al.events() if isinstance(event, TextMessage)]
    assert al.client.closed
    assert al.code == code
    assert closing[-1:] == ([reason] if reason else [])
    ann.send("well")
    al.client.vanish()
    assert "after" not in "".join(ann.lines())
    assert list(chat.hub.people) == ["ann"]


def test_pings_are_answered_and_a_flood_of_them_is_held_to_the_rate() -> None:
    """As fast as messages might come, and no faster."""
    chat = Chat(Config())
    al = hello(chat)
    al.client.send_bytes(frame(PING, b"x") * 1000)
    chat.turn()
    assert 190 <= sum(isinstance(event, Pong) for event in al.events()) <= 200
    chat.clock.advance(1.0)
    chat.turn()
    assert sum(isinstance(event, Pong) for event in al.events()) <= 60


def test_the_server_pings_and_notices_who_has_gone() -> None:
    """Whoever answers stays; a connection that is not heard of is cut off, and its name held for it as ever."""
    chat = Chat()
    al, bo = hello(chat), hello(chat, "Bo")
    for _ in range(int(2 * SILENCE_SECONDS / 5)):
        chat.clock.advance(5.0)
        for event in al.events():
            if isinstance(event, Ping):
                al.client.send_bytes(al.frames.send(event.response()))
    pings = [event for event in bo.events() if isinstance(event, Ping)]
    assert 1 < len(pings) <= SILENCE_SECONDS / PING_SECONDS
    assert not al.client.closed
    assert bo.client.transport.disconnected


def test_who_gives_no_name_has_a_minute() -> None:
    """Also whoever answers each ping."""
    chat = Chat(Config())
    client = WebClient(chat)
    chat.clock.pump([5.0] * 14)
    assert client.client.closed
    assert client.objects("error")[-1]["text"].startswith("You gave no name for 60 seconds.")


def test_a_page_that_takes_nothing_costs_no_memory_and_misses_nothing() -> None:
    """It is a reader of the log as everybody is, in whole frames."""
    chat = Chat()
    ann, al = chat.enter("Ann"), hello(chat)
    al.client.transport.stop_reading()
    for number in range(100):
        ann.send(f"{number:03}".ljust(4000, "x"))
    assert len(al.client.transport.value()) < 200_000
    al.client.transport.read_on()
    chat.turn()
    data, al.client.transport.received = al.client.transport.received, b""
    al.frames.receive_data(data)
    whole = "".join(
        event.data + "\n" * event.message_finished for event in al.frames.events() if isinstance(event, TextMessage)
    )
    said = [json.loads(line) for line in whole.splitlines()]
    assert [int(one["text"][:3]) for one in said if one["type"] == "said"] == list(range(100))


def test_the_end_of_the_server_is_told() -> None:
    """A word, a close frame, and what was sent before is receipted."""
    chat = Chat()
    al = hello(chat)
    al.client.send_bytes(al.frames.send(TextMessage('{"type":"say","text":"last","id":"9"}')))
    for connection in tuple(chat.connections):
        connection.finish("Server is shutting down")
    chat.turn()
    events = al.events()
    types = [json.loads(event.data)["type"] for event in events if isinstance(event, TextMessage)]
    assert types == ["said", "receipt", "error"]
    assert isinstance(events[-1], CloseConnection)
    assert not any(isinstance(event, BytesMessage) for event in events)
