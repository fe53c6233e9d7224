"""What is read from the file does not depend on how much of it is in its indexes."""

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from indexes import complete, indexed

from twisted_chat.core.interfaces import Query
from twisted_chat.storage.index.index import INDEX_AT
from twisted_chat.storage.index.room_index import Row
from twisted_chat.storage.sqlite.database import Database

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


def numbers(database: Database, room: str, after: int, before: int, limit: int, *, newest_first: bool = False) -> list[int]:
    """Of what is read of a room."""
    return [row[0] for row in database.read(room, after, before, limit, newest_first)]


@pytest.mark.parametrize("then", ["", "pruned", "restarted"])
def test_a_room_is_read_across_the_end_of_its_index(tmp_path: Path, then: str) -> None:
    """Numbers, order, counts and times come out right where some messages are indexed and later ones are not."""
    database = opened(tmp_path)
    database.commit(rows(1, 70), None)
    database._index.at = 1
    database.commit(rows(71, 90), None)
    database._index.at = INDEX_AT
    database.commit(rows(91, 130), None)
    assert indexed(database) == 90
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
    database.commit([(1, 1.0, "#a", "said", "Ann", "first", None)], None)
    database.search(Query(words=("none",), rooms=ROOMS))  # makes the file, and a first segment
    for seq in range(2, 272):
        long = " ".join(f"{n * seq * 7919 % 1000003:x}" for n in range(600))
        text = ("ok", "some words that somebody says on a usual day", long)[seq % 3]
        database.commit([(seq, 1.0, "#a", "said", "Ann", f"{text} {seq}", None)], None)
    before = database.used_bytes()
    database.search(Query(words=("none",), rooms=ROOMS))
    assert database.used_bytes() == pytest.approx(before, rel=0.1)
    database.close(271)


def steps(database: Database, work: Callable[[], object]) -> int:
    """How much SQLite has to do for something, in hundreds of its instructions."""
    counted: list[int] = []
    for file in (database._connect(), database._index.file):
        file.set_progress_handler(lambda: bool(counted.append(1)), 100)  # type: ignore[func-returns-value]
    work()
    for file in (database._connect(), database._index.file):
        file.set_progress_handler(None, 0)
    return len(counted)


def test_a_page_costs_the_same_in_a_long_room(tmp_path: Path) -> None:
    """At its beginning, in the middle and at its end, in many runs, of few messages or of more than a row has."""
    database = opened(tmp_path)
    database._index.at = 1
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


def test_segments_go_with_the_last_of_their_messages(tmp_path: Path) -> None:
    """What is gone is neither read nor counted, by the next daemon either; nothing about it stays for good."""
    database = opened(tmp_path)
    database.commit(rows(1, 40), None)
    assert database.search(Query(words=("40",), rooms=ROOMS))  # brings the index up to date
    database.commit(rows(41, 80), None)
    for life, upto in enumerate((39, 41, 60)):  # inside a segment, with one, and of what is in none yet
        database.prune(upto)
        assert numbers(database, "#a", 0, 100, 5) == [seq for seq in range(2, 81, 2) if seq > upto][:5]
        assert database.count("#b", 0, 100, 100) == len([seq for seq in range(1, 81, 2) if seq > upto])
        assert database.last_before("#a", upto + 0.5) == 0
        assert len(database._index.file.segments["rooms"]) == (1, 0, 0)[life]
        database.close(80)
        database = opened(tmp_path)
    database._index.at = 1
    database.commit(rows(81, 90), None)
    database.prune(90)
    database.commit(rows(91, 95), None)
    assert [(one.first, one.last) for one in database._index.file.segments["rooms"]] == [(91, 95)]
    database.close(95)


def test_a_commit_that_is_there_after_all_is_taken_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves no message that was said to be lost, and none out, in the log and in the index."""
    database = opened(tmp_path)
    database._index.at = 1
    database.commit(rows(1, 20), None)
    identity = database._folder.identity
    with monkeypatch.context() as broken, pytest.raises(sqlite3.OperationalError, match="replaced"):
        there = "SELECT count(*) FROM messages"
        gone = (None, None, None)
        broken.setattr(database._folder, "identity", lambda: gone if database.query(there)[0][0] > 20 else identity())
        database.commit(rows(21, 40), None)
    assert indexed(database) == 20
    assert numbers(database, "#a", 0, 100, 100) == list(range(2, 21, 2))
    database.commit(rows(41, 50), None)
    complete(database)
    assert numbers(database, "#a", 0, 100, 100) == [*range(2, 21, 2), *range(42, 51, 2)]
    assert [row[0] for row in database.query("SELECT count(*) FROM messages")] == [30]
    database.close(50)
