"""Records persisted in the database, or held in memory.

A record's class names its table; its fields are the table's columns. Values other than text and numbers are stored as JSON.
"""

import json
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields
from typing import Any

from twisted.internet.defer import Deferred

from twisted_chat.core.errors import NotKept
from twisted_chat.core.interfaces import MOST_DEEDS, MOST_DEEDS_BY_ONE, MOST_DEEDS_IN_ROOM
from twisted_chat.core.records import Account, Deed, Fact, Invitation, Policy, Record, RoomRecord, Sanction, Token
from twisted_chat.storage.sqlite.database import Database

TABLES: dict[type, str] = {
    Account: "accounts",
    RoomRecord: "rooms",
    Sanction: "sanctions",
    Invitation: "invitations",
    Token: "tokens",
    Fact: "facts",
    Deed: "deeds",
}


class MemoryRecords:
    """Records for ``--state none``: only the last deeds. The hub holds the others in memory."""

    def __init__(self) -> None:
        self._deeds: deque[Deed] = deque(maxlen=1000)
        self._of_server: deque[Deed] = deque(maxlen=1000)

    def load(self) -> Iterable[Record]:
        """Return no records."""
        return ()

    async def save(self, *records: Record) -> None:
        """Store deeds."""
        for record in records:
            if isinstance(record, Deed):
                self._deeds.append(record)
                if record.of_server:
                    self._of_server.append(record)

    async def remove(self, *records: Record) -> None:
        """Do nothing: no record is stored."""

    async def deeds(self, limit: int, place: str | None = None) -> list[Deed]:
        """Return the last deeds, oldest first: all of them, those of the server, or those in a room."""
        if place == "":
            return list(self._of_server)[-limit:]
        return [deed for deed in self._deeds if place in (None, deed.room)][-limit:]


class SqliteRecords:
    """Records in a `Database`, written on the thread that owns it."""

    def __init__(self, database: Database, submit: "Callable[..., Deferred[Any]]") -> None:
        """``submit`` calls a function with its arguments on the storage thread."""
        self._database = database
        self._submit = submit

    def load(self) -> Iterable[Record]:
        """Yield all records, and the last deed. Blocks."""
        for kind, table in TABLES.items():
            order = " ORDER BY id DESC LIMIT 1" if kind is Deed else ""
            yield from (_record(kind, row) for row in self._database.query(f"SELECT {_columns(kind)} FROM {table}{order}"))  # noqa: S608

    async def save(self, *records: Record) -> None:
        """Persist records in one transaction. Raise `NotKept`."""
        statements = [(_upsert(type(record)), _row(record)) for record in records]
        deeds = [record for record in records if isinstance(record, Deed)]
        await self._write([*statements, *(one for deed in deeds for one in _prune(deed))])

    async def remove(self, *records: Record) -> None:
        """Delete records. Raise `NotKept`."""
        await self._write([(_delete(type(record)), _row(record)[:1]) for record in records])

    async def deeds(self, limit: int, place: str | None = None) -> list[Deed]:
        """Return the last deeds, oldest first: all of them, those of the server, or those in a room. Raise `NotKept`."""
        which = {None: "", "": " WHERE of_server = 1"}.get(place, " WHERE room = ?")
        query = f"SELECT {_columns(Deed)} FROM deeds{which} ORDER BY id DESC LIMIT ?"  # noqa: S608
        try:
            rows = await self._submit(self._database.query, query, (place, limit) if place else (limit,))
        except sqlite3.Error as error:
            raise NotKept(f"What was done can't be read now: {error}.") from None
        return [_record(Deed, row) for row in reversed(rows)]

    async def _write(self, statements: list[tuple[str, tuple[Any, ...]]]) -> None:
        if statements:
            try:
                await self._submit(self._database.write, statements)
            except sqlite3.Error as error:
                raise NotKept(f"That is done, but could not be kept: {error}.") from None


def _prune(deed: Deed) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield the statements that delete the deeds which a new one displaces."""
    if deed.of_server:
        yield _older("of_server = 1"), (MOST_DEEDS,)
    else:
        yield _older("of_server = 0 AND room = ?"), (deed.room, deed.room, MOST_DEEDS_IN_ROOM)
        yield _older("of_server = 0 AND who = ?"), (deed.who, deed.who, MOST_DEEDS_BY_ONE)


def _older(which: str) -> str:
    found = f"SELECT id FROM deeds WHERE {which} ORDER BY id DESC LIMIT 1 OFFSET ?"  # noqa: S608
    return f"DELETE FROM deeds WHERE {which} AND id <= ({found})"  # noqa: S608


def _columns(kind: type) -> str:
    return ", ".join(field.name for field in fields(kind))


def _upsert(kind: type) -> str:
    marks = ", ".join("?" for _ in fields(kind))
    return f"INSERT OR REPLACE INTO {TABLES[kind]} ({_columns(kind)}) VALUES ({marks})"  # noqa: S608


def _delete(kind: type) -> str:
    return f"DELETE FROM {TABLES[kind]} WHERE {fields(kind)[0].name} = ?"  # noqa: S608


def _row(record: Record) -> tuple[Any, ...]:
    values = (getattr(record, field.name) for field in fields(record))
    return tuple(value if isinstance(value, str | int | float | None) else _json(value) for value in values)


def _json(value: Any) -> str:
    return json.dumps(asdict(value) if isinstance(value, Policy) else value, ensure_ascii=False)


def _record(kind: type, row: tuple[Any, ...]) -> Any:
    values: dict[str, Any] = {}
    for field, value in zip(fields(kind), row, strict=True):
        match str(field.type).split("[")[0]:
            case "tuple":
                value = tuple(json.loads(value))
            case "Mapping":
                value = json.loads(value)
            case "bool":
                value = bool(value)
            case "Policy":
                value = _policy(json.loads(value))
        values[field.name] = value
    return kind(**values)


def _policy(members: dict[str, Any]) -> Policy:
    known = {field.name for field in fields(Policy)}
    values: dict[str, Any] = {name: value for name, value in members.items() if name in known}
    tuples = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return Policy(**values | tuples)
