"""One suite over every message log, and what only the one on disk has to show."""

import sqlite3
from pathlib import Path
from threading import Event

import pytest
from storage_bench import Bench

from twisted_chat.core.errors import NotKept
from twisted_chat.core.events import Joined
from twisted_chat.storage.sqlite.database import Database
from twisted_chat.storage.sqlite.log import PROBE_SECONDS
from twisted_chat.storage.sqlite.state_dir import StateError


@pytest.fixture(params=["memory", "sqlite"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """A log of each kind."""
    return Bench(request.param, tmp_path)


def test_numbered_at_once_delivered_at_the_end_of_the_turn_and_then_kept(bench: Bench) -> None:
    """A number follows the other; a turn's events come as a batch a room; messages are kept in order."""
    assert [bench.say("x"), bench.say("y", "#b"), bench.say("z")] == [1, 2, 3]
    seq = bench.log.number()
    bench.log.append(Joined(seq, 0, "#b", "Bob", 1))
    assert bench.log.newest == 4
    assert bench.notes.delivered == []
    bench.settle()
    assert bench.notes.delivered == [[1, 3], [2, 4]]
    bench.say("later")
    bench.settle()
    assert bench.notes.settled == [("kept", [1, 3]), ("kept", [2, 4]), ("kept", [5])]


def test_read_by_room_in_both_directions(bench: Bench) -> None:
    """Messages of one room, bounded, oldest first, also those of a turn that has not ended."""
    numbers = [bench.say(f"{n}", "#a" if n % 2 else "#b") for n in range(20)]
    mine = numbers[1::2]
    assert [e.seq for e in bench.wait(bench.log.read_before("#a", 99, 4))] == mine[-4:]
    assert [e.seq for e in bench.wait(bench.log.read_before("#a", mine[5], 99))] == mine[:5]
    page = bench.wait(bench.log.read_after("#a", mine[2], 3))
    assert [e.seq for e in page.events] == mine[3:6]
    assert page.position == mine[5]


def test_a_key_is_known_again(bench: Bench) -> None:
    """A message is found by its key, while memory knows it."""
    seq = bench.say("x", key=b"k")
    assert bench.log.sent(b"k").seq == seq
    assert bench.wait(bench.log.find(b"k")).seq == seq
    assert bench.wait(bench.log.find(b"other")) is None


def test_tail_and_disk_are_one(tmp_path: Path) -> None:
    """However small the tail is, reading forwards and backwards gives every message once."""
    bench = Bench("sqlite", tmp_path, tail_bytes=5000)
    numbers = []
    for n in range(100):
        numbers.append(bench.say(f"{n}", key=b"%d" % n))
        if n % 7 == 0:
            bench.settle()
    assert bench.log.remembered > 50
    assert [e.seq for e in bench.wait(bench.log.read_before("#a", 999, 999))] == numbers
    position, seen = 0, []
    while position < bench.log.newest:
        page = bench.wait(bench.log.read_after("#a", position, 9))
        seen += [e.seq for e in page.events]
        assert page.position > position
        position = page.position
    assert seen == numbers
    assert bench.wait(bench.log.find(b"3")).seq == numbers[3]


def test_no_number_is_used_twice(tmp_path: Path) -> None:
    """After a crash numbers go on above the reserved ones, after a good end where they were."""
    first = Bench("sqlite", tmp_path, number_block=100)
    for _ in range(70):
        first.say("x")
    first.settle()
    first.crash()
    second = Bench("sqlite", tmp_path, number_block=100)
    assert second.log.number() > 70
    number = second.say("y")
    second.wait(second.log.close())
    third = Bench("sqlite", tmp_path, number_block=100)
    assert third.log.id == first.log.id
    assert third.log.number() == number + 1


def test_the_disk_keeps_one_message_a_key(tmp_path: Path) -> None:
    """A message that the disk holds already is receipted under the number it is held under."""
    first = Bench("sqlite", tmp_path)
    seq = first.say("x", key=b"k")
    first.settle()
    first.crash()
    second = Bench("sqlite", tmp_path)
    again = second.say("x", key=b"k")
    second.settle()
    assert second.notes.duplicates == {again: seq}
    assert second.wait(second.log.find(b"k")).seq in (seq, again)
    assert sqlite3.connect(tmp_path / "chat.db").execute("SELECT count(*) FROM messages").fetchone() == (1,)


def test_a_disk_that_fails_is_told_once_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be kept is said to be lost, history stops once, and is back by itself; nothing lost is in it."""
    bench = Bench("sqlite", tmp_path)
    real = bench.database.commit

    def full(*_: object) -> dict[int, int]:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(bench.database, "commit", full)
    lost = [bench.say("a")]
    bench.settle()
    lost.append(bench.say("b"))
    bench.settle()
    assert bench.notes.settled == [("lost", [lost[0]]), ("lost", [lost[1]])]
    assert bench.notes.history == ["stopped"]
    monkeypatch.setattr(bench.database, "commit", real)
    bench.reactor.advance(PROBE_SECONDS)
    bench.reactor.until(lambda: not bench.log._committing)
    assert bench.notes.history == ["stopped"]  # a disk with little room takes one, and refuses the next
    bench.come_back()
    kept = bench.say("c")
    bench.settle()
    assert bench.notes.settled[-1] == ("kept", [kept])
    assert [e.seq for e in bench.wait(bench.log.read_before("#a", 999, 9))] == [kept]


def test_a_locked_database_is_waited_for_and_then_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that holds the file makes history stop after the wait, and not the conversation."""
    monkeypatch.setattr("twisted_chat.storage.sqlite.log.LOCK_WAIT_MS", 50)
    bench = Bench("sqlite", tmp_path)
    other = sqlite3.connect(tmp_path / "chat.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    seq = bench.say("x")
    bench.settle()
    assert bench.notes.delivered == [[seq]]
    assert bench.notes.settled == [("lost", [seq])]
    other.execute("ROLLBACK")
    other.close()
    again = bench.say("y")
    bench.settle()
    assert bench.notes.settled[-1] == ("kept", [again])
    bench.come_back()


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    """Beyond the bound a message is not kept, and its sender hears so at once."""
    bench = Bench("sqlite", tmp_path, waiting_bytes=3000)
    bench.say("x" * 5000)
    bench.settle()
    assert bench.notes.settled == [("lost", [1])]


def test_reading_what_the_disk_can_not_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that fails says so in a sentence."""
    bench = Bench("sqlite", tmp_path)

    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(bench.database, "read", broken)
    with pytest.raises(NotKept, match="disk I/O error"):
        bench.wait(bench.log.read_before("#a", 99, 9))


def messages_at(path: Path) -> int:
    """Where in a log file the table of messages begins, in bytes."""
    connection = sqlite3.connect(path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'messages'").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    return int((page - 1) * size)


def spoil(path: Path, how: str) -> None:
    """Damage a log file."""
    data = bytearray(path.read_bytes())
    match how:
        case "empty":
            data.clear()
        case "zeroed header":
            data[:100] = bytes(100)
        case "truncated":
            del data[len(data) // 2 :]
        case "flipped bytes" | "flipped words":  # at the beginning of the messages, and in the text that makes the tables
            at = messages_at(path) if how == "flipped bytes" else 4096
            data[at : at + 10] = bytes(byte ^ 0xFF for byte in data[at : at + 10])
    path.write_bytes(data)


@pytest.mark.parametrize("how", ["empty", "zeroed header", "truncated", "flipped bytes", "flipped words"])
def test_a_damaged_log_is_refused_and_left_alone(tmp_path: Path, how: str) -> None:
    """Damage is one clear sentence, never a fresh start, and the file stays as it is."""
    bench = Bench("sqlite", tmp_path)
    bench.say("x")
    bench.wait(bench.log.close())
    spoil(tmp_path / "chat.db", how)
    before = (tmp_path / "chat.db").read_bytes()
    with pytest.raises(StateError, match="damaged"):
        Database(tmp_path).claim()
    assert (tmp_path / "chat.db").read_bytes() == before


def test_a_newer_log_and_one_in_use_are_refused(tmp_path: Path) -> None:
    """A schema we don't know, a second daemon, and a folder that is none: a sentence each."""
    bench = Bench("sqlite", tmp_path)
    with pytest.raises(StateError, match="Another daemon"):
        Database(tmp_path).claim()
    bench.wait(bench.log.close())
    connection = sqlite3.connect(tmp_path / "chat.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StateError, match="newer version"):
        Database(tmp_path).claim()
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="can't be used"):
        Database(tmp_path / "file").claim()


def test_a_disk_that_works_but_cannot_follow_makes_talkers_wait(tmp_path: Path) -> None:
    """With half of the room for what waits in use less should be said, while commits end; one that hangs is no reason."""
    bench = Bench("sqlite", tmp_path, waiting_bytes=20_000)
    held = Event()
    bench.log.submit(held.wait, 20)
    for text in ("x" * 6000, "y" * 6000):
        assert not bench.log.congested
        bench.say(text)
        bench.log.flush()
    assert bench.log.congested
    bench.reactor.advance(1.5)
    assert not bench.log.congested
    held.set()
    bench.reactor.until(lambda: len(bench.notes.settled) == 2)
    assert bench.notes.settled == [("kept", [1]), ("kept", [2])]
    assert not bench.log.congested
