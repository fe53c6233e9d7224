"""What is read from the file does not depend on how much of it is in its indexes."""

from pathlib import Path

import pytest

from twisted_chat.core.ports import Query
from twisted_chat.storage import database as storage
from twisted_chat.storage.database import Database, Row

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
    for text in ("ok", "some words that somebody says on a usual day", " ".join(f"{n * 7919:x}" for n in range(600))):
        first = database.kept + 1
        database.commit([(seq, 1.0, "#a", "said", "Ann", f"{text} {seq}", None) for seq in range(first, first + 90)], None)
    before = database.used_bytes()
    database.search(Query(words=("none",), rooms=ROOMS))
    assert database.used_bytes() == pytest.approx(before, rel=0.1)
    database.close(270)
