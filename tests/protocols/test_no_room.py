"""Whoever finds no room is told so in the words of their protocol, and that costs the server next to nothing."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tls_client import credentials
from twisted.internet.address import IPv4Address

from twisted_chat.config import Config
from twisted_chat.core.rate_limits import Numbers, Often
from twisted_chat.net.connection_limits import Full, Gate
from twisted_chat.protocols.detect.no_room import MOST_A_SOURCE, MOST_AT_ONCE
from twisted_chat.protocols.registry import PROTOCOLS, port_factory
from twisted_chat.testing import Chat, Client

HERE, ELSEWHERE = "198.51.100.7", "198.51.100.8"
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
TLS_HELLO = bytes.fromhex("16030100c4010000c00303") + bytes(190)


def is_http(data: bytes) -> bool:
    """Status 503, with a page that no cache keeps, whole."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    length = next(int(line.split(b": ")[1]) for line in lines if line.startswith(b"Content-Length"))
    assert lines[0] == b"HTTP/1.1 503 Service Unavailable"
    return {b"Retry-After: 10", b"Cache-Control: no-store", b"Connection: close"} <= set(lines) and len(body) == length > 0


def is_json(data: bytes) -> bool:
    """One error object."""
    told = json.loads(data)
    return (told["type"], told["code"]) == ("error", "closing") and bool(told["text"])


SPEAKERS: dict[str, tuple[bytes, Callable[[bytes], bool]]] = {
    "curl": (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", is_http),
    "a script": (b"POST /rooms/ops HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi", is_http),
    "a browser's WebSocket": (UPGRADE, is_http),
    "JSON": (b'{"type":"hello","name":"Al"}\n', is_json),
    "IRC": (b"NICK al\r\nUSER al 0 * :Al\r\n", lambda data: data.startswith(b"ERROR :") and data.endswith(b"\r\n")),
    "SSH": (b"SSH-2.0-OpenSSH_9.2p1\r\n", lambda data: data.startswith(b"SSH-2.0-") and b"\x01" in data),
    "TLS": (TLS_HELLO, lambda data: data.startswith(b"\x15\x03") and len(data) == 7),
    "telnet": (b"\xff\xfd\x03", lambda data: data.startswith(b"-> ") and data.endswith(b"\r\n")),
    "a person who is silent": (b"", lambda data: data.startswith(b"-> ") and data.endswith(b"\r\n")),
    "a person who types": (b"Ann\r\n", lambda data: data.startswith(b"-> ") and data.endswith(b"\r\n")),
}
REASONS = {
    "full": {"most_connections": 1},
    "address": {"per_address": 1},
    "nameless": {"unnamed_per_address": 1},
    "often": {"new_per_address": Often(1, 600.0)},
}


def refusing(reason: str, folder: Path) -> Chat:
    """A chat where the next connection finds no room, for this reason."""
    chat = Chat(replace(Config(), **REASONS[reason]), credentials=credentials(folder))
    chat.connect("detect", HERE)
    return chat


@pytest.mark.parametrize("reason", list(REASONS))
@pytest.mark.parametrize("who", list(SPEAKERS))
def test_whoever_finds_no_room_is_told_in_their_own_words(who: str, reason: str, tmp_path: Path) -> None:
    """For each reason, by each protocol; whole, or a byte at a time."""
    first, understood = SPEAKERS[who]
    chat = refusing(reason, tmp_path)
    for pieces in ([first], [bytes([byte]) for byte in first]):
        client = chat.connect("detect", HERE)
        for piece in pieces:
            client.send_bytes(piece)
        chat.clock.advance(chat.config.grace)
        assert understood(client.transport.received), client.transport.received
        chat.clock.advance(1)
        assert client.closed
        client.vanish()
    assert set(chat.gate.refused) == {reason}


@pytest.mark.parametrize(("words", "who"), [("web", "curl"), ("json", "JSON"), ("irc", "IRC"), ("ssh", "SSH")])
def test_where_one_protocol_is_spoken_the_silent_are_told_in_its_words(words: str, who: str) -> None:
    """There everybody is taken to speak it."""
    chat = Chat(replace(Config(), per_address=1))
    factory = port_factory(chat.frame, frozenset({words}))
    clients = [Client(chat, factory.buildProtocol(IPv4Address("TCP", HERE, 1)), HERE) for _ in range(2)]
    chat.clock.advance(chat.config.grace)
    assert SPEAKERS[who][1](clients[1].transport.received)


@given(st.lists(st.tuples(st.sampled_from((HERE, ELSEWHERE)), st.binary(max_size=20)), min_size=1, max_size=120))
@settings(max_examples=30, deadline=None)
def test_those_who_are_refused_cost_next_to_nothing(tried: list[tuple[str, bytes]]) -> None:
    """Few are waited for at once, in all and from one address; no more than the first bytes are held; all come to an end."""
    chat = Chat(replace(Config(), most_connections=1))
    chat.connect("detect", HERE)
    clients = []
    for address, data in tried:
        client = chat.connect("detect", address)
        client.send_bytes(data * 400)
        clients.append(client)
        held = [one.transport.protocol for one in clients if not one.closed]
        assert len(held) <= MOST_AT_ONCE
        assert all(len(one._first) <= 2 * 1024 for one in held)
        assert all(sum(one._source == source for one in held) <= MOST_A_SOURCE for source in (HERE, ELSEWHERE))
    for seconds in (chat.config.grace, 1, chat.config.closing_seconds):
        chat.clock.advance(seconds)
    assert all(client.closed for client in clients)
    assert all(client.transport.received for client in clients)
    for client in clients:
        client.vanish()
    client = chat.connect("detect", ELSEWHERE)
    client.send_bytes(b"GET / HTTP/1.1\r\n\r\n")
    assert is_http(client.transport.received)


def test_thirty_people_behind_one_address_come_in_by_browser() -> None:
    """Each opens the page with seven connections, one of which becomes theirs; the others give way when one is needed."""
    chat = Chat(Config())
    for number in range(30):
        for _ in range(6):
            client = chat.connect("detect", HERE)
            client.send_bytes(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            chat.turn()
            assert client.transport.received.startswith(b"HTTP/1.1 200 ")
        person = chat.connect("detect", HERE)
        person.send({"type": "hello", "name": f"Guest{number}"})
        assert f"Guest{number}" in "\n".join(person.lines())
    assert chat.hub.named == 30
    assert not chat.gate.refused


def test_a_request_that_is_worked_off_does_not_give_way() -> None:
    """Only a connection that waits for what may be asked next is closed for another."""
    chat = Chat(replace(Config(), unnamed_per_address=1))
    client = chat.connect("detect", HERE)
    client.send_bytes(b"GET / HTTP/1.1\r\nHost: loc")
    chat.turn()
    assert chat.connect("detect", HERE).transport.protocol is not client.transport.protocol
    assert not client.closed
    client.send_bytes(b"alhost\r\n\r\n")
    chat.turn()
    assert b" 200 OK" in client.transport.received
    assert not client.closed
    chat.connect("detect", HERE).send("Ann")
    assert client.closed


def test_sixteen_of_an_addresss_connections_have_no_name() -> None:
    """Who gives a name makes room for another who has none yet, and takes it back by leaving."""
    gate = Gate(Numbers(per_address=64, unnamed=2), (), lambda: 0, lambda: 0.0)
    chat = Chat(Config(), protocols=PROTOCOLS)
    assert (chat.config.per_address, chat.config.unnamed_per_address) == (64, 16)
    clients = [chat.connect("detect", HERE) for _ in range(16)]
    with pytest.raises(Full, match="without a name"):
        chat.gate.enter(HERE, 0.0)
    chat.gate.enter(ELSEWHERE, 0.0)
    clients[0].send("Ann")
    chat.gate.enter(HERE, 0.0).release()
    clients[0].send("/nick Anna")
    chat.gate.enter(HERE, 0.0).release()
    clients[0].send("/quit")
    with pytest.raises(Full, match="without a name"):
        chat.gate.enter(HERE, 0.0)
    clients[0].vanish()
    chat.gate.enter(HERE, 0.0)
    assert [gate.enter(HERE, 0.0) and None for _ in range(2)] == [None, None]
    with pytest.raises(Full, match="2 are allowed"):
        gate.enter(HERE, 0.0)
