"""What a stranger may cost by SSH: time, memory, work and lines in the log are bounded, whatever the client does."""

import gc
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from ssh_clients import Session, SshClient, new_key
from twisted.conch.ssh import connection, transport
from twisted.conch.ssh.common import NS
from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.userauth import MSG_USERAUTH_REQUEST
from twisted.logger import globalLogPublisher

from twisted_chat.config import Config
from twisted_chat.protocols.ssh.auth import MOST_ATTEMPTS
from twisted_chat.protocols.ssh.channel import WINDOW
from twisted_chat.protocols.ssh.protocol import SshPerson
from twisted_chat.protocols.ssh.transport import LOGIN_SECONDS, LONGEST_PACKET, PACKETS_A_TURN
from twisted_chat.testing import BUFFER_SIZE, Chat


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What the log was told, as text. A traceback would fail the test."""
    lines: list[str] = []

    def note(event: Any) -> None:
        assert "log_failure" not in event, event["log_failure"].getTraceback()
        if str(event.get("log_namespace", "")).startswith("twisted_chat"):
            lines.append(event["log_format"].format(**event))

    globalLogPublisher.addObserver(note)
    yield lines
    globalLogPublisher.removeObserver(note)


def test_who_does_not_say_who_they_are_is_gone_in_time(logged: list[str]) -> None:
    """Neither after the exchange of keys, nor after being let in, does a client stay without a session."""
    for stops in ({"proves": False}, {"opens": False}, {"begins": False}):
        chat = Chat()
        client = SshClient(chat, **stops)  # type: ignore[arg-type]
        chat.clock.advance(LOGIN_SECONDS - 1)
        assert not client.raw.closed
        chat.clock.advance(1)
        client.flush()
        assert client.raw.closed, stops
        assert client.last_words == "You took too long."
        assert not chat.frame.undecided


def test_the_time_can_not_be_drawn_out() -> None:
    """Packets that mean nothing, and requests, give nobody more of it."""
    chat = Chat()
    client = SshClient(chat, begins=False)
    for _ in range(int(LOGIN_SECONDS)):
        client.ssh.sendIgnore(b"x")
        client.connection.sendGlobalRequest(b"keepalive@openssh.com", b"", wantReply=0)
        client.flush()
        chat.clock.advance(1)
    assert client.raw.closed


def test_who_is_in_a_session_stays() -> None:
    """The limit is for those who don't come in."""
    chat = Chat()
    client = SshClient(chat, "Ann")
    chat.clock.advance(10 * LOGIN_SECONDS)
    client.send("/who")
    assert "-> In #lobby: Ann (ssh, encrypted)" in client.lines()


@pytest.mark.parametrize("packet", [0, 1, 1023])
def test_packets_that_would_never_end_are_not_begun_with(packet: int, logged: list[str]) -> None:
    """A peer chooses how long ours are; with 0, conch would send empty ones for ever."""
    chat = Chat()
    client = SshClient(chat, packet=packet)
    assert "packets of 1024 bytes or more" in client.failed
    assert not chat.connections
    assert any("was refused a channel session" in line for line in logged)


def test_a_shut_window_is_a_slow_reader() -> None:
    """What is said in the meantime waits in the log, not here; it is read when the window opens, and all of it."""
    chat = Chat()
    slow = SshClient(chat, "Ann", window=2000)
    slow.reads = False
    ben = chat.enter("Ben")
    for number in range(2000):
        ben.send(f"message {number} {'x' * 100}")
    (person,) = [one for one in chat.connections if one.session.name == "Ann"]
    assert not person.session.live
    assert person.unsent() < BUFFER_SIZE
    slow.reads = True
    slow.connection.adjustWindow(slow.session, 10_000_000)
    slow.flush()
    said = [line for line in slow.lines() if "<Ben> message" in line]
    assert [int(line.split()[3]) for line in said] == list(range(2000))
    assert person.session.live


def test_a_window_that_stays_shut_is_cut_off() -> None:
    """As a socket that takes nothing is."""
    chat = Chat()
    slow = SshClient(chat, "Ann", window=500)
    slow.reads = False
    ben = chat.enter("Ben")
    for number in range(100):
        ben.send(f"message {number}")
    chat.clock.advance(chat.config.patience / 2)
    assert not slow.transport.disconnected
    for _ in range(int(chat.config.patience)):
        chat.clock.advance(1)
    assert slow.transport.disconnected


def test_who_sends_more_than_the_window_is_turned_away(logged: list[str]) -> None:
    """The window is what we have room for."""
    chat = Chat()
    client = SshClient(chat, "Ann")
    client.session.remoteWindowLeft = 10 * WINDOW
    client.session.remoteMaxPacket = 16384
    client.send_bytes(b"x" * (WINDOW + 16384))
    assert client.raw.closed
    assert not chat.hub.people


def test_a_flood_of_lines_waits_in_the_window() -> None:
    """Who is not listened to is given no more room; all that was sent is worked off in the end."""
    chat = Chat(Config())
    client = SshClient(chat, "Ann")
    client.send(*[f"/me {number} {'x' * 900}" for number in range(300)])
    assert len(client.session.buf) > 0, "the rest is still with the client"
    for _ in range(600):
        chat.clock.advance(1)
        client.flush()
    assert client.session.buf == b""
    assert chat.log.newest >= 300


def test_one_session_a_connection(logged: list[str]) -> None:
    """Nor any other kind of channel, nor what is asked for outside of one."""
    chat = Chat()
    client = SshClient(chat, "Ann")
    for name in (b"session", b"direct-tcpip", b"x11", b"auth-agent@openssh.com", b"\xff\n"):
        client.connection.channels[7] = Session(client, 0, 0)
        client.ssh.sendPacket(connection.MSG_CHANNEL_OPEN, NS(name) + struct.pack(">3L", 7, 1 << 20, 32768))
        client.flush()
    client.connection.sendGlobalRequest(b"tcpip-forward", NS(b"") + struct.pack(">L", 80))
    for request in (b"subsystem", b"auth-agent-req@openssh.com", b"x11-req"):
        client.connection.sendRequest(client.session, request, NS(b"sftp"))
    client.flush()
    client.send("/who")
    assert "-> In #lobby: Ann (ssh, encrypted)" in client.lines()
    refused = [line.split(" was refused ")[1] for line in logged if " was refused " in line]
    assert refused == [
        "a channel session.",
        "a channel direct-tcpip.",
        "a channel x11.",
        "a channel auth-agent@openssh.com.",
        "a channel \ufffd.",
        "the request tcpip-forward.",
        "the request subsystem.",
        "the request auth-agent-req@openssh.com.",
        "the request x11-req.",
    ]


def test_who_asks_too_much_is_turned_away() -> None:
    """Requests have a rate."""
    chat = Chat()
    client = SshClient(chat, "Ann")
    for _ in range(300):
        client.connection.sendRequest(client.session, b"env", NS(b"A") + NS(b"x" * 1000), wantReply=0)
    client.flush()
    for _ in range(10):
        client.flush()
    assert client.last_words == "You ask for too much at once."
    assert not chat.hub.people


def test_keys_are_exchanged_anew_only_so_often() -> None:
    """Each exchange costs more than a thousand lines."""
    chat = Chat()
    client = SshClient(chat, "Ann")
    for _ in range(2):
        client.ssh.sendKexInit()
        client.flush()
    client.send("/who")
    assert "-> In #lobby: Ann (ssh, encrypted)" in client.lines()
    for _ in range(4):
        if not client.raw.closed:
            client.ssh.sendKexInit()
            client.flush()
    assert client.raw.closed
    assert client.last_words == "Keys are exchanged too often."


def test_an_exchange_that_is_not_ended_holds_nothing_up() -> None:
    """Meanwhile one is a slow reader, for whom nothing is kept; and then one is gone."""
    chat = Chat()
    client = SshClient(chat, "Ann")
    ben = chat.enter("Ben")
    client.ssh.sendKexInit()
    data = client.ssh.transport.value()
    client.raw.send_bytes(data)
    for number in range(1000):
        ben.send(f"message {number} {'x' * 100}")
    server = client.transport.protocol
    assert len(server._blockedByKeyExchange) < 10
    chat.clock.advance(LOGIN_SECONDS)
    assert client.raw.closed
    assert "Ann" not in [session.name for sessions in chat.hub.people.values() for session in sessions]


def test_a_hundred_keys_are_too_many() -> None:
    """An agent that holds a dozen is served; each key is looked at, and none but the first has to sign."""
    chat = Chat()
    chat.enter("Ann").send("/register secret12", "exit")
    key = new_key()
    some = SshClient(chat, "Ann", "secret12", keys=tuple(new_key() for _ in range(12)))
    assert some.let_in
    many = SshClient(chat, "Ann", keys=(key,) * 100)
    assert not many.let_in
    assert many.last_words == "That was tried too often."
    assert many.raw.transport.protocol.service._attempts == MOST_ATTEMPTS + 1


def test_a_wrong_signature_proves_nothing() -> None:
    """Though the key be the right one, or the name nobody's."""
    chat, key = Chat(), new_key()
    client = SshClient(chat, "Ann", proves=False)
    client.ssh.sendPacket(transport.MSG_SERVICE_REQUEST, NS(b"ssh-userauth"))
    signed = NS(NS(b"ssh-ed25519") + NS(bytes(64)))
    client.ssh.sendPacket(
        MSG_USERAUTH_REQUEST,
        NS(b"Ann") + NS(b"ssh-connection") + NS(b"publickey") + b"\1" + NS(b"ssh-ed25519") + NS(key.public().blob()) + signed,
    )
    client.ssh.instance = SSHService()
    client.flush()
    assert client.transport.protocol.identity is None


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-1.5-old\r\n",
        b"SSH-2.0-x\r\n" + bytes(100),
        b"SSH-2.0-x\r\n" + b"\xff" * 100,
        b"SSH-2.0-x\r\n" + struct.pack(">IB", 12, 4) + bytes([transport.MSG_KEXINIT]) + bytes(10),
        b"SSH-2.0-x\r\n" + struct.pack(">IB", 12, 4) + bytes([transport.MSG_NEWKEYS]) + bytes(10),
        b"SSH-2.0-x\r\n" + struct.pack(">IB", 12, 4) + bytes([30]) + bytes(10),
        b"SSH-2.0-x\r\n" + struct.pack(">IB", 12, 4) + bytes([transport.MSG_SERVICE_REQUEST]) + bytes(10),
        b"SSH-2.0-x\r\n" + struct.pack(">IB", 12, 4) + bytes([transport.MSG_DISCONNECT]) + bytes(10),
        b"SSH-2.0-x\r\n" + struct.pack(">IB", LONGEST_PACKET + 500, 4) + bytes(LONGEST_PACKET + 100),
        b"SSH-" + b"x" * 10_000,
    ],
)
def test_what_is_no_ssh_ends_without_a_traceback(data: bytes, logged: list[str]) -> None:
    """However it goes wrong."""
    chat = Chat()
    client = chat.connect()
    client.send_bytes(data)
    chat.turn()
    chat.clock.advance(LOGIN_SECONDS)
    chat.clock.advance(chat.config.closing_seconds)
    assert client.transport.disconnected or client.transport.disconnecting
    assert not chat.frame.undecided


@pytest.mark.parametrize("number", [*range(1, 8), 20, 21, 30, 31, 34, 50, 61, 80, 90, 93, 94, 96, 97, 98, 200])
@pytest.mark.parametrize("payload", [b"", b"\0", b"\xff" * 40, struct.pack(">L", 0) * 6])
def test_any_packet_in_a_session(number: int, payload: bytes, logged: list[str]) -> None:
    """Whatever comes, encrypted and all, others go on talking, and the log has no traceback."""
    chat = Chat()
    client = SshClient(chat, "Ann")
    client.ssh.sendPacket(number, payload)
    sent = client.ssh.transport.value()
    client.raw.send_bytes(sent)
    chat.turn()
    assert "Hello Ben, you are now connected!" in chat.enter("Ben").lines()


def test_so_many_packets_are_worked_off_in_a_turn() -> None:
    """The rest waits, and nothing more is read until it is done."""
    chat = Chat()
    client = SshClient(chat, "Ann")
    for _ in range(10 * PACKETS_A_TURN):
        client.ssh.sendIgnore(b"")
    client.raw.send_bytes(client.ssh.transport.value())
    server = client.transport.protocol
    left = len(server.buf)
    assert left > 0
    assert client.transport.producerState == "paused"
    chat.clock.advance(0)
    assert len(server.buf) < left
    chat.turn()
    assert server.buf == b""
    assert client.transport.producerState == "producing"


@pytest.mark.parametrize("user", [b"", b"a\nb", b"\xff\xfe", b"x" * 10_240, b"a\0b", b"root", "\u202eAnn".encode()])
def test_a_user_name_that_can_be_none_is_asked_for_again(user: bytes, logged: list[str]) -> None:
    """It stands nowhere in the log as it came (TORTURE T63)."""
    chat = Chat()
    client = SshClient(chat, user)
    shown = client.lines()
    assert shown
    assert all(line.startswith("-> ") for line in shown)
    client.send("Ann")
    assert "Hello Ann, you are now connected!" in client.lines()
    assert not any("\n" in line or "\u202e" in line or "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" in line for line in logged)


def test_a_bug_of_ours_is_logged_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not taken for a packet that can't be read, though it raise the same."""
    failures: list[str] = []

    def note(event: Any) -> None:
        if "log_failure" in event:
            failures.append(event["log_failure"].getErrorMessage())

    def fail(person: SshPerson, data: bytes) -> None:
        raise ValueError("a bug")

    chat = Chat()
    client = SshClient(chat, "Ann")
    monkeypatch.setattr(SshPerson, "dataReceived", fail)
    globalLogPublisher.addObserver(note)
    try:
        client.send("hello")
    finally:
        globalLogPublisher.removeObserver(note)
    assert failures == ["a bug"]
    assert client.last_words == "That went wrong here, and is not your fault."
    assert not chat.hub.people


@pytest.mark.parametrize("kind", [b"exec", b"pty-req", b"env", b"window-change", b""])
@pytest.mark.parametrize("data", [b"", b"\0", struct.pack(">L", 1 << 31)])
def test_requests_that_end_too_early(kind: bytes, data: bytes, logged: list[str]) -> None:
    """Whether an answer is wanted or not, nothing of it is an error of ours, also when all is cleared away."""
    for wanted in (b"\0", b"\1", b""):
        chat = Chat()
        client = SshClient(chat, "Ann", begins=False)
        client.ssh.sendPacket(connection.MSG_CHANNEL_REQUEST, struct.pack(">L", 0) + NS(kind) + wanted + data)
        client.raw.send_bytes(client.ssh.transport.value())
        chat.turn()
    gc.collect()
