"""A log of an earlier version is brought up to ours, and a copy of it stays beside it."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from indexes import check, complete

from twisted_chat.core.interfaces import Query
from twisted_chat.storage.index import search
from twisted_chat.storage.sqlite import renewal as storage
from twisted_chat.storage.sqlite.database import Database
from twisted_chat.storage.sqlite.renewal import StateError


def made_by_version_1(folder: Path) -> None:
    """A log as the first version left it."""
    connection = sqlite3.connect(folder / "chat.db", isolation_level=None)
    connection.executescript(storage.script(1))
    connection.execute(f"PRAGMA application_id = {storage.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 1")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("INSERT INTO log VALUES ('abc', 7)")
    connection.execute("INSERT INTO messages VALUES (5, 1.5, '#lobby', 'said', 'Ann', 'good tea', x'01')")
    connection.execute("INSERT INTO messages VALUES (6, 2.5, '#lobby', 'emoted', 'Ben', 'pours', NULL)")
    connection.close()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search takes as long as a busy machine needs."""
    monkeypatch.setattr(search, "SEARCH_SECONDS", 600.0)


def opened(folder: Path) -> tuple[Database, str, int]:
    """The log, opened."""
    found = Database(folder)
    found.claim()
    return found, *found.open(100)


def test_version_1_is_upgraded(tmp_path: Path) -> None:
    """Messages, numbers and keys are what they were; they can be searched; the copy is the old file."""
    made_by_version_1(tmp_path)
    log, log_id, used = opened(tmp_path)
    assert (log_id, used) == ("abc", 7)
    assert [row[0] for row in log.read("#lobby", 0, 99, 9, False)] == [5, 6]
    assert log.find(b"\x01") == 5
    assert [row[5] for row in log.search(Query(words=("tea",), rooms=("#lobby",)))] == ["good tea"]
    assert log.query("PRAGMA user_version") == [(storage.VERSION,)]
    log.close(7)
    copy = sqlite3.connect(tmp_path / "chat-schema-1.db")
    assert copy.execute("PRAGMA user_version").fetchone() == (1,)
    assert copy.execute("SELECT count(*) FROM messages").fetchone() == (2,)
    copy.close()


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It happens as a whole or not at all, and the daemon says why it does not start."""
    made_by_version_1(tmp_path)
    right = storage.script
    monkeypatch.setattr(storage, "script", lambda version: right(version) + "SELECT nonsense;")
    with pytest.raises(StateError, match="nonsense"):
        opened(tmp_path)
    monkeypatch.undo()
    log, _, used = opened(tmp_path)
    assert used == 7
    assert log.find(b"\x01") == 5
    log.close(7)


def test_words_said_before_the_upgrade_and_after_it_are_found(tmp_path: Path) -> None:
    """Which messages are in the index of words is known across versions, restarts and what is taken out."""
    made_by_version_1(tmp_path)
    for life, (seq, text) in enumerate([(7, "more tea"), (8, "tea again"), (9, "no tea")]):
        log, _, _ = opened(tmp_path)
        log.commit([(seq, 3.0, "#lobby", "said", "Ann", text, None)], None)
        if life == 1:
            log.erase(8, ["#lobby"], "(deleted)")
            log.erase(5, ["#lobby"], "(deleted)")
        if life == 2:
            assert [row[0] for row in log.search(Query(words=("tea",), rooms=("#lobby",)))] == [9, 7]
            log.prune(7)
            assert [row[0] for row in log.search(Query(words=("tea",), rooms=("#lobby",)))] == [9]
        log.close(seq)


def made_by_version(version: int, folder: Path) -> None:
    """A log with messages in fifty rooms, in which the last are in no index yet."""
    connection = sqlite3.connect(folder / "chat.db", isolation_level=None)
    for number in range(1, version + 1):
        connection.executescript(storage.script(number))
    connection.execute(f"PRAGMA application_id = {storage.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("INSERT INTO log (id, reserved, indexed) VALUES ('abc', 9999, 3000)")
    said = [(seq, float(seq), f"#{seq * seq % 50}", f"tea {seq}", b"%d" % seq) for seq in range(1, 3401)]
    connection.executemany(
        "INSERT INTO messages (seq, time, room, kind, author, text, key) VALUES (?, ?, ?, 'said', 'Ann', ?, ?)", said
    )
    connection.execute("INSERT INTO places SELECT room, seq FROM messages WHERE seq <= 3000")
    connection.execute("INSERT INTO words (rowid, text) SELECT seq, text FROM messages WHERE seq <= 3000")
    connection.close()


@pytest.mark.parametrize("version", [4, 6])
def test_rooms_have_the_messages_they_had(tmp_path: Path, version: int) -> None:
    """Those in the indexes and those that are not yet, in order; what is said later follows them; all can be taken out."""
    made_by_version(version, tmp_path)
    log, _, _ = opened(tmp_path)
    for room in range(50):
        there = [seq for seq in range(1, 3401) if seq * seq % 50 == room]
        assert [row[0] for row in log.read(f"#{room}", 0, 9999, 9999, False)] == there
        assert log.count(f"#{room}", 0, 9999, 9999) == len(there)
        assert log.last_before(f"#{room}", 1500.5) == max((seq for seq in there if seq <= 1500), default=0)
    while log.mend() is not None:
        pass
    for room in range(50):
        there = [seq for seq in range(1, 3401) if seq * seq % 50 == room]
        assert [row[0] for row in log.read(f"#{room}", 0, 9999, 9999, False)] == there
    log.commit([(3401, 1.0, "#0", "said", "Ann", "more", b"3400"), (3402, 1.0, "#1", "told", "Ann", "tea", None)], None)
    assert [row[0] for row in log.search(Query(words=("tea",), rooms=("#1",), limit=2))] == [3402, 3399]
    with pytest.raises(sqlite3.IntegrityError):
        log.write([("INSERT INTO messages VALUES (3403, 1.0, '#1', 'sung', 'Ann', 'tea', NULL)", ())])
    log.prune(3402)
    assert log._index.file.segments == {"rooms": [], "words": []}
    log.close(3402)


def merge_too_often(connection: sqlite3.Connection) -> None:
    """What `--keep` did with each slice."""
    with suppress(sqlite3.Error):
        for seq in range(5000, 6200):
            connection.execute("INSERT INTO words (rowid, text) VALUES (?, 'tea')", (seq,))
            connection.execute("INSERT INTO words (words, rank) VALUES ('merge', -64)")
    if sqlite3.sqlite_version_info < (3, 41):  # later ones may have mended that
        with pytest.raises(sqlite3.DatabaseError):
            connection.execute("SELECT count(*) FROM words WHERE words MATCH 'tea'").fetchone()


def spoil_pages(connection: sqlite3.Connection) -> None:
    """Overwrite the first page of the tables that FTS5 has, and of the index of rooms."""
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    pages = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name LIKE 'words_%' OR name = 'runs'").fetchall()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.close()
    with Path(path).open("r+b") as file:
        for (page,) in pages:
            if page:
                file.seek((page - 1) * size)
                file.write(b"\xaa" * size)


BROKEN: dict[str, Callable[[sqlite3.Connection], object]] = {
    "whole": lambda connection: None,
    "merged too often": merge_too_often,
    "structure lost": lambda connection: connection.execute("UPDATE words_data SET block = x'00' WHERE id = 10"),
    "shadow table gone": lambda connection: connection.executescript(
        "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'words_data'"
    ),
    "rooms gone": lambda connection: connection.execute("DROP TABLE runs"),
    "pages overwritten": spoil_pages,
    "counter wrong": lambda connection: connection.execute("UPDATE log SET indexed = 99999"),
    "triggers of nothing": lambda connection: connection.execute(
        "CREATE TRIGGER strange AFTER INSERT ON messages BEGIN INSERT INTO nowhere VALUES (1); END"
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_log_whose_indexes_are_broken_loses_nothing(tmp_path: Path, how: str) -> None:
    """One of schema 7, as `--keep` of that version left it, or a bad disk: it starts, and has all messages and records."""
    connection = sqlite3.connect(tmp_path / "chat.db", isolation_level=None)
    scripts = "".join(storage.script(number) for number in range(1, 8))
    connection.executescript(
        f"BEGIN; {scripts} PRAGMA application_id = {storage.APPLICATION_ID}; PRAGMA user_version = 7; COMMIT"
    )
    connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF")
    connection.execute("INSERT INTO log (id, reserved, indexed) VALUES ('abc', 9999, 900)")
    said = [(seq, float(seq), f"#{seq % 3}", f"tea {seq}", b"%d" % seq) for seq in range(1, 1001)]
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO messages (seq, time, room, kind, author, text, key) VALUES (?, ?, ?, 'said', 'Ann', ?, ?)", said
    )
    connection.execute("INSERT INTO words (rowid, text) SELECT seq, text FROM messages WHERE seq <= 900")
    connection.execute("COMMIT")
    connection.execute("INSERT INTO facts VALUES ('motd', 'hello')")
    connection.execute("INSERT INTO tokens VALUES ('digest', 'bot', '#1', 'ann', 1.0)")
    BROKEN[how](connection)
    connection.close()
    log, log_id, used = opened(tmp_path)
    assert (log_id, used) == ("abc", 9999)
    assert log.query("SELECT seq, time, room, text, key FROM messages ORDER BY seq") == said
    assert log.query("SELECT value FROM facts") == [("hello",)]
    assert log.query("SELECT name FROM tokens") == [("bot",)]
    for _ in range(2):
        assert [row[0] for row in log.read("#1", 0, 9999, 9999, False)] == list(range(1, 1001, 3))
        assert [row[0] for row in log.search(Query(words=("999",), rooms=("#0",)))] == [999]
        complete(log)
    again = [(10_000, 1.0, "#1", "said", "Ann", "tea 7", b"7"), (10_001, 1.0, "#1", "said", "Ann", "more", b"x")]
    assert 10_001 not in log.commit(again, None)
    log.prune(500)
    log.close(10_001)
    check(tmp_path)
    assert (tmp_path / "chat-schema-7.db").exists()


def test_an_upgrade_that_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence that says how much is missing, before anything is written; so when somebody else reads the file."""
    made_by_version_1(tmp_path)
    monkeypatch.setattr(storage.os, "statvfs", lambda path: SimpleNamespace(f_bavail=1, f_frsize=1))
    with pytest.raises(StateError, match=r"takes up to 0 MB of disk, and 0 MB are free\. Make room"):
        opened(tmp_path)
    monkeypatch.undo()
    reader = sqlite3.connect(tmp_path / "chat.db", isolation_level=None)
    reader.execute("PRAGMA journal_mode = WAL")
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM messages").fetchall()
    monkeypatch.setattr(storage, "LOCK_SECONDS", 0.0)
    with pytest.raises(StateError, match="Another program is reading"):
        opened(tmp_path)
    reader.close()
    assert {path.name for path in tmp_path.iterdir()} <= {"chat.db", "chat.lock", "chat.db-wal", "chat.db-shm"}
    log, _, used = opened(tmp_path)
    assert used == 7
    log.close(7)


SPOILT: dict[str, str] = {
    "root of keys": "SELECT rootpage FROM sqlite_schema WHERE name = 'messages_by_key'",
    "pointer map": "SELECT 2",
}


@pytest.mark.parametrize("when", ["down", "in use"])
@pytest.mark.parametrize("what", SPOILT)
def test_damage_that_touches_no_message_is_healed(tmp_path: Path, what: str, when: str) -> None:
    """The index of keys, or what SQLite knows of its pages: at the start, and with the commit that meets it."""
    log = Database(tmp_path)
    log.claim()
    log.open(100)
    said = [(seq, 1.0, "#a", "said", "Ann", f"tea {seq}", b"%040d" % seq) for seq in range(1, 501)]
    log.commit(said, None)
    page, size = log.query(SPOILT[what])[0][0], log.query("PRAGMA page_size")[0][0]
    if when == "down":
        log.close(500)
    else:
        log._connect().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        log._disconnect()
    with (tmp_path / "chat.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xaa" * size)
    if when == "down":
        log = Database(tmp_path)
        log.claim()
        log.open(100)
        assert (tmp_path / "chat-damaged.db").exists()
    assert log.commit([(501, 1.0, "#a", "said", "Ann", "tea 7", b"%040d" % 7)], None) == {501: 7}
    log.commit([(502, 1.0, "#a", "said", "Ann", "more", b"x" * 40)], None)
    assert [row[0] for row in log.read("#a", 0, 999, 999, False)] == [*range(1, 501), 502]
    log.close(502)
    log = Database(tmp_path)
    log.claim()
    log.open(100)
    assert log.query("SELECT count(*) FROM messages") == [(501,)]
    log.close(502)
    check(tmp_path)
