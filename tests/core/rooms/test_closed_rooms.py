"""What is said in a closed room stays there: for whom it is closed, while it is, and after it has ended."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from chat_clients import KINDS, Guest
from hypothesis import given, settings
from hypothesis import strategies as st
from kept_chat import KeptChat, registered
from restarts import Disk, start, stop
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from twisted_chat.config import Config, Limits
from twisted_chat.core.hub import hub
from twisted_chat.core.interfaces import Query
from twisted_chat.core.records import SERVER, RoomRecord
from twisted_chat.core.rooms import endings, shut_out
from twisted_chat.core.rooms.access import Readable
from twisted_chat.testing import Chat

BOSS = Config(limits=Limits.OFF, operator=("Boss",))


def lose(guest: Guest) -> None:
    """Somebody's line drops."""
    guest.client.transport.protocol.connectionLost(Failure(ConnectionLost()))
    guest.chat.turn()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("closing", ["/room key leaf", "/room invite-only", "/room registered", "/ban Eve"])
def test_a_room_one_could_not_join_is_not_read(kind: str, closing: str) -> None:
    """Nor searched, nor looked into: its topic and its people are for those who could come in."""
    chat = Chat()
    ann, eve = registered(chat, kind, "Ann"), Guest(chat, kind, "Eve")
    ann.type("/join #tea", "/topic plotting", "the canary sings")
    assert "canary sings" in eve.answer("/search canary")
    ann.type(closing)
    ann.shown()
    assert "canary sings" in ann.answer("/search canary")
    answers = eve.answer("/search canary", "/search canary in:#tea", "/rooms", "/who #tea", "/whois Ann")
    for secret in ("canary sings", "plotting", "In #tea: Ann", "in #lobby, #tea"):
        assert secret not in answers, (secret, answers)
    assert "#tea" in answers  # that it is there is no secret
    ann.type("/room open", "/unban Eve")
    assert "canary sings" in eve.answer("/search canary")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("closed", ["/room private", "/room key leaf", "/room invite-only"])
@pytest.mark.parametrize("then", [(), ("/room open", "/room public")])
def test_a_closed_room_begins_anew_when_it_has_ended(kind: str, closed: str, then: tuple[str, ...]) -> None:
    """Whoever makes the next one of its name reads nothing of before, and can delete nothing: also if it was opened again."""
    chat = start(Disk())
    ann, eve = Guest(chat, kind, "Ann"), Guest(chat, kind, "Eve")
    ann.type(
        "/join #tea", "before it was closed", closed, "the canary sings", *then, "/topic canaries", "/ban Zoe", "/leave #tea"
    )
    seqs = [event.seq for event in chat.log._disk.rows.values() if event.room == "#tea"]  # type: ignore[attr-defined]
    assert len(seqs) == 2
    shown = eve.answer("/join #tea", "/history", "/search canary", "/search closed", "/history since 2h", "/rooms", "/bans")
    shown += eve.answer(*(f"/delete {seq}" for seq in seqs), f"/history before {seqs[-1] + 1}", "/topic")
    assert "sings" not in shown
    assert "it was closed" not in shown
    assert "canaries" not in shown
    assert "zoe" not in shown.lower()
    assert shown.count("There is no message") == 2
    assert "mine now" in eve.answer("mine now", "/history") + eve.answer("/history")


@pytest.mark.parametrize("again", [True, False])
def test_it_begins_anew_also_within_one_turn(again: bool) -> None:
    """What its last people said is not delivered yet when the next one comes into the room: that one is not shown it."""
    chat = Chat()
    ann, eve = chat.enter("Ann", "json"), chat.enter("Eve", "json", client="secret")
    ann.send({"type": "do", "command": "join", "arguments": ["#tea"]}, {"type": "line", "text": "/room private"})
    eve.objects()
    for line in ("the canary sings", "/leave #tea"):
        ann.send_bytes(json.dumps({"type": "line", "text": line}).encode() + b"\n")
    if again:
        eve.send_bytes(json.dumps({"type": "do", "command": "join", "arguments": ["#tea"]}).encode() + b"\n")
    else:
        other = chat.connect("json")
        other.send_bytes(json.dumps({"type": "hello", "name": "Ed", "rooms": {"#tea": 0}}).encode() + b"\n")
    chat.turn()
    eve.send({"type": "line", "text": "hello"})
    shown = json.dumps(eve.objects() if again else other.objects())
    assert "#tea" in shown
    assert "canary" not in shown


def test_a_program_reads_on_only_from_where_the_room_begins() -> None:
    """However far back it says it was."""
    chat = start(Disk(), tail_bytes=1 << 20)
    ann = chat.enter("Ann", "json")
    ann.send({"type": "do", "command": "join", "arguments": ["#tea"]}, {"type": "line", "text": "/room private"})
    ann.send(
        {"type": "line", "text": "the canary sings"},
        {"type": "line", "text": "/topic canary"},
        {"type": "line", "text": "/leave #tea"},
    )
    eve = chat.enter("Eve", "json", rooms={"#tea": 0})
    eve.send({"type": "line", "text": "mine"})
    shown = eve.objects()
    assert "canary" not in json.dumps(shown)
    assert [one["text"] for one in shown if one["type"] == "said"] == ["mine"]


@pytest.mark.parametrize("kind", KINDS)
def test_who_was_shut_out_never_reads_what_was_said_then(kind: str) -> None:
    """Kicked, banned, or out when the room was closed: an account is shown what was said before, and once it is back in."""
    chat = start(Disk(), BOSS)
    ann, ben, cy, dee = (registered(chat, kind, name) for name in ("Ann", "Ben", "Cy", "Dee"))
    eve = registered(chat, kind, "Eve")
    for one in (ann, ben, cy, dee):
        one.type("/join #tea")
    dee.type("/leave #tea")
    ann.type("word one", "/room invite-only", "/invite Ben", "/invite Cy", "word two", "/kick Ben", "/ban Cy", "word three")
    assert "three" not in ben.answer("/search word") + cy.answer("/search word") + dee.answer("/search word")
    ann.type("/unban Cy", "/invite Ben", "/invite Cy", "/invite Dee", "/invite Eve", "word four")
    for one, words in ((ben, "one two"), (cy, "one two"), (dee, "one"), (eve, "one two three four")):
        one.type("/join #tea")
        ann.type("word five")
        shown = one.answer("/history", "/search word", "/history since 2h")
        for word in ("one", "two", "three", "four", "five"):
            assert (f"word {word}" in shown) is (word in (*words.split(), "five")), (one, word, shown)
        seen = [event.seq for event in chat.log._disk.rows.values() if event.text == "word three"]  # type: ignore[attr-defined]
        assert "word three" not in one.answer(f"/history before {seen[0] + 1} 1") or one is eve


def test_counts_tell_nothing_of_what_is_hidden() -> None:
    """Neither how many messages were missed, nor that a search has more."""
    chat = start(Disk())
    ann, ben = registered(chat, "json", "Ann"), registered(chat, "json", "Ben")
    for one in (ann, ben):
        one.type("/join #tea")
    ann.type(
        "/room invite-only", "/invite Ben", "hello", "/kick Ben", *(f"canary {number}" for number in range(30)), "/invite Ben"
    )
    ben.client.objects()  # type: ignore[union-attr]
    ben.type("/join #tea", "/since #tea", "/search canary")
    told = ben.client.objects()  # type: ignore[union-attr]
    assert "canary" not in json.dumps(told)
    assert all(one["missed"] == 0 for one in told if one["type"] == "history")
    assert [one["more"] for one in told if one["type"] == "found"] == [False]


@pytest.mark.parametrize("how", ["kick", "end"])
@pytest.mark.parametrize("asked", ["/history", "/search canary", "/since", "/history since 2h", "/history before 999"])
def test_what_is_read_is_checked_again_when_it_is_shown(how: str, asked: str) -> None:
    """The disk takes its time: who was sent out meanwhile, or whose room is another one now, is shown nothing."""
    disk = Disk()
    chat = start(disk, BOSS)
    ann, ben = Guest(chat, "json", "Ann"), registered(chat, "json", "Ben")
    ann.type("/join #tea", "/room private", "the canary sings")
    ben.type("/join #tea", "/leave #tea", "/join #tea")
    chat.log.flush()  # type: ignore[attr-defined]
    chat.enter("Zoe").send("something else")
    ben.shown()
    disk.holds = True
    ben.type(asked)
    ann.type("/kick Ben", "/room key leaf")
    if how == "end":
        ann.type("/leave #tea")
        Guest(chat, "json", "Cy").type("/join #tea")
    disk.release()
    chat.turn()
    assert "canary" not in ben.shown()


def test_a_restart_a_lost_line_and_a_held_name_end_no_room() -> None:
    """It is closed as it was, for those who could come in before; it ends when its last member goes."""
    disk = Disk()
    chat = start(disk, BOSS)
    ann = Guest(chat, "json", "Ann", client="Ann's secret")
    ben = Guest(chat, "json", "Ben")
    for one in (ann, ben):
        one.type("/join #tea")
    ann.type("/topic plotting", "/room key leaf", "/ban Zoe", "the canary sings")
    lose(ben)
    lose(ann)
    chat.clock.advance(3600)
    for server in (chat, start(disk, BOSS)):
        eve, zoe = Guest(server, "json", "Eve"), Guest(server, "json", "Zoe")
        assert "needs its key" in eve.answer("/join #tea")
        assert "canary" not in eve.answer("/search canary", "/rooms", "/who #tea")
        assert "You are banned" in zoe.answer("/join #tea leaf")
        mallory = Guest(server, "json", "Ann", client="a guess")
        assert "needs its key" in mallory.answer("/join #tea")
        mallory.type("/quit")
        again = Guest(server, "json", "Ann", client="Ann's secret")
        assert "canary sings" in again.answer("/join #tea", "/history")
        assert "Done" in again.answer("/slow 5", "/slow 0")
        stop(server)
    server = start(disk, BOSS)
    eve = Guest(server, "json", "Eve")
    assert "canary sings" in eve.answer("/join #tea leaf")
    eve.type("/leave #tea")
    for last in (server, start(disk, BOSS)):
        assert "canary" not in Guest(last, "json", "Kim").answer("/join #tea", "/history", "/topic")
        stop(last)


@pytest.mark.parametrize("kind", KINDS)
def test_a_room_whose_owner_gives_the_name_up_stays_closed(kind: str) -> None:
    """It is the server's operators' then, who may open it: no guest takes it, also not the next owner of the name."""
    disk = Disk()
    chat = start(disk, BOSS)
    ann = registered(chat, kind, "Ann")
    ann.type("/join #tea", "/room key leaf", "the canary sings", "/leave #tea", "/unregister secret12")
    for server in (chat, start(disk, BOSS)):
        assert server.hub.rooms["#tea"].record.owner == SERVER
        eve = Guest(server, kind, "Eve")
        assert "needs its key" in eve.answer("/join #tea")
        assert "canary" not in eve.answer("/search canary")
        eve.type("/join #tea leaf")
        assert "Only an operator of this room" in eve.answer("/room open")
        assert "the server's operators" in eve.answer("/room")
        eve.type("/leave #tea", "/quit")
    ann = registered(server, kind, "Ann")
    assert "needs its key" in ann.answer("/join #tea")
    boss = registered(server, kind, "Boss")
    assert "canary sings" in boss.answer("/join #tea")
    assert "Done: you opened the room" in boss.answer("/room open")
    boss.type("/leave #tea")
    assert "#tea" not in server.hub.rooms
    assert "canary" not in Guest(server, kind, "Kim").answer("/join #tea", "/history")


def test_an_open_room_is_as_it_was() -> None:
    """One that was never closed has its past still when somebody makes it again."""
    chat = start(Disk())
    ann, ben = Guest(chat, "line", "Ann"), Guest(chat, "line", "Ben")
    ann.type("/join #tea", "hello", "/leave #tea")
    assert "hello" in ben.answer("/join #tea")


def test_deserted_rooms_and_endings_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the earliest deserted room ends, and no new room shows what was said before the earliest endings."""
    monkeypatch.setattr(hub, "MOST_DESERTED", 3)
    monkeypatch.setattr(endings, "MOST_ENDINGS", 4)
    monkeypatch.setattr(endings, "AT_ONCE", 2)
    disk = Disk()
    chat = start(disk)
    for number in range(10):
        chat.clock.advance(1)
        ann = Guest(chat, "json", f"Ann{number}")
        ann.type(f"/join #tea{number}", "/room key leaf", "the canary sings")
        lose(ann)
    assert sorted(chat.hub.rooms) == ["#lobby", "#tea7", "#tea8", "#tea9"]
    tombs = [one for one in disk.records.values() if isinstance(one, RoomRecord) and not one.closed]
    assert len(tombs) <= 4
    for server in (chat, start(disk)):
        for number in range(7):
            eve = Guest(server, "json", f"Eve{number}")
            assert "canary" not in eve.answer(f"/join #tea{number}", "/history", "/search canary")
            eve.type("/quit")
        stop(server)


def test_one_host_deserts_few_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody ends others' rooms by deserting many of their own."""
    monkeypatch.setattr(hub, "MOST_BY_A_HOST", 2)
    chat = start(Disk())
    for number, address in enumerate(("192.0.2.7", "192.0.2.8", "192.0.2.8", "192.0.2.8", "192.0.2.8")):
        chat.clock.advance(1)
        one = Guest(chat, "json", f"Ann{number}", address=address).type(f"/join #tea{number}", "/room private")
        lose(one)
    assert sorted(chat.hub.rooms) == ["#lobby", "#tea0", "#tea3", "#tea4"]


def test_the_next_owner_of_a_name_gets_nothing_of_the_same_turn() -> None:
    """What is said privately to an account, which then is given up and taken by another person, is not for that person."""
    chat = Chat()
    ann, ben = registered(chat, "json", "Ann"), registered(chat, "json", "Ben")
    eve = Guest(chat, "json", "Eve")
    ann.shown()
    for guest, line in (
        (ben, "/msg Ann the canary sings"),
        (ann, "/unregister secret12"),
        (ann, "/nick Other"),
        (eve, "/nick Ann"),
        (eve, "/register secret34"),
    ):
        guest.client.send_bytes(json.dumps({"type": "line", "text": line}).encode() + b"\n")  # type: ignore[union-attr]
    chat.turn()
    assert "canary" not in eve.shown()
    assert chat.hub.people["ann"][0].registered
    ben.type("/msg Ann hello again")
    assert "hello again" in eve.shown()


def test_what_may_be_read_is_a_matter_of_numbers() -> None:
    """Spans and the beginning, by numbers."""
    readable = Readable(10, ((15, 20), (30, shut_out.OPEN)))
    assert [seq for seq in range(40) if readable.allows(seq)] == [*range(11, 15), *range(21, 30)]
    assert readable.spans() == [(11, 14), (21, 29)]
    assert (readable.up(0), readable.up(14), readable.up(16), readable.up(20)) == (10, 20, 20, 20)
    assert (readable.down(21), readable.down(18), readable.down(22), readable.down(15)) == (15, 15, 22, 15)
    assert readable.start(12) == 20
    assert Readable().spans() == [(1, shut_out.OPEN)]


def test_shut_out_never_forgets() -> None:
    """Whatever does not fit any more, what was hidden from an account stays hidden; and the map stays small."""
    for seed in range(20):
        dice = random.Random(seed)
        kept: Any = {}
        truth: dict[str, set[int]] = {}
        out: set[str] = set()
        for seq in range(1, 3000):
            key = f"account{dice.randrange(400)}"
            comes = dice.random() < 0.5
            for one in out - ({key} if comes else set()):
                truth[one].add(seq)
            if comes:
                kept = shut_out.came_in(kept, key, seq)
                out.discard(key)
            else:
                kept = shut_out.shut(kept, key, seq)
                out.add(key)
            truth.setdefault(key, set())
        assert len(kept) <= shut_out.MOST_ACCOUNTS + 1
        for key, numbers in truth.items():
            spans = shut_out.hidden(kept, key)
            assert len(spans) <= shut_out.MOST_SPANS
            missing = [seq for seq in numbers if not any(first <= seq <= last for first, last in spans)]
            assert not missing, (key, missing[:5], spans)


def test_the_same_on_a_disk(tmp_path: Path) -> None:
    """Closed rooms, what is hidden from whom, and where rooms begin outlive the daemon, and a search of the disk knows them."""
    chat = KeptChat(tmp_path)
    ann, ben = registered(chat, "json", "Ann"), registered(chat, "json", "Ben")
    for one in (ann, ben):
        one.type("/join #tea")
    ann.type("/room invite-only", "/invite Ben", "word one", "/kick Ben", "word two", "/invite Ben")
    ann.type(
        "/join #old",
        "/room private",
        "word old",
        "/room open",
        "/room public",
        "word older",
        "/unregister secret12",
        "/leave #old",
    )
    for room in ("#gone", "#left"):
        Guest(chat, "json", "Guest").type(f"/join {room}", "/room key leaf", "word gone").client.vanish()  # type: ignore[union-attr]
    lost = Guest(chat, "json", "Lost").type("/join #lost", "/room key leaf", "word lost")
    lose(lost)
    chat.end()
    chat = KeptChat(tmp_path)
    ben = Guest(chat, "json", "Ben", "secret12")
    eve = Guest(chat, "json", "Eve")
    for one in (ben, eve):
        one.type("/join #gone", "/join #old", "/join #tea", "/join #lost")
    assert "word" not in eve.answer("/history", "/search word", "/history #gone")
    shown = ben.answer("/search word", "/history #tea")
    assert "word one" in shown
    for hidden in ("two", "old", "gone", "lost"):
        assert f"word {hidden}" not in shown
    assert "word lost" in eve.answer("/join #lost leaf", "/search word")
    chat.end()


@pytest.mark.parametrize("how", ["/nick Other", "/unregister secret12"])
def test_another_name_shows_nothing_that_was_hidden(how: str) -> None:
    """Who was shut out under an account, and is let in again, reads no more of it as a guest in the same room."""
    chat = start(Disk())
    ann, ben = registered(chat, "json", "Ann"), registered(chat, "json", "Ben")
    for one in (ann, ben):
        one.type("/join #tea")
    ann.type("/room invite-only", "/invite Ben", "word one", "/kick Ben", "word two", "/invite Ben")
    ben.type("/join #tea", how)
    ann.type("word three")
    shown = ben.answer("/history", "/search word")
    assert ("word one" in shown, "word two" in shown, "word three" in shown) == (True, False, True)


def test_an_invitation_ends_with_its_room() -> None:
    """Whoever holds one comes into no later room of the same name: neither by a code, nor having used it without a name yet."""
    chat = start(Disk())
    ann, eve = Guest(chat, "json", "Ann"), chat.connect("line")
    ann.type("/join #tea", "/room invite-only")
    codes = [code for code in ("CODE-1", "CODE-2") if ann.answer("/invite")]
    eve.send(f"/code {codes[0]}")
    ann.type("/leave #tea")
    ben = Guest(chat, "json", "Ben").type("/join #tea", "/room invite-only", "the canary sings")
    eve.send("Eve", "/join #tea", "/search canary")
    assert "invited to #tea" in (shown := "\n".join(eve.lines()))
    assert "canary" not in shown
    assert "is used up" in Guest(chat, "json", "Cy").answer(f"/code {codes[1]}")
    assert "In #tea: Ben" in "\n".join(ben.answer("/who").splitlines())


def test_a_deletion_is_told_only_to_the_room_it_was_made_in() -> None:
    """If another room of its name has come meanwhile, that one learns nothing of it."""
    disk = Disk()
    chat = start(disk)
    ann = Guest(chat, "json", "Ann").type("/join #tea", "/room private", "the canary sings")
    chat.enter("Zoe").send("something else")
    seq = next(event.seq for event in disk.rows.values() if event.room == "#tea")
    disk.holds = True
    ann.type(f"/delete {seq}")
    chat.hub.part(chat.hub.people["ann"][0], chat.hub.rooms["#tea"])
    chat.turn()
    ben = Guest(chat, "json", "Ben").type("/join #tea")
    disk.release()
    chat.turn()
    assert "deleted" not in ben.shown()
    assert disk.rows[seq].text == "(deleted)"


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_reads_are_those_of_a_log_without_what_is_hidden(data: st.DataObject) -> None:
    """Pages, counts, times and searches: each is what a reader would find who has a copy of the log without those messages."""
    disk = Disk()
    chat = start(disk, tail_bytes=data.draw(st.sampled_from((1, 2000, 1 << 20))))
    ann = Guest(chat, "json", "Ann").type("/join #tea")
    for word in data.draw(st.lists(st.sampled_from(("tea", "milk", "elsewhere")), min_size=1, max_size=40)):
        chat.clock.advance(1)
        ann.type(*(("/join #other", word, "/join #tea") if word == "elsewhere" else (word,)))
    room, me, newest = chat.hub.rooms["#tea"], chat.hub.people["ann"][0], chat.log.newest
    numbers = st.integers(0, newest + 2)
    spans = shut_out.merged(tuple(sorted(data.draw(st.tuples(numbers, numbers)))) for _ in range(data.draw(st.integers(0, 4))))  # type: ignore[misc]
    readable = Readable(data.draw(numbers), spans)
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(chat.hub.access, "readable", lambda session, stream: readable if stream is room else None)
    seen = [event for seq, event in sorted(disk.rows.items()) if event.room == "#tea" and readable.allows(seq)]
    place, limit = data.draw(numbers), data.draw(st.integers(1, 10))
    queries = chat.hub.queries

    def read(coroutine: Any) -> Any:
        found: list[Any] = []
        Deferred.fromCoroutine(coroutine).addCallback(found.append)
        return found[0]

    assert read(queries.before(me, room, None, limit)) == seen[-limit:]
    assert read(queries.before(me, room, place, limit)) == [one for one in seen if one.seq < place][-limit:]
    assert read(queries.first(me, room, place, limit)) == [one for one in seen if one.seq > place][:limit]
    end = data.draw(numbers)
    assert read(queries.first(me, room, place, limit, end)) == [one for one in seen if place < one.seq < end][:limit]
    time = disk.rows[data.draw(st.sampled_from(sorted(disk.rows)))].time
    assert read(queries.since(me, room, time, limit)) == [one for one in seen if one.time >= time][:limit]
    counted = read(queries.count(me, room, place, 1000))
    assert counted <= sum(one.seq > place for one in seen)
    assert counted == sum(one.seq > readable.start(place) for one in seen) or (spans[-1:] and spans[-1][1] >= newest)
    found = read(queries.search(me, chat.hub.rooms.values(), Query(words=("t",), rooms=("#other",), limit=limit)))
    assert found == [one for one in seen if "t" in one.text][-limit:]
    erased = read(queries.redact(me, place, [room]))
    assert (erased is not None) == (place in [one.seq for one in seen])
    monkeypatch.undo()


def test_who_was_in_when_the_server_was_killed_is_shut_out_if_they_can_not_come_back() -> None:
    """Nobody left then; what is said before they are let in again is hidden from them all the same."""
    disk = Disk()
    chat = start(disk)
    ann, ben = registered(chat, "json", "Ann"), registered(chat, "json", "Ben")
    for one in (ann, ben):
        one.type("/join #tea")
    ann.type("word one", "/room invite-only")
    chat = start(disk)  # and the other is no more
    ann = Guest(chat, "json", "Ann", "secret12").type("/join #tea", "word two")
    ben = Guest(chat, "json", "Ben", "secret12")
    ann.type("/invite Ben")
    shown = ben.type("/join #tea").answer("/history", "/search word")
    assert ("word one" in shown, "word two" in shown) == (True, False)


def test_a_bot_has_no_registered_name() -> None:
    """That is refused, and asks for no password."""
    chat = Chat()
    ann = registered(chat, "json", "Ann").type("/join #tea")
    registered(chat, "json", "Ben")
    assert "The name Ben is registered" in ann.answer("/token ben")
