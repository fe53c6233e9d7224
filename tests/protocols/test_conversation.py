"""What people and programs see, in memory."""

from pathlib import Path
from threading import Event
from typing import Any

import pytest
from storage_bench import Reactor
from tls_client import Encrypted, credentials
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from twisted_chat.config import Config
from twisted_chat.core.users.settings import Receipts
from twisted_chat.storage.sqlite.database import Database
from twisted_chat.storage.sqlite.log import SqliteLog
from twisted_chat.testing import Chat, Client


def said(client: Client) -> list[str]:
    """The texts of the messages a client has been shown, in either dialect."""
    texts = []
    for line in client.lines():
        if line.startswith('{"type":"said"'):
            texts.append(line.split('"text":"')[1].split('"')[0])
        elif line.startswith("[") and "> " in line:
            texts.append(line.split("> ", 1)[1])
    return texts


def test_the_originals_transcript() -> None:
    """One person alone sees the original's words, and no others."""
    simran = Chat().enter("Simran")
    simran.send("Hello", "exit")
    assert simran.lines() == [
        "Welcome to the chat server! What's your name?",
        "Hello Simran, you are now connected!",
        "Server: I received your message - 'Hello'",
    ]
    assert simran.closed


def test_two_people() -> None:
    """What others do is shown with its mark; what one does oneself is not shown again."""
    chat = Chat()
    simran = chat.enter("Simran")
    bob = chat.enter("Bob")
    simran.lines()
    assert bob.lines()[-1] == "-> In #lobby: Bob, Simran"
    simran.send("Hello", "/me waves", "//help")
    bob.send("/nick Rob", "/topic tea", "/quit lunch")
    assert bob.lines()[:3] == ["[12:01] <Simran> Hello", "[12:01] * Simran waves", "[12:01] <Simran> /help"]
    assert simran.lines() == ["* Bob is now Rob", "* Rob set the topic: tea", "* Rob left (1 here): lunch"]


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("kind", ["line", "json"])
def test_the_same_over_every_protocol(kind: str, encrypted: bool, tmp_path: Path) -> None:
    """A clash asks again, rooms part people, private messages reach one person, history shows the past."""
    chat = Chat(credentials=credentials(tmp_path))
    ann = chat.enter("Ann")
    other = Encrypted(chat).shake_hands() if encrypted else chat.connect(kind)
    other.send("ANN" if kind == "line" else {"type": "hello", "name": "ANN"})
    assert any("is taken" in line for line in other.lines())

    def typed(text: str) -> None:
        other.send(text if kind == "line" else {"type": "line", "text": text})

    other.send("Ben" if kind == "line" else {"type": "hello", "name": "Ben"})
    ann.send("one")
    typed("two")
    assert "[12:01] <Ben> two" in ann.lines()
    assert "one" in said(other)
    typed("/join #tea")
    ann.send("not for the tea room", "/msg Ben psst")
    typed("/leave #lobby")
    ann.lines()
    typed("three")
    typed("/reply hush")
    assert ann.lines() == ["[12:01] <Ben -> Ann> hush"]
    assert any("psst" in line for line in other.lines())
    typed("/history 5")
    assert any("three" in line and "two" not in line for line in other.lines())
    for line, words in (("/zap", "Unknown command /zap"), ("/msg", "Usage: /msg NAME TEXT..."), ("/msg Zoe x", "Nobody here")):
        typed(line)
        assert any(words in answer for answer in other.lines())


def test_at_the_name_prompt() -> None:
    """who, help and quit answer before one has a name; nothing else does."""
    chat = Chat()
    chat.enter("Ann")
    visitor = chat.connect("line")
    visitor.send("who", "help", "/rooms", "server", "a b", "quit")
    lines = visitor.lines()
    assert "-> In #lobby: Ann" in lines
    assert any("/quit [REASON...]" in line for line in lines)
    assert "-> Please tell us your name first." in lines
    assert "-> server is a reserved name. Please choose another." in lines
    assert visitor.closed


def test_half_close_says_the_last_line_and_gets_every_receipt() -> None:
    """An end of input is a request to close, after all that was sent is done."""
    bob = Chat().connect("line")
    bob.send_bytes(b"bob\nhi\nyo")
    bob.end_input()
    assert bob.lines()[-2:] == ["Server: I received your message - 'hi'", "Server: I received your message - 'yo'"]
    assert bob.closed


@pytest.mark.parametrize(("policy", "alone", "in_company"), [("alone", 1, 0), ("always", 1, 1), ("never", 0, 0)])
def test_receipts_follow_the_policy(policy: str, alone: int, in_company: int) -> None:
    """People get receipts as --receipts says."""
    chat = Chat(Config(receipts=Receipts(policy)))
    ann = chat.enter("Ann")
    ann.send("x")
    assert sum("I received" in line for line in ann.lines()) == alone
    chat.enter("Ben")
    ann.send("y")
    assert sum("I received" in line for line in ann.lines()) == in_company


def test_programs_get_one_answer_a_request() -> None:
    """receipt for what is said, ok for what is done, error with a code for what can't be."""
    chat = Chat()
    al = chat.enter("Al", "json", id="h")
    al.send(
        {"type": "say", "id": "1", "text": "x"},
        {"type": "do", "id": "2", "command": "topic", "arguments": ["t"]},
        {"type": "say", "id": "3", "text": " "},
        {"type": "say", "id": "4", "text": "x", "room": "#else"},
        {"type": "do", "id": "5", "command": "msg", "arguments": ["Al", "self"]},
        "{broken",
        "[]",
        {"type": "zap", "id": "6"},
        {"type": "say", "id": 7, "text": "x"},
        {"type": "ping"},
    )
    answers = [one for one in al.objects() if one["type"] in ("receipt", "ok", "error", "pong")]
    by_id = {one.get("id"): (one["type"], one.get("code")) for one in answers if "id" in one}
    assert by_id == {
        "h": ("ok", None),
        "1": ("receipt", None),
        "2": ("ok", None),
        "3": ("error", "bad-text"),
        "4": ("error", "not-in-room"),
        "5": ("receipt", None),
        "6": ("error", "bad-request"),
    }
    assert [one["code"] for one in answers if one["type"] == "error" and "id" not in one] == ["bad-request"] * 3
    assert any(one["type"] == "pong" for one in answers)


def test_resume_goes_on_where_one_was_and_says_a_message_once() -> None:
    """A program that comes back with its secret takes its name over, reads on, and what it sends again is there once."""
    chat = Chat()
    ann = chat.enter("Ann", "json")
    al = chat.enter("Al", "json", client="secret")
    log = next(one["log"] for one in al.objects("welcome"))
    al.send({"type": "say", "id": "m", "text": "mine"})
    position = next(one["seq"] for one in al.objects("said"))
    ann.send({"type": "say", "text": "missed"})
    thief = chat.enter("Al", "json", client="guess")
    assert thief.objects("error")[0]["code"] == "name-taken"
    back = chat.enter("Al", "json", client="secret", log=log, rooms={"#lobby": position})
    back.send({"type": "say", "id": "m", "text": "mine", "again": True})
    came = back.objects()
    assert [one["text"] for one in came if one["type"] == "said"] == ["missed"]
    assert [(one["id"], one["seq"], one["kept"]) for one in came if one["type"] == "receipt"] == [("m", position, True)]
    assert [one["code"] for one in al.objects("error")] == ["taken-over"]
    assert al.closed
    ann.objects()
    stranger = chat.enter("Eve", "json", log="another", rooms={"#lobby": position})
    assert [one["text"] for one in stranger.objects("history")[0]["events"]] == ["mine", "missed"]


@pytest.mark.parametrize("kind", ["line", "json"])
def test_a_slow_reader_reads_on_from_the_tail(kind: str) -> None:
    """Nothing is written to a full connection; on reading again it gets everything once, in order."""
    chat = Chat()
    slow, talker = chat.enter("Sloth", kind), chat.enter("Talker")
    slow.lines()
    slow.transport.stop_reading()
    texts = [f"{number} {'x' * 1000}" for number in range(1000)]
    for text in texts:
        talker.send(text)
    assert len(slow.transport.value()) < 2 * 65536
    slow.transport.read_on()
    chat.turn()
    talker.send("now")
    assert said(slow) == [*texts, "now"]


def test_a_bug_is_noted_and_the_connection_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong in a command is logged under an id; the person is told the id and can go on."""
    chat = Chat()
    ann = chat.enter("Ann")
    monkeypatch.setattr(chat.hub, "set_topic", lambda *_: 1 / 0)
    noted: list[str] = []

    def observer(event: dict[str, str]) -> None:
        if "case" in event:
            noted.append(event["case"])

    globalLogPublisher.addObserver(observer)
    try:
        ann.send("/topic x", "still here")
    finally:
        globalLogPublisher.removeObserver(observer)
    lines = ann.lines()
    assert f"It is noted as {noted[0]}." in lines[-2]
    assert lines[-1] == "Server: I received your message - 'still here'"


def test_first_bytes_choose_the_protocol() -> None:
    """A brace is a program, anything else a person; one byte at a time, before and after the greeting."""
    chat = Chat()
    hello = b'{"type":"hello","name":"Al"}\n'
    program, person, silent, late = (chat.connect() for _ in range(4))
    for byte in hello:
        program.send_bytes(bytes([byte]))
    person.send_bytes(b"S")
    person.send_bytes(b"imran\n")
    chat.turn()
    assert program.objects()[0]["type"] == "welcome"
    assert "Hello Simran, you are now connected!" in person.lines()
    assert silent.lines() == late.lines() == []
    chat.clock.advance(0.3)
    assert silent.lines() == late.lines() == ["Welcome to the chat server! What's your name?"]
    late.send_bytes(hello.replace(b"Al", b"Bo"))
    silent.send("Sam")
    assert late.objects()[0]["type"] == "welcome"
    assert "Hello Sam, you are now connected!" in silent.lines()
    assert sorted(chat.hub.people) == ["al", "bo", "sam", "simran"]
    assert (chat.people.usernames, chat.programs.usernames) == (["Sam", "Simran"], ["Al", "Bo"])


def test_too_long_a_line_is_refused_and_endless_ones_end() -> None:
    """4 KiB a line, then an error; 16 KiB without a line end, then goodbye."""
    ann = Chat().enter("Ann")
    ann.send("x" * 4096, "x" * 4097)
    assert [line[:6] for line in ann.lines()[-2:]] == ["-> Tha", "Server"]
    ann.send_bytes(b"x" * 16385)
    assert ann.closed


def test_receipts_wait_for_the_disk_and_the_others_do_not(tmp_path: Path) -> None:
    """With the storage thread held up, the others see messages at once; receipts come when the commit has returned."""
    reactor: list[Reactor] = []

    def slow_log(_: object) -> SqliteLog:
        database = Database(tmp_path)
        database.claim()
        reactor.append(Reactor())
        return SqliteLog(database, reactor[0], tail_bytes=1 << 20, batch_bytes=1 << 16, waiting_bytes=1 << 20)

    chat = Chat(Config(receipts=Receipts.ALWAYS), log=slow_log)
    ann, ben = chat.connect("line"), chat.connect("line")
    for client, name, key in ((ann, "Ann", "ann"), (ben, "Ben", "ben")):
        client.send(name)
        reactor[0].until(lambda key=key: chat.hub.people[key][0].live)
    held = Event()
    chat.log._thread.submit(held.wait, 20)  # type: ignore[attr-defined]
    ann.send("Hello")
    reactor[0].turn()
    assert any("<Ann> Hello" in line for line in ben.lines())
    assert not any("I received" in line for line in ann.lines())
    held.set()
    reactor[0].until(lambda: any("I received your message - 'Hello'" in line for line in ann.lines()))
    closing: Any = chat.log.close()
    ended: list[object] = []
    Deferred.fromCoroutine(closing).addBoth(ended.append)
    reactor[0].until(lambda: ended)


def test_telnet_hides_a_password_and_nc_is_told_it_cant() -> None:
    """IAC WILL ECHO before the password, IAC WONT ECHO after it (RFC 857); who does not answer is told."""
    chat = Chat()
    owner = chat.enter("Ann")
    owner.send("/register secret12", "exit")
    chat.clock.advance(1)
    telnet, nc = chat.connect("line"), chat.connect("line")
    for client in (telnet, nc):
        client.send("Ann")
        assert client.transport.received.endswith(b"\xff\xfb\x01\r-> Ann is a registered name. Password:\r\n")
        client.transport.received = b""
    telnet.send_bytes(b"\xff\xfd\x01")
    telnet.transport.received = b""
    chat.clock.advance(1)
    assert telnet.transport.received == b""
    assert "will be visible" in nc.lines()[0]
    telnet.send("secret12")
    assert telnet.transport.received.startswith(b"\r\n\xff\xfc\x01Hello Ann, you are now connected!")
    hasty = chat.connect("line")
    hasty.send_bytes(b"Ann\nwrong\n")
    chat.turn()
    assert b"\xff" not in hasty.transport.received.split(b"Password:")[0]
