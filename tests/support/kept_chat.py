"""A server in memory over a real state folder, and people with accounts."""

from pathlib import Path
from typing import Any

from chat_clients import Guest
from storage_bench import Reactor
from twisted.internet.defer import Deferred

from twisted_chat.config import Config
from twisted_chat.storage.sqlite.database import Database
from twisted_chat.storage.sqlite.log import SqliteLog
from twisted_chat.storage.sqlite.records import SqliteRecords
from twisted_chat.testing import Chat


def registered(chat: Chat, kind: str, name: str) -> Guest:
    """Somebody whose name is registered with the password ``secret12``."""
    claimed = chat.claim_code(name) is not None
    guest = Guest(chat, kind, name)
    assert f"{name} is yours now" in (guest.shown() if claimed else guest.answer("/register secret12"))
    return guest


class KeptChat(Chat):
    """A server in memory over a database on disk."""

    def __init__(self, folder: Path, config: Config | None = None) -> None:
        database = Database(folder)
        database.claim()
        self.reactor = Reactor()
        sqlite = SqliteLog(database, self.reactor, tail_bytes=1 << 20, batch_bytes=1 << 16, waiting_bytes=1 << 20)
        records = SqliteRecords(database, sqlite.submit)
        self.submit = sqlite.submit
        super().__init__(config, log=lambda _: sqlite, records=records)
        self.hub.restore(records.load())

    def turn(self) -> None:
        """Let everything that is under way be done: what one step starts, the next one finishes."""
        super().turn()
        for _ in range(5):
            self.done(self.submit(int))
            super().turn()

    def done(self, awaitable: Any) -> Any:
        """What comes of something."""
        results: list[Any] = []

        async def wait() -> None:
            results.append(await awaitable)

        Deferred.fromCoroutine(wait())
        self.reactor.until(lambda: results)
        return results[0]

    def end(self) -> None:
        """Stop."""
        self.turn()
        self.done(self.log.close())
