"""What two parties could choose alike never makes one's message pass for another's: ids, clients' secrets, tokens, codes."""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from twisted_chat.config import Config, Limits
from twisted_chat.core.digests import CLIENT, MESSAGE_IDS, RESUME_CODE, TOKEN, digest
from twisted_chat.core.records import Account, RoomRecord, Token
from twisted_chat.storage.sqlite import log
from twisted_chat.storage.sqlite.database import Database
from twisted_chat.storage.sqlite.log import SqliteLog
from twisted_chat.testing import Chat, Client

NAMES, ROOMS, WORDS = ("Ann", "Ben", "Cat"), ("#lobby", "#two"), ("x", "y")
TOKENS = {"t1": "Bot", "t2": "Tob"}


class Inline:
    """The storage thread's stand-in: what is submitted is done in the next turn."""

    def __init__(self, name: str, later: Callable[..., object]) -> None:
        self._later = later

    def submit(self, function: Callable[..., Any], *arguments: object) -> "Deferred[Any]":
        """Called by the log."""
        done: Deferred[Any] = Deferred()
        self._later(lambda: maybeDeferred(function, *arguments).chainDeferred(done))
        return done

    def stop(self) -> None:
        """Called by the log."""


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the disk's work done between turns."""
    monkeypatch.setattr(log, "WorkerThread", Inline)


class Life:
    """A server on a real file that is started anew at times."""

    def __init__(self, folder: Path, tail_bytes: int) -> None:
        self.database = Database(folder)
        self.database.claim()
        self.chat = Chat(Config(limits=Limits.OFF, state=str(folder), tail_bytes=tail_bytes), log=self._log)
        hub = self.chat.hub
        hub.restore(Account(key=name.casefold(), name=name, password="password", created=1.0) for name in ("Ann", "Ben"))
        hub.restore([RoomRecord(key="#own", owner="ann")])
        hub.restore(Token(digest=secret[::-1], name=bot, room="#own", by="ann", at=1.0) for secret, bot in TOKENS.items())

    def _log(self, clock: Clock) -> SqliteLog:
        reactor: Any = clock
        reactor.callFromThread = lambda call, *rest: clock.callLater(0, call, *rest)
        sizes = {"tail_bytes": self._tail, "batch_bytes": 1000, "waiting_bytes": 100_000}
        return SqliteLog(self.database, reactor, number_block=1000, **sizes)

    _tail = 1

    def enter(self, name: str, secret: str | None) -> Client:
        """A program that has come into both rooms."""
        hello: dict[str, Any] = {"rooms": dict.fromkeys(ROOMS)}
        if secret is not None:
            hello["client"] = secret
        if name in ("Ann", "Ben"):
            hello["password"] = "password"
        client = self.chat.enter(name, "json", **hello)
        client.objects()
        return client

    def post(self, token: str, message_id: str, text: str) -> Client:
        """A script that says something, as far as its request."""
        client = self.chat.connect("web")
        client.send_bytes(
            f"POST /rooms/own HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {message_id}\r\n"
            f"Content-Length: {len(text)}\r\n\r\n{text}".encode()
        )
        return client

    def row(self, seq: int) -> tuple[Any, ...] | None:
        """Room, kind, author and text of a message on disk."""
        found = self.database.query("SELECT room, kind, author, text FROM messages WHERE seq = ?", (seq,))
        return tuple(found[0]) if found else None

    def end(self) -> None:
        """Stop, in good order."""
        closing = Deferred.fromCoroutine(self.chat.log.close())  # type: ignore[arg-type]
        self.chat.turn()
        assert closing.called


json_steps = st.tuples(
    st.just("json"),
    st.sampled_from(NAMES),
    st.sampled_from((None, "1", "2", "t1", "CODE-1")),
    st.sampled_from(("1", "2")),
    st.sampled_from(("say", "me", "msg")),
    st.sampled_from(ROOMS),
    st.sampled_from(WORDS),
    st.booleans(),
)
web_steps = st.tuples(st.just("web"), st.sampled_from(tuple(TOKENS)), st.sampled_from(("1", "2")), st.sampled_from(WORDS))
steps = st.one_of(json_steps, json_steps, web_steps, st.tuples(st.just("turn")), st.tuples(st.just("restart")))


@given(st.lists(steps, min_size=4, max_size=24), st.sampled_from((1, 100_000)))
@settings(max_examples=60, deadline=None)
def test_a_receipt_is_for_the_very_same_message(done: list[tuple[Any, ...]], tail_bytes: int) -> None:
    """Every receipt names a row with exactly this author, room and text; what a program sends again is kept once."""
    with TemporaryDirectory() as folder:
        Life._tail = tail_bytes
        life = Life(Path(folder), tail_bytes)
        programs: dict[tuple[str, str | None], Client] = {}
        open_requests: list[tuple[Client, str, tuple[str, ...], bool]] = []
        expected: dict[tuple[str, ...], set[int]] = {}  # by whose it is, and what: the rows it may have

        def check() -> None:
            life.chat.turn()
            for client, message_id, what, private in open_requests:
                answers = [one for one in replies(client) if one.get("id", message_id) == message_id]
                assert answers, (message_id, what)
                for one in answers:
                    if one["type"] == "receipt" and one["kept"]:
                        room, kind, author, text = what[-4:]
                        assert life.row(one["seq"]) == (room, kind, author, text)
                        expected.setdefault(what, set()).add(one["seq"])
                    else:
                        assert private or one["type"] == "error", one
            open_requests.clear()
            assert all(len(numbers) == 1 for what, numbers in expected.items() if what[0] != "None"), expected

        for step in (*done, ("turn",)):
            match step:
                case ("turn",):
                    check()
                case ("restart",):
                    check()
                    life.end()
                    programs.clear()
                    life = Life(Path(folder), tail_bytes)
                case ("web", token, message_id, text):
                    client = life.post(token, message_id, text)
                    open_requests.append(
                        (client, message_id, ("token", token, message_id, "#own", "said", TOKENS[token], text), False)
                    )
                case ("json", name, secret, message_id, kind, room, text, again):
                    if (name, secret) not in programs or programs[name, secret].closed:
                        check()
                        programs = {who: one for who, one in programs.items() if who[0] != name}
                        programs[name, secret] = life.enter(name, secret)
                    client = programs[name, secret]
                    if not life.chat.hub.people.get(name.casefold()) or client.closed:
                        continue
                    check()
                    request: dict[str, Any] = {"type": "do", "id": message_id, "room": room, "command": kind, "again": again}
                    request["arguments"] = ["Ben", text] if kind == "msg" else [text]
                    place = "@ben" if kind == "msg" else room
                    stored = {"say": "said", "me": "emoted", "msg": "told"}[kind]
                    what = ("None" if secret is None else secret, name, message_id, place, stored, name, text)
                    client.send_bytes(json.dumps(request).encode() + b"\n")
                    open_requests.append((client, message_id, what, kind == "msg" and name == "Cat"))
        said = life.database.query("SELECT count(*), count(DISTINCT seq) FROM messages")[0]
        life.end()
        assert said[0] == said[1]


def replies(client: Client) -> list[dict[str, Any]]:
    """Receipts and errors that have come to a program or a script."""
    data = client.transport.received.decode().splitlines()
    client.transport.received = b""
    found = [json.loads(line) for line in data if line.startswith("{")]
    return [one for one in found if one["type"] in ("receipt", "error")]


def test_nobody_can_say_a_victims_message_first() -> None:
    """The ids of a program that gives no secret are its own: no secret that another chooses makes the same ones."""
    chat = Chat()
    reader = chat.enter("Zoe")
    attacker = chat.connect("json")
    victim = chat.enter("Vic", "json")
    number = next(session.id for sessions in chat.hub.people.values() for session in sessions if session.name == "Vic")
    attacker.send({"type": "hello", "name": "Eve", "client": str(number)})
    for client, text in ((attacker, "mine"), (victim, "mine"), (victim, "other")):
        client.objects()
        client.send({"type": "say", "id": "1", "text": text})
        assert [one["kept"] for one in client.objects("receipt")] == [True]
    shown = "\n".join(reader.lines())
    assert shown.count("mine") == 2
    assert shown.count("other") == 1


def test_an_id_after_a_restart_is_another_one(tmp_path: Path) -> None:
    """Sessions are counted anew at each start, and a program's ids may be, too: nothing is taken for what was said before."""
    for text in ("before", "after", "after"):
        life = Life(tmp_path, 1)
        program = life.enter("Ann", None)
        program.send({"type": "say", "id": "1", "room": "#lobby", "text": text, "again": True})
        (receipt,) = program.objects("receipt")
        assert life.row(receipt["seq"]) == ("#lobby", "said", "Ann", text)
        life.end()
    life = Life(tmp_path, 1)
    assert life.database.query("SELECT text FROM messages ORDER BY seq") == [("before",), ("after",), ("after",)]
    life.end()


def test_both_who_send_a_message_at_once_have_its_receipt(tmp_path: Path) -> None:
    """A message that is sent again on another connection before it is on disk is receipted on both."""
    life = Life(tmp_path, 100_000)
    posts = [life.post("t1", "1", "x") for _ in range(3)]
    life.chat.turn()
    seqs = [one["seq"] for client in posts for one in replies(client)]
    assert len(seqs) == 3
    assert len(set(seqs)) == 1
    life.end()


def test_a_private_message_that_is_sent_again_is_not_told_twice(tmp_path: Path) -> None:
    """The disk is asked for it first, as for one in a room."""
    for _ in range(2):
        life = Life(tmp_path, 1)
        ben = life.enter("Ben", "b")
        ann = life.enter("Ann", "a")
        ann.send({"type": "do", "id": "1", "command": "msg", "arguments": ["Ben", "psst"], "again": True})
        assert [one["kept"] for one in ann.objects("receipt")] == [True]
        told = len(ben.objects("told"))
        life.end()
    assert told == 0


@given(st.text(max_size=8), st.sampled_from((CLIENT, TOKEN, RESUME_CODE, MESSAGE_IDS)))
def test_one_secret_has_a_digest_for_each_purpose(secret: str, purpose: bytes) -> None:
    """What is compared when somebody comes back tells nothing of what makes ids, nor of another kind of secret."""
    data = secret.encode()
    others = {digest(data, other) for other in (CLIENT, TOKEN, RESUME_CODE, MESSAGE_IDS) if other != purpose}
    assert digest(data, purpose) not in others
    assert len(others) == 3


def test_what_a_program_chooses_is_no_code_and_a_code_is_no_programs_secret() -> None:
    """A guest's name comes back by the server's code or by the program's own secret; neither passes for the other."""
    chat = Chat()
    ann = chat.enter("Ann", "json", client="CODE-1")
    thief = chat.connect()
    thief.send("/resume Ann CODE-1")
    assert "taken" in "\n".join(thief.lines())
    ann.send({"type": "do", "command": "resume"})
    assert "/resume Ann CODE-1" in ann.objects("remark")[-1]["text"]
    back = chat.connect()
    back.send("/resume Ann CODE-1")
    assert "Hello Ann" in "\n".join(back.lines())
    again = chat.enter("Ann", "json", client="CODE-1")
    assert again.objects("error")[0]["code"] == "name-taken"


@pytest.mark.parametrize("secret", ["é" * 20, "x" * 128])
def test_any_secret_may_be_shown_a_code(secret: str) -> None:
    """A program's secret is never shown, and never spoils what is."""
    chat = Chat()
    ann = chat.enter("Ann", "json", client=secret)
    ann.send({"type": "do", "command": "resume"})
    (remark,) = ann.objects("remark")
    assert secret not in remark["text"]


def test_a_key_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """An Idempotency-Key is one printable text."""
    life = Life(tmp_path, 1)
    for head in (b"\xff", b"a\r\nIdempotency-Key: b", b"", b"x" * 65):
        client = life.chat.connect("web")
        request = b"POST /rooms/own HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer t1\r\nIdempotency-Key: %b\r\n"
        client.send_bytes(request % head + b"Content-Length: 1\r\n\r\nx")
        life.chat.turn()
        assert replies(client)[0]["code"] == "bad-request"
    assert life.database.query("SELECT count(*) FROM messages") == [(0,)]
    life.end()


@pytest.mark.parametrize("tail_bytes", [1, 100_000])
def test_what_was_said_under_an_earlier_name_is_known_again(tmp_path: Path, tail_bytes: int) -> None:
    """A program that has taken another name meanwhile sends its messages again under it: each is kept once."""
    Life._tail = tail_bytes
    life = Life(tmp_path, tail_bytes)
    cat = life.enter("Cat", "a secret of some length")
    said = {"type": "say", "id": "1", "room": "#lobby", "text": "hi", "again": True}
    cat.send(said, {"type": "line", "text": "/nick Kitty"}, {"type": "line", "text": "other"})
    (first, *_) = cat.objects("receipt")
    cat.send(said)
    (again,) = cat.objects("receipt")
    assert again["seq"] == first["seq"]
    other = life.enter("Dog", "another secret of length")
    other.send(said)
    assert other.objects("receipt")[-1]["seq"] != first["seq"]
    assert life.database.query("SELECT author FROM messages WHERE text = 'hi' ORDER BY seq") == [("Cat",), ("Dog",)]
    life.end()
