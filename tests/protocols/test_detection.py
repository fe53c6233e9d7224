"""One port: first bytes choose, and what is not spoken is turned away in its own words and is never chat."""

import json
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL
from tls_client import Encrypted, credentials
from twisted.internet.abstract import FileDescriptor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.python.log import addObserver, removeObserver

from twisted_chat.config import Config, Limits
from twisted_chat.net.tcp import unsent_bytes
from twisted_chat.net.tls import TlsFactory
from twisted_chat.protocols.detect import detector, signatures
from twisted_chat.protocols.detect.detector import HANDSHAKE_SECONDS
from twisted_chat.protocols.detect.rejections import in_ssh
from twisted_chat.protocols.registry import PROTOCOLS, ROWS
from twisted_chat.testing import Chat, Client

GREETING = "Welcome to the chat server! What's your name?"
TLS_HELLO = bytes.fromhex("16030100c4010000c00303") + bytes(190)
# A port where little is spoken.
LITTLE = frozenset({"line", "json", "tls"})
# What clients of other protocols send first, and how the answer begins that each understands.
FOREIGN = {
    "curl": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 501 "),
    "a form": (b"POST /talk HTTP/1.1\r\nContent-Length: 9\r\n\r\nEve\nhello\n", b"HTTP/1.1 501 "),
    "a proxy's client": (b"CONNECT host:443 HTTP/1.1\r\n\r\n", b"HTTP/1.1 501 "),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"HTTP/1.1 501 "),
    "SIP": (b"OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/TCP nm\r\n\r\n", b"HTTP/1.1 501 "),
    "ssh": (b"SSH-2.0-OpenSSH_9.2p1\r\n", b"SSH-2.0-"),
    "irssi": (b"CAP LS 302\r\nNICK eve\r\nUSER eve eve x :Eve\r\n", b"ERROR :IRC is not spoken here."),
    "an IRC bot": (b"NICK eve\r\nUSER eve 0 * :Eve\r\nJOIN #lobby\r\n", b"ERROR :"),
    "IRC with a source": (b":eve!e@h NICK eve\r\n", b"ERROR :"),
    "IRC with tags": (b"@time=1;x=y PASS secret\r\n", b"ERROR :"),
    "HAProxy, version 1": (b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nEve\r\n", b"-> The PROXY protocol is not spoken here."),
    "HAProxy, version 2": (b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0cEve\nhello\n", b"-> The PROXY protocol is not spoken here."),
    "redis": (b"*1\r\n$4\r\nPING\r\n", b"-ERR Redis is not spoken here."),
    "TLS": (TLS_HELLO, b"\x15\x03\x01\x00\x02\x02\x28"),
    "RDP": (bytes.fromhex("0300002b26e00000000000436f6f6b69653a"), b"-> What is not text is not spoken here."),
    "SMB": (bytes.fromhex("00000045ff534d4272000000"), b"-> What is not text is not spoken here."),
    "SOCKS": (b"\x05\x01\x00", b"-> What is not text"),
    "PostgreSQL": (struct.pack(">II", 8, 80877103), b"-> What is not text"),
}


def all_said(chat: Chat) -> bool:
    """Whether anybody has a name, or anything has been said."""
    return bool(chat.hub.people) or chat.hub.log.newest > 0


def whole(client: Client, data: bytes) -> None:
    """All at once."""
    client.send_bytes(data)


def bytewise(client: Client, data: bytes) -> None:
    """A byte at a time, 50 ms between them, until the other end is done with it. They span the greeting."""
    for byte in data:
        if not client.closed:
            client.send_bytes(bytes([byte]))


@pytest.mark.parametrize("send", [whole, bytewise])
@pytest.mark.parametrize("who", FOREIGN)
def test_who_speaks_something_else_is_told_so_and_nothing_of_it_is_chat(who: str, send: object) -> None:
    """The answer is in the client's own protocol, the connection is closed within a second, and nobody has come in."""
    chat, (data, words) = Chat(protocols=LITTLE), FOREIGN[who]
    client = chat.connect()
    send(client, data)  # type: ignore[operator]
    chat.turn()
    assert client.transport.received.startswith(words)
    assert b"nc 10.0.0.1 12345" in client.transport.received or who == "TLS"
    client.send_bytes(b"Eve\nhello\n")
    chat.clock.advance(1.0)
    assert client.closed
    assert not all_said(chat)
    assert sum(chat.frame.refused.values()) == 1
    chat.clock.advance(5.0)
    assert client.transport.disconnected, "a peer that never closes is cut off"


@pytest.mark.parametrize("who", FOREIGN)
def test_a_byte_every_50_ms(who: str) -> None:
    """However slowly the first bytes come, also across the greeting: the connection ends, and none of it is chat."""
    chat, (data, _) = Chat(protocols=LITTLE), FOREIGN[who]
    client = chat.connect()
    for byte in data:
        if client.closed:
            break
        client.send_bytes(bytes([byte]))
        chat.clock.advance(0.05)
    chat.clock.advance(1.0)
    assert client.closed
    assert not all_said(chat)


@pytest.mark.parametrize(
    "name", ["Get", "GET", "Put", "OPTIONS", "Proxy", "PROXY", "Nicky", "QUIT1", "Cap", "SSH", "Connect", "PING"]
)
@pytest.mark.parametrize("pause", [0.0, 0.05, 1.0])
def test_a_person_may_be_called_like_a_word_of_a_protocol(name: str, pause: float) -> None:
    """Typed by hand, at once or slowly, before the greeting or across it."""
    chat = Chat()
    client = chat.connect()
    for character in f"{name}\r\n":
        client.send_bytes(character.encode())
        chat.clock.advance(pause)
    chat.turn()
    assert f"Hello {name}, you are now connected!" in client.lines()


def test_enter_before_the_name_is_no_proxy_header() -> None:
    """Line ends alone could be the beginning of one."""
    chat = Chat()
    client = chat.connect()
    client.send_bytes(b"\r\n\r\n")
    chat.clock.advance(0.3)
    assert client.lines() == [GREETING]
    client.send("Simran")
    assert client.lines() == ["Hello Simran, you are now connected!"]


@given(
    st.one_of(
        st.sampled_from([data for data, _ in FOREIGN.values()]), st.binary(max_size=40), st.text(max_size=40).map(str.encode)
    )
)
def test_no_two_rows_fit_the_same_bytes_and_none_waits_for_ever(data: bytes) -> None:
    """The order of rows is no matter; an answer once given stays; memory is bounded."""
    assert sum(row.fits(data) is True for row in ROWS) <= 1
    for row in ROWS:
        answers = [row.fits(data[:length]) for length in range(1, len(data) + 1)]
        decided = [answer for answer in answers if answer is not None]
        assert len(set(decided)) <= 1
        assert answers == [None] * (len(answers) - len(decided)) + decided
        assert row.fits(data + b"x" * signatures.LONGEST) is not None


def test_random_first_bytes_never_hang_and_never_raise() -> None:
    """10,000 connections that send noise: nothing is logged as an error, and each is open as a person's or has ended."""
    chat, noise = Chat(), random.Random(6)
    logged: list[dict[str, object]] = []
    addObserver(logged.append)
    try:
        for _ in range(10_000):
            client = chat.connect()
            data = noise.randbytes(noise.randint(1, 40))
            cut = noise.randint(0, len(data))
            client.send_bytes(data[:cut] or data)
            if data[cut:] and cut and not client.closed:
                client.send_bytes(data[cut:])
            chat.clock.advance(0.3)
            person = client.transport.protocol in chat.connections or client.lines() == [GREETING]
            assert person or client.closed or client.transport.received == b""
            client.vanish()
    finally:
        removeObserver(logged.append)
    assert not [event for event in logged if event.get("isError")]
    assert not chat.frame.undecided
    chat.clock.advance(10)
    assert chat.gate.taken == 0


def test_what_ssh_is_told_is_a_packet() -> None:
    """RFC 4253, 6: length, padding of at least 4, all a multiple of 8."""
    for length in range(40):
        packet = in_ssh("x" * length).partition(b"\r\n")[2]
        size, padding = struct.unpack(">IB", packet[:5])
        assert size + 4 == len(packet)
        assert len(packet) % 8 == 0
        assert 4 <= padding < 20


def test_after_the_greeting_only_who_can_read_past_it_is_taken_over() -> None:
    """A program is; a browser would take the greeting for the answer: the connection ends without another word."""
    chat = Chat()
    program, browser = chat.connect(), chat.connect()
    chat.clock.advance(0.3)
    program.send({"type": "hello", "name": "Al"})
    browser.send_bytes(b"POST / HTTP/1.1\r\n\r\nEve\nhi\n")
    chat.clock.advance(0.5)
    assert '"type":"welcome"' in program.lines()[1]
    assert sorted(chat.hub.people) == ["al"]
    assert browser.lines() == [GREETING]
    assert browser.closed


# What is spoken where


def test_a_port_for_people_alone_greets_at_once_and_still_knows_the_others() -> None:
    """There is nobody to wait for; but an HTTP request is no chat there either."""
    chat = Chat(protocols=["line"])
    person, program, browser = (chat.connect() for _ in range(3))
    assert person.lines() == [GREETING]
    program.send({"type": "hello", "name": "Al"})
    assert json.loads(program.lines()[-1])["text"].startswith("JSON is not spoken here.")
    browser.send_bytes(b"GET / HTTP/1.1\r\n\r\n")
    chat.clock.advance(0.5)
    assert browser.closed
    assert not all_said(chat)


def test_a_port_for_programs_alone() -> None:
    """A program need not wait, and is told in its own protocol what is wrong; nobody is asked for a name."""
    chat = Chat(protocols=["json"])
    program, person = chat.connect(), chat.connect()
    program.send({"type": "hello", "name": "Al"})
    assert program.objects("welcome")
    person.send("Simran")
    assert [one["code"] for one in person.objects()] == ["bad-request"]
    assert list(chat.hub.people) == ["al"]


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_all_is_spoken_inside_tls(version: int, tmp_path: Path) -> None:
    """A person who waits, a program, and an HTTP client: told apart once more; and it is known that they are encrypted."""
    chat = Chat(credentials=credentials(tmp_path))
    person, program, browser = (Encrypted(chat, version).shake_hands() for _ in range(3))
    for client in (person, program, browser):
        client.flush()
    program.send('{"type":"hello","name":"Al"}')
    browser.send_bytes(b"GET / HTTP/1.1\r\n\r\n")
    assert person.lines() == []
    chat.clock.advance(detector.BROWSERS_SECONDS)  # all have one address, and a browser is there
    assert person.lines() == [GREETING]
    person.send("Simran")
    assert "Hello Simran, you are now connected!" in person.lines()
    assert '"type":"welcome"' in program.lines()[0]
    answer = browser.lines()
    assert answer[0] == "HTTP/1.1 400 Bad Request"
    assert answer[-1] == '{"type":"error","code":"bad-request","text":"A request must have exactly one Host header."}'
    assert [session.way.encrypted for sessions in chat.hub.people.values() for session in sessions] == [True, True]
    person.send("/whois Al")
    assert "-> by JSON, encrypted, silent for 2 s" in person.lines()


def test_the_handshake_a_byte_at_a_time(tmp_path: Path) -> None:
    """The ClientHello may be cut anywhere."""
    chat = Chat(credentials=credentials(tmp_path))
    client = Encrypted(chat)
    bytewise(client.raw, client.hello())
    assert client.raw.transport.received


def test_a_client_behind_400_ms_is_told_apart_inside_tls_1_2(tmp_path: Path) -> None:
    """It speaks a round trip after the server has seen the end of the handshake: later than a grace by itself."""
    chat = Chat(credentials=credentials(tmp_path))
    client = Encrypted(chat, SSL.TLS1_2_VERSION)
    client.raw.send_bytes(client.hello())
    client.lines()
    chat.clock.advance(0.4)
    client._shake()
    client.flush()
    chat.clock.advance(0.4)
    client._take_in()
    assert client._shake()
    client.send_bytes(b'{"type":"hello","name":"Al"}\n')
    chat.turn()
    assert '"type":"welcome"' in client.lines()[0]


@pytest.mark.parametrize("hello", [b"\x16\x03\x01", None])
def test_a_handshake_that_is_not_finished_ends(hello: bytes | None, tmp_path: Path) -> None:
    """After the time-out, and without a greeting or a log entry."""
    chat = Chat(credentials=credentials(tmp_path))
    client = Encrypted(chat)
    client.raw.send_bytes(hello or client.hello())
    chat.clock.advance(HANDSHAKE_SECONDS - 0.1)
    assert not client.raw.transport.disconnected
    chat.clock.advance(0.1)
    assert client.raw.transport.disconnected


@pytest.mark.parametrize("offering", [(b"h2", b"http/1.1"), (b"irc",), (b"imap",), ()])
def test_whatever_is_offered_by_alpn_the_handshake_succeeds(offering: tuple[bytes, ...], tmp_path: Path) -> None:
    """Twisted's own answer would fail for all who offer anything."""
    chat = Chat(credentials=credentials(tmp_path))
    client = Encrypted(chat, offering=offering).shake_hands()
    assert client.tls.get_alpn_proto_negotiated() == (offering[-1] if offering and offering[-1] != b"imap" else b"")


@pytest.mark.parametrize(("config", "protocols"), [({"require_tls": True}, PROTOCOLS), ({}, ["tls"])])
def test_where_tls_is_required_clear_text_is_told_how_to_come_in(
    config: dict[str, bool], protocols: list[str], tmp_path: Path
) -> None:
    """People, who wait for a word, programs and all others, in their own; inside TLS all is as ever."""
    chat = Chat(Config(limits=Limits.OFF, **config), credentials=credentials(tmp_path), protocols=protocols)  # type: ignore[arg-type]
    silent, typing, program, browser = (chat.connect() for _ in range(4))
    typing.send("Eve", "hello")
    program.send({"type": "hello", "name": "Eve"})
    browser.send_bytes(b"GET / HTTP/1.1\r\n\r\n")
    chat.clock.advance(0.3)
    chat.clock.advance(0.5)
    way = "Only encrypted connections are taken here. Come in with: openssl s_client -quiet -connect 10.0.0.1:12345"
    assert silent.lines() == typing.lines() == [f"-> {way}"]
    assert program.objects() == [{"type": "error", "code": "closing", "text": way}]
    assert browser.lines()[-1] == way
    assert all(client.closed for client in (silent, typing, program, browser))
    assert not all_said(chat)
    simran = Encrypted(chat).shake_hands()
    simran.send("Simran")
    assert "Hello Simran, you are now connected!" in simran.lines()


def test_inside_tls_there_is_no_more_tls(tmp_path: Path) -> None:
    """A ClientHello inside is turned away as one outside is where no TLS is spoken."""
    chat = Chat(credentials=credentials(tmp_path))
    client = Encrypted(chat).shake_hands()
    client.send_bytes(TLS_HELLO)
    assert client._take_in()
    assert client.tls.recv(100) == b"\x15\x03\x01\x00\x02\x02\x28"


def test_what_waits_inside_tls_is_counted_at_the_socket(tmp_path: Path) -> None:
    """So that a peer that takes nothing is noticed there as well."""
    descriptor = FileDescriptor(reactor=object())
    descriptor.dataBuffer = b"12345"
    tls = TlsFactory(credentials(tmp_path), Factory.forProtocol(Protocol), Clock()).buildProtocol(None)
    tls.transport = descriptor
    assert unsent_bytes(tls) == 5


def test_rooms_for_encrypted_connections(tmp_path: Path) -> None:
    """Nobody reads there whose way can be read: not who was inside, an operator, who is invited, or who searches."""
    chat = Chat(credentials=credentials(tmp_path))
    ann, ben = Encrypted(chat).shake_hands(), chat.enter("Ben")
    ann.send("Ann", "/register", "correct horse", "/join #safe")
    ben.send("/join #safe")
    ben.send("/room encrypted")
    assert "-> #safe" not in "".join(ben.lines())
    ann.send("/room encrypted")
    assert "-> #safe is open only to encrypted connections now: you are out." in ben.lines()
    ann.send("hush", "/invite Ben", "/invite")
    assert any("openssl s_client -quiet -connect 10.0.0.1:12345" in line for line in ann.lines())
    ben.send("/join #safe", "/search hush")
    shown = ben.lines()
    assert "-> #safe is open only to encrypted connections." in shown
    assert "-> Nothing was found." in shown
    plain = chat.enter("Ann")
    plain.send("correct horse", "/join #safe")
    shown = plain.lines()
    assert "-> You are already connected, switching to this session." in shown
    assert "-> #safe is open only to encrypted connections." in shown
    assert not [line for line in shown if "hush" in line]


def test_a_browser_s_other_connections_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened before or after it asked for something, and used later than people are greeted; nobody else waits longer."""
    monkeypatch.setattr(detector, "BROWSERS", 2)
    chat = Chat()
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    early = chat.connect(address="192.0.2.7")
    chat.connect(address="192.0.2.7").send_bytes(request)
    late, person = chat.connect(address="192.0.2.7"), chat.connect(address="192.0.2.8")
    chat.clock.advance(0.5)
    assert person.lines() == [GREETING]
    for spare in (early, late):
        assert spare.lines() == []
        spare.send_bytes(request)
        assert spare.lines()[0] == "HTTP/1.1 200 OK"
    silent = chat.connect(address="192.0.2.7")
    chat.clock.advance(detector.BROWSERS_SECONDS)
    assert silent.lines() == [GREETING]
    for last in (10, 11):
        chat.connect(address=f"192.0.2.{last}").send_bytes(request)
    forgotten, known = chat.connect(address="192.0.2.7"), chat.connect(address="192.0.2.11")
    chat.clock.advance(0.5)
    assert (forgotten.lines(), known.lines()) == ([GREETING], [])
