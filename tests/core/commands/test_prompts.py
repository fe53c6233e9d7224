"""Whoever is asked for a secret does not say it to anybody, whatever happens in between."""

from typing import Any

import pytest
from chat_clients import Guest
from ssh_clients import SshClient
from twisted.internet.defer import Deferred

from twisted_chat.core.command_table.prompts import FAREWELL, edited
from twisted_chat.core.errors import Busy
from twisted_chat.testing import Chat, Client

KINDS = ("line", "json", "web", "ssh")
SHORT, RIGHT = "hunter2", "correct horse"


@pytest.fixture
def chat() -> Chat:
    """A server on which Bob is a registered name."""
    chat = Chat()
    chat.enter("Bob").send("/register bobspassword", "exit")
    chat.clock.advance(1)
    return chat


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("command", ["/register", "/nick Bob", "/oper Bob", "/login Bob"])
def test_a_refused_answer_is_asked_for_again(chat: Chat, kind: str, command: str) -> None:
    """The second try is an answer, too, and so is the third; an empty line gives up, and then one talks again."""
    cleo, ann = Guest(chat, kind, "Cleo"), Guest(chat, kind, "Ann")
    ann.type(command)
    for _ in range(3):
        assert "press Enter to cancel" in ann.answer(SHORT)
    assert "Nothing was changed" in ann.answer("")
    ann.type("hello")
    shown = cleo.shown()
    assert "hello" in shown
    assert SHORT not in shown + cleo.answer("/history")


@pytest.mark.parametrize("kind", KINDS)
def test_five_refusals_end_the_connection(chat: Chat, kind: str) -> None:
    """With one sentence; what was typed behind them is not looked at."""
    cleo, ann = Guest(chat, "line", "Cleo"), Guest(chat, kind, "Ann")
    ann.type("/register", *[SHORT] * 4)
    assert FAREWELL in ann.answer(SHORT, "hello")
    assert "hello" not in cleo.shown()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("word", ["exit", " Exit", "EXIT ", "e\u200bxit", "ｅｘｉｔ"])
def test_exit_leaves_at_every_prompt(chat: Chat, kind: str, word: str) -> None:
    """At that for a name, for a password, and where one talks."""
    before, at_password = Guest(chat, kind, "Bob"), Guest(chat, kind, "Ann").type("/register")
    talking = Guest(chat, kind, "Cleo")
    for guest in (before, at_password, talking):
        guest.type(word)
    chat.clock.advance(1)
    assert sorted(chat.hub.people) == []
    assert chat.hub.log.newest < 50


def test_a_block_that_is_pasted_is_worked_off_line_by_line(chat: Chat) -> None:
    """In one segment, or byte by byte: the second line is refused, the third accepted, the fourth said."""
    cleo = chat.enter("Cleo")
    block = f"/register\r\n{SHORT}\r\n{RIGHT}\r\nhello\r\n".encode()
    for name, size in (("Ann", len(block)), ("Dan", 1)):
        client = chat.enter(name)
        cleo.lines()
        for start in range(0, len(block), size):
            client.send_bytes(block[start : start + size])
            chat.turn()
        said = "\n".join(cleo.lines())
        assert f"<{name}> hello" in said
        assert SHORT not in said
        assert RIGHT not in said
        assert chat.hub.registry.accounts[name.lower()].password == RIGHT


class Slow:
    """Hashes that come when the test says so."""

    def __init__(self, chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting: list[Deferred[str]] = []

        async def hashed(password: str, *source: object) -> str:
            wait: Deferred[str] = Deferred()
            self.waiting.append(wait)
            await wait
            return password

        monkeypatch.setattr(chat.hub.accounts, "hash", hashed)

    def fail(self, error: Exception) -> None:
        """The next hash fails."""
        self.waiting.pop(0).errback(error)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [Busy("Too many."), ValueError("a bug")])
def test_what_is_typed_while_a_password_is_hashed_is_never_said(
    chat: Chat, kind: str, error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server is busy, or has a bug: the line behind the answer is an answer as well."""
    slow, cleo, ann = Slow(chat, monkeypatch), Guest(chat, "line", "Cleo"), Guest(chat, kind, "Ann")
    ann.type("/register", "first try 1", "second try 2")
    slow.fail(error)
    chat.turn()
    slow.fail(error)
    chat.turn()
    ann.type("third try 3")
    assert "try" not in cleo.shown() + cleo.answer("/history")
    assert chat.hub.registry.accounts.keys() == {"bob"}


def test_programs_are_told_what_is_missing(chat: Chat) -> None:
    """Nothing waits for their next line: it is said, and not taken for a password."""
    program = chat.enter("Al", "json")
    program.lines()
    program.send({"type": "do", "id": "1", "command": "register"}, {"type": "say", "id": "2", "text": "hello all"})
    (error,) = program.objects("error")
    assert (error["code"], error["id"]) == ("password-needed", "1")
    assert "The password is missing: /register [PASSWORD]" in error["text"]
    assert "prompt" not in error
    program.send({"type": "line", "text": "hello again"}, {"type": "answer", "id": "3", "text": "a secret"})
    (said,) = program.objects("error")
    assert (said["id"], said["text"]) == ("3", "Nothing was asked.")
    assert {event.text for event in chat.log._tail.before("#lobby", 99)} == {"hello all", "hello again"}  # type: ignore[attr-defined]


def test_an_answer_of_a_program_is_never_anything_else(chat: Chat) -> None:
    """It has a request of its own, whose error says whether it is asked for again."""
    program = chat.enter("Al", "json")
    program.lines()
    program.send({"type": "line", "id": "1", "text": "/register"}, {"type": "answer", "id": "2", "text": SHORT})
    asked, again = program.objects("error")
    assert asked["prompt"] == again["prompt"] == "Choose a password for Al, or press Enter to cancel:"
    assert again["code"] == "bad-password"
    program.send({"type": "say", "text": "meanwhile"}, {"type": "answer", "id": "3", "text": RIGHT})
    assert [one["id"] for one in program.objects("ok")] == ["3"]
    assert chat.hub.registry.accounts["al"].password == RIGHT


@pytest.mark.parametrize("kind", KINDS)
def test_who_types_an_accepted_password_twice_does_not_say_it(chat: Chat, kind: str) -> None:
    """Many are used to confirming a new password. The next line is free."""
    cleo, ann = Guest(chat, "line", "Cleo"), Guest(chat, kind, "Ann")
    ann.type("/register", RIGHT)
    assert "accepted already" in ann.answer(RIGHT)
    ann.type("hello")
    shown = cleo.shown()
    assert RIGHT not in shown
    assert "hello" in shown


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_command_begins_anew_and_no_other_is_a_new_password(chat: Chat, kind: str) -> None:
    """`/register` is nobody's password, nor is `/history 20`; but one may begin with a slash."""
    ann = Guest(chat, kind, "Ann")
    assert "Choose a password for Ann:" in ann.answer("/register", "/register")
    assert "is a command" in ann.answer("/history 20")
    assert "is yours now" in ann.answer("/hunter22")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("hunterr\x7f2", "hunter2"),
        ("hunterr\b2", "hunter2"),
        ("x\x7f\x7f\x7fy", "y"),
        ("wrong\x15right", "right"),
        ("one two \x17\x17three", "three"),
        ("one two\x17three", "one three"),
        ("e\u0301\x7fa", "a"),
        ("plain", "plain"),
    ],
)
def test_keys_that_erase_are_applied(typed: str, meant: str) -> None:
    """BS and DEL take a character with its marks, ^U the line, ^W a word; more of them than there is do nothing."""
    assert edited(typed) == meant


@pytest.mark.parametrize("kind", ["line", "json", "web"])
def test_a_password_is_what_is_left_of_it(chat: Chat, kind: str) -> None:
    """Over a line without editing, hunterr⌫22 is hunter22."""
    ann = Guest(chat, kind, "Ann")
    ann.type("/register", "hunterr\x7f22")
    assert chat.hub.registry.accounts["ann"].password == "hunter22"


def echoes(client: Client) -> list[bytes]:
    """What telnet was told of showing what is typed, in order."""
    data, client.transport.received = client.transport.received, b""
    found = [data[at : at + 3] for at in range(len(data)) if data[at : at + 1] == b"\xff"]
    words = {b"\xff\xfb\x01": b"hide", b"\xff\xfc\x01": b"show"}
    return [words[one] for one in found if one in words]


def test_telnet_hides_as_long_as_it_is_asked(chat: Chat) -> None:
    """From the question to the answer that is accepted, or the empty line; not from one answer to the next alone."""
    ann = chat.enter("Ann")
    for end in (b"\r\n", RIGHT.encode() + b"\r\n"):
        ann.send("/register")
        ann.send_bytes(b"\xff\xfd\x01")
        ann.send(SHORT, SHORT)
        assert echoes(ann) == [b"hide"]
        ann.send_bytes(end)
        chat.turn()
        assert echoes(ann) == [b"show"]
        ann.send_bytes(b"\xff\xfe\x01")


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize("kind", ["telnet", "terminal"])
def test_what_is_typed_unseen_is_never_said(chat: Chat, kind: str, accepted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a password is looked at, somebody types on where nothing is shown of it: another try, or nothing at all."""
    slow, cleo = Slow(chat, monkeypatch), chat.enter("Cleo")
    ann: Any = SshClient(chat, "Ann", door="ssh", term="xterm") if kind == "terminal" else chat.enter("Ann")
    end = "\r" if kind == "terminal" else "\r\n"
    ann.send_bytes(f"/register{end}".encode())
    chat.turn()
    if kind == "telnet":
        ann.send_bytes(b"\xff\xfd\x01")
    ann.send_bytes(f"first try 1{end}".encode())
    for part in ("second", f" try 2{end}", "third tr", f"y 3{end}"):
        ann.send_bytes(part.encode())
    chat.turn()
    if accepted:
        slow.waiting.pop(0).callback("")
    else:
        for _ in range(3):
            slow.fail(Busy("Too many."))
            chat.turn()
    chat.turn()
    assert ("ann" in chat.hub.registry.accounts) is accepted
    ann.send_bytes(f"{'' if accepted else end}hello{end}".encode())
    chat.turn()
    said = "\n".join(cleo.lines())
    assert "try" not in said
    assert "hello" in said


def test_a_terminal_shows_nothing_of_a_secret_as_long_as_it_is_asked_for(chat: Chat) -> None:
    """Over SSH, from one try to the next, and while it is hashed; what is typed afterwards is shown."""
    ann = SshClient(chat, "Ann", door="ssh", term="xterm")
    ann.send_bytes(b"/register\r")
    for guess in (b"hunter", b"short"):
        ann.send_bytes(guess + b"\r")
    ann.send_bytes(b"correct hor\x7fse\r")
    shown = ann.bytes()
    assert b"is yours now" in shown
    assert not [word for word in (b"hunter", b"short", b"correct") if word in shown]
    ann.send_bytes(b"visible")
    assert b"visible" in ann.bytes()
    assert chat.hub.registry.accounts["ann"].password == "correct hose"


@pytest.mark.parametrize("kind", KINDS)
def test_one_question_after_another(chat: Chat, kind: str) -> None:
    """The current password, then the new one: each is asked for until it is accepted, and none is said."""
    cleo, ann = chat.enter("Cleo"), Guest(chat, kind, "Ann")
    ann.type(f"/register {RIGHT.replace(' ', '')}")
    cleo.lines()
    assert "Your current password:" in ann.answer("/password")
    assert "Your current password, or" in ann.answer("a wrong guess")
    assert "Your new password:" in ann.answer(RIGHT.replace(" ", ""))
    assert "Your new password, or" in ann.answer(SHORT)
    assert "is changed" in ann.answer("another horse")
    assert chat.hub.registry.accounts["ann"].password == "another horse"
    assert cleo.lines() == []


def test_what_can_not_be_read_is_a_refused_answer(chat: Chat) -> None:
    """No UTF-8, or too long: the next line is an answer as well."""
    cleo, ann = chat.enter("Cleo"), chat.enter("Ann")
    ann.send("/register")
    for odd in (b"\xff\xfe secret", b"\0secret", b"secret" * 1000):
        ann.send_bytes(odd.replace(b"\xff", b"\xff\xff") + b"\n")
        chat.turn()
    ann.send("secret")
    assert sum("press Enter to cancel" in line for line in ann.lines()) == 5
    assert "secret" not in "\n".join(cleo.lines())
