"""What is read from the file does not depend on how much of it is in its indexes."""

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from twisted_chat.core.ports import Query
from twisted_chat.storage import database as storage
from twisted_chat.storage.database import Database
from twisted_chat.storage.runs import Row

ROOMS = ("#a", "#b")


def rows(first: int, last: int) -> list[Row]:
    """Messages, in two rooms by turns, one a second."""
    return [(seq, float(seq), ROOMS[seq % 2], "said", "Ann", f"tea {seq}", None) for seq in range(first, last + 1)]


def opened(folder: Path) -> Database:
    """The log, opened."""
    found = Database(folder)
    found.claim()
    found.open(1000)
    return found


def indexed(database: Database) -> int:
    """Up to which number messages are in the indexes."""
    return int(database.query("SELECT indexed FROM log")[0][0])


def numbers(database: Database, room: str, after: int, before: int, limit: int, *, newest_first: bool = False) -> list[int]:
    """Of what is read of a room."""
    return [row[0] for row in database.read(room, after, before, limit, newest_first)]


@pytest.mark.parametrize("then", ["", "pruned", "restarted"])
def test_a_room_is_read_across_the_end_of_its_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    """Numbers, order, counts and times come out right where some messages are indexed and later ones are not."""
    database = opened(tmp_path)
    database.commit(rows(1, 70), None)
    monkeypatch.setattr(storage, "INDEX_AT", 1)
    database.commit(rows(71, 90), None)
    monkeypatch.undo()
    database.commit(rows(91, 130), None)
    assert indexed(database) == 70  # what was kept before that commit
    first = 1
    if then == "pruned":
        first = 41
        database.prune(40)
    if then == "restarted":
        database.close(130)
        database = opened(tmp_path)
    for at, room in enumerate(ROOMS):
        there = [seq for seq in range(first, 131) if seq % 2 == at]
        assert numbers(database, room, 0, 1000, 1000) == there
        assert numbers(database, room, 0, 1000, 1000, newest_first=True) == there[::-1]
        assert numbers(database, room, 80, 100, 5) == [seq for seq in there if 80 < seq < 100][:5]
        assert numbers(database, room, 80, 100, 8, newest_first=True) == [seq for seq in there[::-1] if 80 < seq < 100][:8]
        assert database.count(room, 60, 120, 1000) == 30
        assert database.count(room, 60, 120, 7) == 7
        assert [database.last_before(room, time) for time in (50.5, 110.5)] == [
            max(seq for seq in there if seq < time) for time in (50.5, 110.5)
        ]
    assert database.last_before("#a", 1.0) == 0
    database.close(130)


def test_a_search_finds_what_was_said_last(tmp_path: Path) -> None:
    """It brings the indexes up to date first; then a room is read as before."""
    database = opened(tmp_path)
    database.commit(rows(1, 60), None)
    assert indexed(database) == 0
    assert [row[0] for row in database.search(Query(words=("60",), rooms=ROOMS))] == [60]
    assert indexed(database) == 60
    assert numbers(database, "#a", 50, 61, 9) == [52, 54, 56, 58, 60]
    database.close(60)


def test_what_is_not_indexed_yet_counts_as_used(tmp_path: Path) -> None:
    """So that a limit of size holds whenever the indexes are brought up to date: by a tenth, whatever is said."""
    database = opened(tmp_path)
    for seq in range(1, 271):
        long = " ".join(f"{n * seq * 7919 % 1000003:x}" for n in range(600))
        text = ("ok", "some words that somebody says on a usual day", long)[seq % 3]
        database.commit([(seq, 1.0, "#a", "said", "Ann", f"{text} {seq}", None)], None)
    before = database.used_bytes()
    database.search(Query(words=("none",), rooms=ROOMS))
    assert database.used_bytes() == pytest.approx(before, rel=0.1)
    database.close(270)


def steps(database: Database, work: Callable[[], object]) -> int:
    """How much SQLite has to do for something, in hundreds of its instructions."""
    counted = []
    connection = database._connect()
    connection.set_progress_handler(lambda: counted.append(1), 100)
    work()
    connection.set_progress_handler(None, 0)
    return len(counted)


def test_a_page_costs_the_same_in_a_long_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its beginning, in the middle and at its end, in many runs, of few messages or of more than a row has."""
    monkeypatch.setattr(storage, "INDEX_AT", 1)
    database = opened(tmp_path)
    costs = []
    for upto in (1000, 20_000):
        while database.kept < upto:
            database.commit(rows(database.kept + 1, database.kept + (25 if database.kept else 950)), None)
        asked: list[Callable[[int], object]] = [
            lambda end: database.read("#a", end - 400, end, 100, False),
            lambda end: database.read("#a", -1, end - 400, 100, True),
            lambda end: database.read("#a", -1, end, 100, False),
            lambda end: database.count("#a", end // 2, end, 100),
            lambda end: database.last_before("#a", end - 10.0),
        ]
        costs.append([steps(database, partial(one, upto)) for one in asked])
    assert all(late < 2 * early + 5 for early, late in zip(*costs, strict=True)), costs
    database.close(20_000)


def test_rows_go_with_the_last_of_their_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is gone is neither read nor counted, by the next daemon either; no row stays for good."""
    database = opened(tmp_path)
    database.commit(rows(1, 40), None)
    monkeypatch.setattr(storage, "INDEX_AT", 1)
    database.commit(rows(41, 80), None)
    monkeypatch.undo()
    for life, upto in enumerate((39, 41, 60)):  # inside a row, with one, and of what is in no row yet
        database.prune(upto)
        assert numbers(database, "#a", 0, 100, 5) == [seq for seq in range(2, 81, 2) if seq > upto][:5]
        assert database.count("#b", 0, 100, 100) == len([seq for seq in range(1, 81, 2) if seq > upto])
        assert database.last_before("#a", upto + 0.5) == 0
        assert len(database.query("SELECT 1 FROM runs")) == (1, 0, 0)[life]
        database.close(80)
        database = opened(tmp_path)
    monkeypatch.setattr(storage, "INDEX_AT", 1)
    database.commit(rows(81, 90), None)
    assert database.query("SELECT room, first, last, since FROM runs") == [("#a", 62, 80, 61.0), ("#b", 61, 79, 61.0)]
    database.prune(90)
    database.commit(rows(91, 95), None)
    assert database.query("SELECT 1 FROM runs") == []
    database.close(95)


def test_what_failed_is_read_from_the_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that is there after all, though it was said to have failed, leaves no message twice and none out."""
    database = opened(tmp_path)
    database.commit(rows(1, 20), None)
    monkeypatch.setattr(storage, "INDEX_AT", 1)
    identity = database._folder.identity
    with monkeypatch.context() as broken, pytest.raises(sqlite3.OperationalError, match="replaced"):
        broken.setattr(database._folder, "identity", lambda: (None, None, None) if indexed(database) else identity())
        database.commit(rows(21, 40), None)
    assert indexed(database) == 20
    assert numbers(database, "#a", 0, 100, 100) == list(range(2, 21, 2))
    database.commit(rows(41, 50), None)
    database.commit([], None)
    assert numbers(database, "#a", 0, 100, 100) == [*range(2, 21, 2), *range(42, 51, 2)]
    assert [row[0] for row in database.query("SELECT count(*) FROM messages")] == [30]
    database.close(50)
