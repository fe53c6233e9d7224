"""How often and how many: what is pure, and what a connection sees of it."""

import signal
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from daemons import Daemon, Talker
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.tcp import Connection, Port
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from twisted_chat.config import Config, Limits
from twisted_chat.core.rate_limits import Numbers, Often, Rate
from twisted_chat.daemon.resources import most_connections
from twisted_chat.daemon.timeouts import TICK_SECONDS, Ticker
from twisted_chat.net.connection_limits import Full, Gate
from twisted_chat.net.tcp import ACCEPTS_A_TURN, serve, tune, unsent_bytes
from twisted_chat.options import Options
from twisted_chat.protocols.connection import CONGESTED_SECONDS
from twisted_chat.testing import Chat, Client

STRICT = Config(exempt=())


@given(st.integers(1, 50), st.floats(0.1, 100), st.lists(st.floats(0, 10), min_size=1, max_size=100))
def test_a_rate_lets_a_burst_through_and_then_so_many_a_second(burst: int, per_second: float, pauses: list[float]) -> None:
    """In no stretch of time is more done than the burst and what the rate allows in it."""
    rate = Rate(burst, per_second)
    due = now = 0.0
    done: list[float] = []
    for pause in pauses:
        now += pause
        if not rate.wait(due, now):
            due = rate.spent(due, now)
            done.append(now)
    for first in range(len(done)):
        for last in range(first, len(done)):
            assert last - first + 1 <= burst + (done[last] - done[first]) * per_second + 1e-6


def test_a_burst_is_there_again_after_a_pause() -> None:
    """Who was quiet for long may do as much at once as at the beginning, and no more."""
    rate = Rate(3, 1.0)
    due = 0.0
    for _ in range(3):
        assert rate.wait(due, 100.0) == 0
        due = rate.spent(due, 100.0)
    assert rate.wait(due, 100.0) == pytest.approx(1.0)
    assert rate.wait(due, 1000.0) == 0


def gate(numbers: Numbers, exempt: tuple[str, ...] = (), named: int = 0, dice: float = 0.5) -> Gate:
    """A gate where so many have a name."""
    return Gate(numbers, exempt, lambda: named, lambda: dice)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_who_counts_as_one(one: str, other: str, same: bool) -> None:
    """An IPv4 address by itself, an IPv6 address with its /64."""
    watched = gate(Numbers(per_address=1))
    slot = watched.enter(one, 0.0)
    if same:
        with pytest.raises(Full, match="1 are allowed"):
            watched.enter(other, 0.0)
        slot.release()
        slot.release()
    watched.enter(other, 0.0)
    assert watched.taken == (1 if same else 2)


def test_exempt_ones_are_not_counted_by_address() -> None:
    """Loopback by default, and what has no address at all; but they do take of the whole."""
    watched = gate(Numbers(most=100, per_address=1), Config().exempt, named=100)
    for address in ("127.0.0.1", "127.3.2.1", "::1", ""):
        for _ in range(25):
            watched.enter(address, 0.0)
    with pytest.raises(Full, match="server is full"):
        watched.enter("127.0.0.1", 0.0)
    assert watched.refused == {"full": 1}


def test_new_connections_are_counted_for_a_while() -> None:
    """Who comes and goes all the time has to wait; a refusal does not make it longer."""
    watched = gate(Numbers(new=Often(3, 60.0)))
    for second in range(3):
        watched.enter("192.0.2.1", float(second)).release()
    for _ in range(10):
        with pytest.raises(Full, match="Try again in 50 seconds"):
            watched.enter("192.0.2.1", 10.0)
    watched.enter("192.0.2.2", 10.0)
    watched.enter("192.0.2.1", 60.5)


def test_the_unnamed_hold_a_quarter_at_the_most() -> None:
    """From an eighth on they are refused at random, from a quarter on always; the named come in until it is full."""
    early, late = gate(Numbers(most=80), dice=0.0), gate(Numbers(most=80), dice=0.999)
    for watched, allowed in ((early, 11), (late, 20)):
        for _ in range(allowed):
            watched.enter("", 0.0)
        with pytest.raises(Full, match="Too many are coming in"):
            watched.enter("", 0.0)
    everybody_named = Gate(Numbers(most=80), (), lambda: everybody_named.taken, lambda: 0.0)
    for _ in range(80):
        everybody_named.enter("", 0.0)


def test_memory_and_descriptors_say_how_many() -> None:
    """Some descriptors are kept back, and connections at their worst take half of the memory."""
    assert most_connections(20000, None) == 20000 - 128
    assert most_connections(200, None) == 100
    assert most_connections(64, None) == 24
    assert most_connections(20, None) == 1
    assert most_connections(20000, 256 * 1024 * 1024) == 512


@pytest.mark.parametrize("kind", ["line", "json"])
def test_what_is_sent_too_fast_is_read_later(kind: str) -> None:
    """A burst at once, then a rate; all of it, in order, and no more read ahead than what is bounded."""
    config = replace(STRICT, people_rate=Rate(10, 2.0), programs_rate=Rate(10, 2.0))
    chat = Chat(config)
    flooder, reader = chat.enter("Eve", kind), chat.enter("Ann")
    reader.lines()
    lines = [f"line {number}" for number in range(30)]
    flooder.send(*[line if kind == "line" else {"type": "say", "text": line} for line in lines])
    at_once = [line for line in reader.lines() if "<Eve>" in line]
    assert len(at_once) == 9  # the name was a line, too
    for _ in range(20):
        chat.clock.advance(0.5)
    assert [line.split("> ")[1] for line in at_once + reader.lines()] == lines[:29]
    flooder.send_bytes(b"x" * 5000 + b"\n")
    flooder.send_bytes(b"\n" * 200_000)
    assert flooder.transport.producerState == "paused"
    assert not flooder.closed


def test_long_lines_cost_more() -> None:
    """4 KiB are as much as five short lines: what counts is how much others are sent."""
    chat = Chat(replace(STRICT, people_rate=Rate(10, 1.0)))
    flooder, reader = chat.enter("Eve"), chat.enter("Ann")
    flooder.send(*["x" * 4095] * 5)
    assert sum("<Eve>" in line for line in reader.lines()) == 2


def test_a_paste_of_100_lines_is_soon_through() -> None:
    """By default, a person's 100 lines are there well within a minute."""
    chat = Chat(STRICT)
    person, reader = chat.enter("Ann"), chat.enter("Ben")
    person.send(*[f"{number}" for number in range(100)])
    for _ in range(150):
        chat.clock.advance(0.1)
    assert sum("<Ann>" in line for line in reader.lines()) == 100


@pytest.mark.parametrize("kind", ["line", "json", "detect"])
def test_who_gives_no_name_is_closed_after_a_while(kind: str) -> None:
    """Silence at the name prompt ends the connection with a word; a line gives as much time again; the named may be silent."""
    chat = Chat(STRICT)
    silent, busy, named = chat.connect(kind), chat.connect("line"), chat.enter("Ann")
    for _ in range(13):
        chat.clock.advance(TICK_SECONDS)
        if not silent.closed:
            busy.send("help")
    assert silent.closed
    assert "You gave no name for 60 seconds. Goodbye." in silent.transport.received.decode()
    assert not busy.closed
    for _ in range(14):
        chat.clock.advance(TICK_SECONDS)
    assert busy.closed
    assert not named.closed


def test_time_the_process_did_not_run_is_nobodys_fault() -> None:
    """A tick that comes an hour late counts as one; a bug in a tick does not end the ticking."""
    clock = Clock()
    ticks: list[float] = []
    ticker = Ticker(clock, ticks.append)
    ticker.start()
    for passed in (TICK_SECONDS, 3600.0, TICK_SECONDS):
        clock.advance(passed)
    assert ticks == [TICK_SECONDS, 2 * TICK_SECONDS, 3 * TICK_SECONDS]
    ticker.stop()
    ticker.stop()
    assert not clock.getDelayedCalls()


@pytest.mark.parametrize(("kind", "at_once"), [("line", 64), ("json", 64)])
def test_one_more_from_one_address_is_told_why(kind: str, at_once: int) -> None:
    """64 at once; the next gets one line and is closed; when one has gone, the next comes in."""
    chat = Chat(STRICT)
    clients: list[Client] = []
    for number in range(at_once):
        client = chat.connect("detect", "198.51.100.7")
        client.send(f"Guest{number}" if kind == "line" else {"type": "hello", "name": f"Guest{number}"})
        clients.append(client)
    refused = chat.connect("detect", "198.51.100.7")
    chat.clock.advance(chat.config.grace)
    assert refused.lines() == ["-> There are too many connections from 198.51.100.7: 64 are allowed at once."]
    chat.clock.advance(1)
    assert refused.closed
    assert not chat.connect("detect", "198.51.100.8").closed
    clients[0].vanish()
    assert not chat.connect("detect", "198.51.100.7").closed
    assert chat.gate.refused == {"address": 1}


@pytest.mark.parametrize("kind", ["line", "json"])
def test_looking_up_has_a_rate(kind: str) -> None:
    """who, history and the like: 60 in a minute, one person's all together; others are not held up."""
    chat = Chat(replace(STRICT, people_rate=None, programs_rate=None))
    eve, ann = chat.enter("Eve", kind), chat.enter("Ann", kind)

    def look(client: Any, word: str) -> str:
        client.lines()
        client.send(word if kind == "line" else {"type": "line", "text": word})
        return "\n".join(client.lines())

    for number in range(60):
        assert "too often" not in look(eve, ("/who", "/history 1", "/rooms")[number % 3])
    assert "You ask for /who and the like too often. Try again in 60 seconds." in look(eve, "/who")
    assert "too often" not in look(ann, "/who")
    assert "too often" not in look(eve, "hello")
    chat.clock.advance(61)
    assert "too often" not in look(eve, "/who")


def test_who_runs_into_bugs_again_and_again_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three bugs in a minute: whoever has found one does not fill the log with it."""
    chat = Chat(STRICT)
    ann = chat.enter("Ann")
    monkeypatch.setattr(chat.hub, "set_topic", lambda *_: 1 / 0)
    for _ in range(3):
        assert not ann.closed
        ann.send("/topic x")
    assert ann.closed


def test_nobody_is_listened_to_while_the_disk_cannot_follow() -> None:
    """Then what is sent waits, and is said as soon as the disk has caught up; nothing is lost."""
    chat = Chat()
    ann, ben = chat.enter("Ann"), chat.enter("Ben")
    ben.lines()
    with mock.patch.object(type(chat.log), "congested", True):
        ann.send("wait")
        chat.clock.advance(1)
        assert ben.lines() == []
    chat.clock.advance(CONGESTED_SECONDS)
    assert ben.lines() == ["[12:01] <Ann> wait"]


def test_limits_off_means_off() -> None:
    """For benchmarks there is no rate and no count; passwords are still not to be guessed."""
    config = replace(STRICT, limits=Limits.OFF).effective()
    assert (config.people_rate, config.programs_rate, config.per_address, config.lookups) == (None, None, None, None)
    assert config.logins == Config().logins
    chat = Chat(config)
    clients = [chat.connect("detect", "198.51.100.7") for _ in range(100)]
    assert not any(client.closed for client in clients)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--limits=maybe"], "--limits takes on or off"),
        (["--per-address=0"], "--per-address takes a number"),
        (["--exempt=home"], "--exempt takes an address"),
    ],
)
def test_wrong_values_are_told_in_one_line(given: list[str], words: str) -> None:
    """Each option says what it takes."""
    options = Options()
    with pytest.raises(SystemExit, match=words):
        options.parseOptions(given)


def test_exempt_can_be_none_or_several() -> None:
    """``none`` clears the default, several are several."""
    for options_given, exempt in ((["--exempt=none"], ()), (["--exempt=::1", "--exempt=10.0.0.0/8"], ("::1", "10.0.0.0/8"))):
        options = Options()
        options.parseOptions(options_given)
        assert options.config.exempt == exempt


def test_few_descriptors_are_enough_for_few_and_the_rest_are_told(tmp_path: Path) -> None:
    """With 64 descriptors, 24 are for connections: 32 who come get a place or a word, the chat goes on, the disk too."""
    daemon = Daemon(str(tmp_path), before=("bash", "-c", 'ulimit -n 64; exec "$@"', "bash"))
    try:
        ann = Talker(daemon.port, "Ann")
        guests = [Talker(daemon.port, f"Guest{number}") for number in range(23)]
        for _ in range(8):
            assert "The server is full. Please try again later." in Talker(daemon.port).rest()
        ann.say("/leave", "/join #quiet", "still here")
        ann.until("I received your message - 'still here'")
        guests[2].close()
        ann.say("/nick Anna")
        daemon.wait_for("Disconnected")
        Talker(daemon.port, "Late")
        assert "Traceback" not in daemon.output
    finally:
        daemon.end(signal.SIGKILL)


def test_the_kernel_watches_over_silent_peers() -> None:
    """A TCP socket has keep-alive, an end to what is never acknowledged, no delay, and urgent data in its place."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as handle:
        tune(Connection(handle, Protocol(), MemoryReactorClock()), 60.0)
        tcp = {"KEEPIDLE": 60, "KEEPINTVL": 10, "KEEPCNT": 3, "USER_TIMEOUT": 60_000, "NODELAY": 1}
        for name, value in tcp.items():
            assert handle.getsockopt(socket.IPPROTO_TCP, getattr(socket, f"TCP_{name}")) == value
        for name in ("KEEPALIVE", "OOBINLINE"):
            assert handle.getsockopt(socket.SOL_SOCKET, getattr(socket, f"SO_{name}"))
    tune(StringTransport(), 60.0)


def test_few_are_accepted_in_a_turn() -> None:
    """However many wait to be accepted, whoever is here is served between every ten of them."""
    port = Port(0, Factory(), reactor=MemoryReactorClock())
    accepted: list[int] = []
    port.doRead = lambda: accepted.append(port.numberAccepts)
    serve(port)
    for number in (500, 3):
        port.numberAccepts = number
        port.doRead()
    assert accepted == [ACCEPTS_A_TURN, 3]


def test_what_was_not_sent_goes_with_the_connection() -> None:
    """Whoever still holds a connection that has ended does not hold what it had to send."""
    ours, theirs = socket.socketpair()
    port = Port(0, Factory(), reactor=MemoryReactorClock())
    serve(port)
    connection = port.transport(ours, Protocol(), ("127.0.0.1", 1), port, 1, MemoryReactorClock())
    ours.setblocking(False)
    connection.write(b"x" * 4_000_000)
    connection.write(b"y" * 1000)
    assert unsent_bytes(connection) > 1000
    theirs.close()
    connection.connectionLost(Failure(ConnectionDone()))
    assert unsent_bytes(connection) == 0
