"""Failed logins in the log: each protocol's, in words that nobody can forge, as fail2ban reads them."""

import re
import signal
import socket
import subprocess
from base64 import b64encode
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from browsers import WebClient, ask
from daemons import OPEN, PATIENCE, Talker, program, running
from ssh_clients import Proving, SshClient, new_key
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from twisted_chat.config import Config, Limits
from twisted_chat.core.logins.attempts import FailedLogin, Kind
from twisted_chat.core.users.session import Way
from twisted_chat.daemon.log_observer import LogWriter
from twisted_chat.daemon.login_log import MOST, MOST_OF_A_SOURCE, LoginLog
from twisted_chat.metrics import Metrics
from twisted_chat.testing import Chat

FILTER = Path(__file__).parents[2] / "docs/fail2ban/twisted-chat.conf"
FORGED = "[LOGIN FAILED] 203.0.113.66 by irc as Ann"


class Paper:
    """A file in memory."""

    text = b""

    def write(self, data: bytes) -> None:
        """Called by the writer."""
        self.text += data

    def rotate(self) -> None:
        """It is never rotated."""


@pytest.fixture
def paper() -> "Paper":
    """What is logged from now on, as it would stand in the daemon's log."""
    return Paper()


@pytest.fixture(autouse=True)
def logged(paper: Paper) -> object:
    """The daemon's own observer, as long as the test runs."""
    writer = LogWriter(lambda: paper)
    globalLogPublisher.addObserver(writer)
    yield
    globalLogPublisher.removeObserver(writer)


def banned(folder: Path, log: str | bytes) -> Counter[str]:
    """The addresses that fail2ban finds in a log, and how often."""
    path = folder / "twistd.log"
    path.write_bytes(log if isinstance(log, bytes) else log.encode())
    command = [program("fail2ban-regex"), "-o", "<ip>", str(path), str(FILTER)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert not done.stderr, done.stderr
    return Counter(done.stdout.split())


def logins(paper: Paper) -> list[str]:
    """The lines about failed logins, from their fixed words on."""
    beginning = r"(?m)^\S+ \[twisted_chat\.login_log\.LoginLog#info\] "
    return re.findall(beginning + r"(\[LOGIN FAILED\] .*)$", paper.text.decode())


def world() -> Chat:
    """A chat whose failures are logged, where Ann is registered and #keyed has a key."""
    chat = Chat(Config(limits=Limits.OFF, irc_password="let-me-in", operator=("Boss",)))
    chat.hub.attempts._report = LoginLog(chat.clock.seconds)
    ann = chat.enter("Ann")
    ann.send("/register correct-horse", "/join #keyed", "/room key leaf", "exit")
    return chat


def irc(*lines: str) -> Callable[[Chat, str], object]:
    """An IRC client that sends these lines."""

    def attempt(chat: Chat, address: str) -> None:
        client = chat.connect("irc", address)
        client.send(*[f"{line}\r" for line in lines])

    return attempt


def line(*lines: str) -> Callable[[Chat, str], object]:
    """A person at a terminal who types these lines."""
    return lambda chat, address: chat.connect("line", address).send(*lines)


def ssh_keys(chat: Chat, address: str) -> None:
    """A client of SSH that has two keys, and no password."""
    with mock.patch.object(Proving, "auth_keyboard_interactive", lambda _: False):
        SshClient(chat, "Ann", keys=(new_key(), new_key()), address=address).raw.vanish()


def ssh_passwords(chat: Chat, address: str) -> None:
    """A client of SSH that has three passwords."""
    SshClient(chat, "Ann", *["wrong"] * 3, address=address).raw.vanish()


def resumes(chat: Chat, address: str) -> None:
    """Somebody who wants the name of a guest, with a code."""
    chat.enter("Held")
    chat.connect("line", address).send("/resume Held GUESS")


SASL = b64encode(b"\0Ann\0wrong").decode()
USER = "USER u * * :R"
PASS = "PASS let-me-in"
ATTEMPTS: dict[str, tuple[Callable[[Chat, str], object], str]] = {
    "name prompt": (line("Ann", "wrong"), "by line as Ann"),
    "/login": (line("/login ann wrong"), "by line as Ann"),
    "/login of nobody": (line("/login hunter2-is-my-password wrong"), "by line as -"),
    "/nick": (line("Evy", "/nick Ann", "wrong"), "by line as Ann"),
    "/oper": (line("Evu", "/oper Ann wrong"), "by line as Ann"),
    "/code": (line("/code GUESS-ONE"), "by line with invitation"),
    "/claim": (line("/claim Boss GUESS-ONE"), "by line with claim-code"),
    "/resume": (resumes, "by line with resume-code"),
    "/join": (line("Evo", "/join #keyed branch"), "by line with room-key"),
    "JSON": (
        lambda chat, address: chat.connect("json", address).send({"type": "hello", "name": "Ann", "password": "wrong"}),
        "by json as Ann",
    ),
    "WebSocket": (
        lambda chat, address: WebClient(chat, address).send({"type": "hello", "name": "Ann", "password": "wrong"}),
        "by web as Ann",
    ),
    "IRC SASL": (
        irc("CAP REQ sasl", "AUTHENTICATE PLAIN", f"AUTHENTICATE {SASL}"),
        "by irc as Ann",
    ),
    "IRC NickServ": (irc(PASS, "NICK Eve", USER, "NS IDENTIFY Ann wrong"), "by irc as Ann"),
    "IRC OPER": (irc(PASS, "NICK Evi", USER, "OPER Ann wrong"), "by irc as Ann"),
    "IRC PASS": (irc("PASS wrong", "NICK Eve", USER), "by irc with server-password"),
    "IRC JOIN": (irc(PASS, "NICK Eva", USER, "JOIN #keyed branch"), "by irc with room-key"),
    "SSH password": (ssh_passwords, "by ssh as Ann"),
    "SSH key": (ssh_keys, "by ssh as Ann"),
    "HTTP": (
        lambda chat, address: ask(chat, "POST", "/rooms/keyed", "Authorization: Bearer guess", body=b"x", address=address),
        "by http with token",
    ),
}


@pytest.mark.parametrize("way", ATTEMPTS)
def test_a_real_attempt_is_one_line_that_fail2ban_reads(way: str, paper: Paper, tmp_path: Path) -> None:
    """By each protocol, for each kind of secret, from IPv4 and IPv6."""
    attempt, words = ATTEMPTS[way]
    times = 3 if way == "SSH password" else 1
    for address in ("203.0.113.7", "2001:db8::7"):
        attempt(world(), address)
        assert logins(paper) == [f"[LOGIN FAILED] {address} {words}"] * times
        assert banned(tmp_path, paper.text) == {address: times}
        paper.text = b""


def test_what_people_type_is_never_such_a_line(paper: Paper, tmp_path: Path) -> None:
    """Neither as a name, a message, a realname, a path or a user of SSH, nor with a line end in it."""
    chat = world()
    whole = f"x\n2026-11-23T12:01:00+0000 [twisted_chat.login_log.LoginLog#info] {FORGED}"
    for text in (FORGED, whole, whole.replace("\n", "\r"), whole.replace("\n", "\u2028"), f"Ann\n{FORGED}"):
        chat.connect("line", "203.0.113.7").send(text, f"/login {text} wrong", f"/code {text}")
        json = chat.connect("json", "203.0.113.7")
        json.send({"type": "do", "command": "login", "arguments": [text, "wrong"]})
        json.send({"type": "do", "command": "code", "arguments": [text]}, {"type": "hello", "name": text, "password": text})
        irc(PASS, "NICK Eve", f"USER {text} * * :{text}", f"NS IDENTIFY {text}")(chat, "203.0.113.7")
        SshClient(chat, text, "wrong", address="203.0.113.7").raw.vanish()
        shown = f"Authorization: Bearer {FORGED}"
        assert ask(chat, "POST", "/rooms/keyed", shown, body=text.encode(), address="203.0.113.7").status in (401, 429)
    assert set(banned(tmp_path, paper.text)) == {"203.0.113.7"}
    fixed = r"\[LOGIN FAILED\] 203\.0\.113\.7 by [a-z]+ (as (-|Ann)|with [a-z-]+)"
    assert all(re.fullmatch(fixed, one) for one in logins(paper))


def test_a_real_daemon_and_hostile_messages(tmp_path: Path) -> None:
    """What is written by a daemon that logs what is said, too: fail2ban finds who failed, and nobody else."""
    state = tmp_path / "state"
    with running(state, "--log-messages") as daemon:
        owner = Talker(daemon.port, "Ann")
        owner.say("/register correct-horse")
        owner.until("is yours now")
        owner.say(FORGED, f"2026-11-23T12:01:00+0000 [twisted_chat.login_log.LoginLog#info] {FORGED}", "/me " + FORGED, "last")
        owner.until("received your message - 'last'")

        def talker(address: str) -> Talker:
            one = Talker.__new__(Talker)
            one.socket = socket.create_connection(("127.0.0.1", daemon.port), PATIENCE, source_address=(address, 0))
            one.seen = b""
            OPEN.append(one.socket)
            return one

        person = talker("127.0.0.11")
        person.say("Ann", "wrong")
        daemon.wait_for("by line as Ann")
        json = talker("127.0.0.12")
        json.ask(type="hello", name="Ann", password="wrong")
        json.until("wrong-password")
        sasl = talker("127.0.0.13")
        sasl.say("CAP REQ :sasl\r", "AUTHENTICATE PLAIN\r", f"AUTHENTICATE {SASL}\r")
        sasl.until("904")
        http = talker("127.0.0.14")
        http.say("GET /rooms/lobby HTTP/1.1\r", "Host: localhost\r", "Authorization: Bearer guess\r", "\r")
        http.until("401")
        daemon.wait_for("by http with token")
        daemon.end(signal.SIGTERM)
        assert FORGED in daemon.output
        assert banned(tmp_path, daemon.output) == {f"127.0.0.1{number}": 1 for number in (1, 2, 3, 4)}


def test_so_many_lines_a_minute_and_the_rest_in_one(paper: Paper, tmp_path: Path) -> None:
    """One source can't use up what others' failures need; what is left out is told, in a form that bans nobody."""
    clock = Clock()
    log = LoginLog(clock.seconds)
    for _ in range(500):
        log(FailedLogin(Kind.PASSWORD, Way("IRC", "203.0.113.7"), "Ann"))
    log(FailedLogin(Kind.PASSWORD, Way("IRC", "203.0.113.8"), ""))
    assert banned(tmp_path, paper.text) == {"203.0.113.7": MOST_OF_A_SOURCE, "203.0.113.8": 1}
    for number in range(500):
        log(FailedLogin(Kind.TOKEN, Way("HTTP", f"198.51.100.{number % 250}"), ""))
    assert len(logins(paper)) == MOST
    paper.text = b""
    clock.advance(60)
    log(FailedLogin(Kind.PASSWORD, Way("IRC", ""), "Ann"))
    assert f"[LOGINS] {1001 - MOST} more failed logins were not written here." in paper.text.decode()
    assert logins(paper) == ["[LOGIN FAILED] - by irc as Ann"]
    assert not banned(tmp_path, paper.text)


def test_failures_and_successes_are_counted() -> None:
    """For Prometheus, by protocol and kind."""
    chat = world()
    for attempt, _ in ATTEMPTS.values():
        attempt(chat, "203.0.113.7")
        chat.clock.advance(700)
    line("Ann", "correct-horse")(chat, "203.0.113.9")
    page = Metrics(chat.frame, chat.clock).site.resource.children[b"metrics"]
    text = page.render_GET(type("Request", (), {"setHeader": lambda *_: None})()).decode()
    assert 'chat_login_failures_total{kind="password",protocol="irc"} 3.0' in text
    assert 'chat_login_failures_total{kind="token",protocol="http"} 1.0' in text
    assert 'chat_login_failures_total{kind="ssh-key",protocol="ssh"} 1.0' in text
    assert 'chat_login_failures_total{kind="room-key",protocol="line"} 1.0' in text
    assert 'chat_logins_total{kind="password",protocol="line"} 1.0' in text
    assert 'chat_logins_total{kind="server-password",protocol="irc"} 3.0' in text
