"""Rooms for scripts: tokens, saying something, reading, listening."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browsers import Answered, answers, ask, request
from twisted.internet.defer import succeed

from twisted_chat.core.records import Token
from twisted_chat.storage.sqlite.database import Database
from twisted_chat.storage.sqlite.records import SqliteRecords
from twisted_chat.testing import Chat, Client

WATCHER = "198.51.100.7"


class Ops:
    """A chat with a room #ops, whose owner Olga has made a token for the bot deploy."""

    def __init__(self, **made: Any) -> None:
        self.chat = Chat(**made)
        self.olga = self.chat.enter("Olga")
        self.olga.send("/register secretword", "/join #ops")
        self.token = self.make("deploy")

    def make(self, name: str, by: Client | None = None) -> str:
        """A new token."""
        lines = self.typed(f"/token {name}", by)
        found = re.search(rf"The token of {name} in #ops is shown this once: (\S+)", lines)
        assert found, lines
        return found[1]

    def typed(self, line: str, by: Client | None = None) -> str:
        """What Olga, or somebody else, is shown when they type this."""
        client = by or self.olga
        client.lines()
        client.send(line)
        return "\n".join(client.lines())

    def ask(self, method: str = "GET", query: str = "", *headers: str, body: bytes = b"", token: str | None = None) -> Answered:
        """Ask for #ops with the token."""
        shown = f"Authorization: Bearer {token or self.token}"
        return ask(self.chat, method, f"/rooms/ops{query}", shown, *headers, body=body)

    def listen(self, *headers: str, query: str = "") -> Client:
        """A script that listens."""
        client = self.chat.connect()
        client.send_bytes(
            request("GET", f"/rooms/ops{query}", f"Authorization: Bearer {self.token}", "Accept: text/event-stream", *headers)
        )
        self.chat.turn()
        head, _, client.transport.received = client.transport.received.partition(b"\r\n\r\n")
        assert b"200 OK\r\nContent-Type: text/event-stream" in head
        return client


def streamed(client: Client) -> list[dict[str, Any]]:
    """The events that have come, each with its id as the stream gives it."""
    data, client.transport.received = client.transport.received.decode(), ""
    client.transport.received = b""
    found = []
    for block in data.split("\n\n")[:-1]:
        lines = dict(line.split(": ", 1) for line in block.split("\n") if line != ":")
        if lines:
            found.append(json.loads(lines["data"]) | {"id of the stream": lines.get("id")})
    return found


def test_a_script_says_something_and_gets_the_receipt() -> None:
    """Everybody in the room is shown it, by the bot's name; nobody comes or goes for it, and the bot is not here."""
    ops = Ops()
    ops.olga.lines()
    answer = ops.ask("POST", body="deployed ✓\n".encode())
    assert (answer.status, answer.object["kept"], answer.object["room"]) == (200, True, "#ops")
    assert [line[8:] for line in ops.olga.lines()] == ["<deploy> deployed ✓"]
    assert "deploy" not in ops.typed("/who")
    assert ops.chat.hub.people.keys() == {"olga"}
    assert not [connection for connection in ops.chat.connections if connection.session.name == "deploy"]


def test_a_message_that_is_sent_again_is_said_once() -> None:
    """With an Idempotency-Key, after the answer was lost: the receipt is that of the first."""
    ops = Ops()
    first, second = (ops.ask("POST", "", "Idempotency-Key: 17", body=b"once") for _ in range(2))
    assert first.object["seq"] == second.object["seq"]
    assert sum("once" in line for line in ops.olga.lines()) == 1


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ([], b"x", 401, "wrong-token"),
        (["Authorization: Basic b2xnYTp4"], b"x", 401, "wrong-token"),
        (["Authorization: Bearer "], b"x", 401, "wrong-token"),
        (["Authorization: Bearer guess"], b"x", 401, "wrong-token"),
        (["Authorization: Bearer {token}", "Authorization: Bearer {token}"], b"x", 401, "wrong-token"),
        (["Authorization: Bearer {token}"], b"", 400, "bad-text"),
        (["Authorization: Bearer {token}"], b"\xff", 400, "bad-text"),
        (["Authorization: Bearer {token}"], b"x" * 5000, 413, "too-large"),
        (["Authorization: Bearer {token}"], b"x" * 300_000, 413, "too-large"),
        (["Authorization: Bearer {token}", "Idempotency-Key: " + "x" * 65], b"x", 400, "bad-request"),
    ],
)
def test_what_can_not_be_said_is_told_in_one_object(headers: list[str], body: bytes, status: int, code: str) -> None:
    """With the status that programs go by; nothing of it is shown to anybody."""
    ops = Ops()
    ops.olga.lines()
    headers = [header.format(token=ops.token) for header in headers]
    answer = ask(ops.chat, "POST", "/rooms/ops", *headers, body=body)
    assert (answer.status, answer.object["code"]) == (status, code)
    assert ("www-authenticate" in answer.headers) is (status == 401)
    assert ops.olga.lines() == []


@pytest.mark.parametrize(
    ("path", "status"), [("/rooms/lobby", 403), ("/rooms/", 400), ("/rooms/a%20b", 400), ("/rooms/none", 403)]
)
def test_a_token_is_for_its_room_alone(path: str, status: int) -> None:
    """Of other rooms not even whether they are there is told."""
    ops = Ops()
    for method in ("GET", "POST"):
        assert ask(ops.chat, method, path, f"Authorization: Bearer {ops.token}").status == status


def test_who_guesses_tokens_has_to_wait() -> None:
    """Wrong ones, by address. The right one is found first: nobody at its address can shut it out."""
    ops = Ops()
    statuses = [ops.ask("POST", body=b"x", token=f"guess{number}").status for number in range(4)]
    assert statuses == [401, 401, 401, 429]
    assert ops.ask("POST", body=b"x").status == 200
    assert ops.ask("POST", body=b"x", token="guess").status == 429
    shown = f"Authorization: Bearer {ops.token}"
    assert ask(ops.chat, "POST", "/rooms/ops", shown, body=b"x", address=WATCHER).status == 200


def test_policies_and_sanctions_hold_for_bots_too() -> None:
    """A muted or banned one is refused; one may speak while the room is moderated, and come into a private one."""
    ops = Ops()
    ops.olga.send("/room moderated", "/room invite-only", "/room private")
    assert ops.ask("POST", body=b"x").status == 200
    ops.olga.send("/mute deploy 1h noise")
    muted = ops.ask("POST", body=b"x")
    assert (muted.status, muted.object["code"]) == (403, "banned")
    ops.olga.send("/unmute deploy")
    ops.chat.hub.rooms["#ops"].change(encrypted=True)
    exposed = ops.ask("POST", body=b"x")
    assert (exposed.status, exposed.object["code"]) == (403, "not-invited")


def test_what_was_said_is_read_in_pieces() -> None:
    """The last of it, or what follows a number, as JSON lines; what was not kept is not there."""
    ops = Ops()
    for number in range(30):
        ops.olga.send(f"word {number}")
    last = ops.ask()
    assert last.headers["content-type"] == "application/jsonl; charset=utf-8"
    lines = [json.loads(line) for line in last.body.splitlines()]
    assert [line["text"] for line in lines] == [f"word {number}" for number in range(10, 30)]
    after = ops.ask("GET", f"?since={lines[4]['seq']}")
    assert [json.loads(line)["text"] for line in after.body.splitlines()] == [f"word {number}" for number in range(15, 30)]
    assert len(ops.ask("GET", "?since=0").body.splitlines()) == 30
    assert ops.ask("GET", f"?since={lines[-1]['seq']}").body == b""
    assert ops.ask("GET", "?since=999999").body == b""
    assert ops.ask("HEAD").body == b""
    for odd in ("x", "-1", "1" * 30, "%D9%A3"):
        assert ops.ask("GET", f"?since={odd}").status == 400


def test_who_listens_is_in_the_room_and_reads_on_where_it_was() -> None:
    """It is seen to come; each event has its number; after a break it goes on from the last one, and nothing is doubled."""
    ops = Ops()
    stream = ops.listen()
    assert "* deploy joined (2 here)" in ops.olga.lines()
    assert "deploy (HTTP)" in ops.typed("/who")
    ops.olga.send("one")
    said = [one for one in streamed(stream) if one["type"] == "said"]
    assert [(one["text"], one["id of the stream"]) for one in said] == [("one", str(said[0]["seq"]))]
    stream.vanish()
    ops.olga.send("two", "three")
    again = ops.listen(f"Last-Event-ID: {said[0]['id of the stream']}")
    assert [one["text"] for one in streamed(again) if one["type"] == "said"] == ["two", "three"]
    ops.olga.send("four")
    assert [one["text"] for one in streamed(again) if one["type"] == "said"] == ["four"]
    assert ops.ask("POST", body=b"five").status == 200
    assert [one["author"] for one in streamed(again) if one["type"] == "said"] == ["deploy"]


def test_one_who_listens_twice_takes_over() -> None:
    """The second stream of a bot goes on, and the first is told why it ends."""
    ops = Ops()
    first = ops.listen()
    second = ops.listen()
    assert streamed(first)[-1]["text"] == "You have come back on another connection."
    assert first.closed and not second.closed


def test_a_stream_that_is_not_read_costs_no_memory_and_misses_nothing() -> None:
    """It is a reader of the log as everybody is."""
    ops = Ops()
    stream = ops.listen()
    stream.transport.stop_reading()
    for number in range(100):
        ops.olga.send(f"{number:03}".ljust(4000, "x"))
    assert len(stream.transport.value()) < 200_000
    stream.transport.read_on()
    ops.chat.turn()
    assert [int(one["text"][:3]) for one in streamed(stream) if one["type"] == "said"] == list(range(100))


def test_a_silent_stream_says_that_it_is_there() -> None:
    """A comment every half a minute; nothing that the script sends means anything."""
    ops = Ops()
    stream = ops.listen()
    stream.transport.received = b""
    stream.send_bytes(b"GET / HTTP/1.1\r\n\r\n/quit\n")
    ops.chat.clock.pump([5.0] * 13)
    assert stream.transport.received == b":\n\n:\n\n"


def test_a_bots_name_is_nobody_elses() -> None:
    """Neither as a guest's, nor as a nick, nor one that looks like it; nor can a bot get a name that is taken."""
    ops = Ops()
    for name in ("deploy", "DEPLOY", "dep1oy"):
        assert not any("you are now connected" in line for line in ops.chat.enter(name).lines())
    eve = ops.chat.enter("Eve")
    assert "is a bot's" in ops.typed("/nick deploy", eve)
    for name in ("Eve", "Olga", "server"):
        assert "-> " in ops.typed(f"/token {name}")
        assert ops.chat.hub.tokens.of_bot(name) is None


def test_a_new_token_makes_the_old_one_void_and_revoking_ends_all() -> None:
    """Also the stream that is open; then the name is free."""
    ops = Ops()
    old, ops.token = ops.token, ops.make("deploy")
    assert ops.ask("POST", body=b"x", token=old).status == 401
    stream = ops.listen()
    assert "deploy" in ops.typed("/tokens")
    assert "is void" in ops.typed("/revoke Deploy")
    assert stream.closed
    assert streamed(stream)[-1]["text"] == "The token is void."
    assert ops.ask("POST", body=b"x").status == 401
    assert any("you are now connected" in line for line in ops.chat.enter("deploy").lines())


def test_tokens_are_made_by_those_who_rule_a_room_that_lasts() -> None:
    """Not by its members, nor in a guest's room, nor for another room's bot; it is written down who made one."""
    ops = Ops()
    eve = ops.chat.enter("Eve")
    eve.send("/join #ops")
    for line in ("/token x1", "/tokens", "/revoke deploy"):
        assert "Only an operator of this room may do that." in ops.typed(line, eve)
    eve.send("/join #eve")
    assert "Only rooms that last have tokens" in ops.typed("/token x1", eve)
    ops.olga.send("/join #other")
    assert "is a bot of another room" in ops.typed("/token deploy")
    assert "has no bot called deploy" in ops.typed("/revoke deploy")
    deeds = [deed.what for deed in ops.chat.hub.records._deeds]  # type: ignore[attr-defined]
    assert deeds == ["made a token for deploy"]


def test_a_token_ends_with_its_room() -> None:
    """A room of the same name that somebody makes later is not open to it."""
    ops = Ops()
    ops.olga.send("/unregister secretword", "/leave #ops")
    ops.chat.turn()
    ops.chat.enter("Ann").send("/join #ops")
    assert ops.ask("POST", body=b"x").status == 401


def test_tokens_are_kept_and_the_file_does_not_tell_them(tmp_path: Path) -> None:
    """By their digests."""
    database = Database(tmp_path)
    database.claim()
    database.open(100)

    def run(function: Callable[..., Any], *arguments: Any) -> Any:
        return succeed(function(*arguments))

    records = SqliteRecords(database, run)
    ops = Ops(records=records)
    (kept,) = [record for record in records.load() if isinstance(record, Token)]
    assert (kept.name, kept.room, kept.by) == ("deploy", "#ops", "olga")
    database.close(1)
    assert ops.token.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    again = Chat()
    again.hub.restore([*(room.record for room in ops.chat.hub.rooms.values()), kept])
    assert ask(again, "POST", "/rooms/ops", f"Authorization: Bearer {ops.token}", body=b"x").status == 200


def test_what_is_not_kept_is_told_by_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """The receipt says so as well: it was shown."""
    ops = Ops()
    log: Any = ops.chat.log
    monkeypatch.setattr(log, "_store", lambda batches: log._defer(lambda: log._reader.not_kept(batches)))
    answer = ops.ask("POST", body=b"x")
    assert (answer.status, answer.object["type"], answer.object["kept"]) == (503, "receipt", False)


def test_whoever_has_gone_is_not_answered() -> None:
    """The message is said all the same, and nothing goes wrong."""
    ops = Ops()
    ops.olga.lines()
    client = ops.chat.connect()
    client.send_bytes(request("POST", "/rooms/ops", f"Authorization: Bearer {ops.token}", body=b"bye"))
    client.vanish()
    assert any("<deploy> bye" in line for line in ops.olga.lines())
    assert answers(client) == []


def test_numbers_of_another_log_mean_nothing() -> None:
    """A script that names the log its number is of reads on in that one alone; in another, it begins as for the first time."""
    ops = Ops()
    ops.olga.send("one", "two")
    log = ops.chat.hub.log.id
    first = ops.ask()
    number = json.loads(first.body.splitlines()[-2])["seq"]
    assert first.headers["chat-log"] == log
    assert [json.loads(line)["text"] for line in ops.ask(query=f"?since={number}&log={log}").body.splitlines()] == ["two"]
    assert [json.loads(line)["text"] for line in ops.ask(query=f"?since={number}&log=other").body.splitlines()] == [
        "one",
        "two",
    ]
    client = ops.chat.connect()
    asked = f"Authorization: Bearer {ops.token}", "Accept: text/event-stream", f"Last-Event-ID: {number - 1}"
    client.send_bytes(request("GET", "/rooms/ops?log=other", *asked))
    ops.chat.turn()
    assert f"Chat-Log: {log}".encode() in client.transport.received
    assert b'"text":"one"' not in client.transport.received
