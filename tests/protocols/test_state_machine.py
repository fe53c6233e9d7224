"""People and programs do as they like, in any order; what they were told has to fit together, by the checker's rules.

The chat is the one in memory, with a disk that can fail. Nobody's deeds are worked off before a turn ends, so that many
fall into one turn.
"""

import json
from collections.abc import Callable, Collection, Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule
from torture.checker import Life, Message, check
from torture.doors import DOORS
from torture.rounds import message_of
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from twisted_chat.config import Config, Limits
from twisted_chat.core.delivery.batch import Batch
from twisted_chat.core.events import KEPT, KeptEvent
from twisted_chat.core.interfaces import Query, Sent
from twisted_chat.core.users.settings import Receipts
from twisted_chat.storage.batching_log import BatchingLog
from twisted_chat.testing import Chat, Client

GREAT, SMALL = 1 << 20, 1  # bytes of tail: all there is, and next to nothing


class DiskLog(BatchingLog):
    """A log with a disk that can fail: what it holds is in ``rows``."""

    def __init__(self, clock: Clock, tail_bytes: int) -> None:
        super().__init__("log", 0, self._later, tail_bytes=tail_bytes, batch_bytes=1 << 16)
        self._clock = clock
        self.rows: dict[int, KeptEvent] = {}
        self.keys: dict[bytes, int] = {}
        self.fails = False

    def _later(self, call: Callable[[], None]) -> None:
        self._clock.callLater(0, call)

    async def close(self) -> None:
        """Nothing is to be closed."""

    def _store(self, batches: Sequence[Batch]) -> None:
        if self.fails:
            self._later(lambda: self._settle(batches, None))
            return
        duplicates: dict[int, int] = {}
        for batch in batches:
            for event in batch.events:
                key = batch.keys.get(event.seq)
                if key is not None and key in self.keys:
                    duplicates[event.seq] = self.keys[key]
                elif isinstance(event, KEPT):
                    self.rows[event.seq] = event
                    if key is not None:
                        self.keys[key] = event.seq
        self._later(lambda: self._settle(batches, duplicates))

    async def _find_stored(self, key: bytes) -> Sent | None:
        return Sent(self.keys[key], None) if key in self.keys else None

    async def _read_stored(self, room: str, after: int, before: int, limit: int, *, newest_first: bool) -> list[KeptEvent]:
        found = [row for seq, row in self.rows.items() if after < seq < before and row.room == room]
        return (found[::-1] if newest_first else found)[:limit]

    async def _find_since(self, room: str, time: float) -> int:
        return 0

    async def _count_stored(self, room: str, after: int, upto: int, limit: int) -> int:
        return sum(after < seq <= upto and row.room == room for seq, row in self.rows.items())

    async def _erase_stored(self, seq: int, rooms: Collection[str]) -> KeptEvent | None:
        return None

    async def search(self, query: Query) -> list[KeptEvent]:
        """Nothing is searched here."""
        return []


class Somebody:
    """A person or a program, on one connection after the other."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.id = self.name = name
        self.client: Client | None = None
        self.reads = True
        self.said = 0
        self.open: list[int] = []  # without a word so far
        self.shown: list[tuple[Message, int]] = []
        self.earlier: list[list[tuple[Message, int]]] = []  # what a person was shown on connections before
        self.newest = 0  # the highest number seen
        self.unsure = False  # a line dropped, and nobody will ever say what became of the last messages

    def enter(self, chat: Chat) -> None:
        """Come in; again, a program reads on where it was."""
        self.client = chat.connect(self.kind)
        self.reads = True
        if self.kind == "line":  # is shown some history anew
            self.earlier.append(self.shown)
            self.shown = []
            self._send(self.name)
        else:
            rooms = {"#lobby": self.newest or None}
            self._send(json.dumps({"type": "hello", "name": self.name, "client": f"secret of {self.id}", "rooms": rooms}))
            for number in self.open:
                self._send(self._request(number, again=True))

    def say(self) -> None:
        """Say the next message."""
        number, self.said = self.said, self.said + 1
        self.open.append(number)
        self._send(f"{self.id}:{number}" if self.kind == "line" else self._request(number))

    def command(self, line: str) -> None:
        """Type a line."""
        self._send(line if self.kind == "line" else json.dumps({"type": "line", "text": line}))

    def drop(self) -> None:
        """Lose the line."""
        assert self.client is not None
        self.client.transport.protocol.connectionLost(Failure(ConnectionLost()))
        self.client = None
        if self.kind == "line":
            self.unsure = self.unsure or bool(self.open)
            self.open = []

    def listen(self, life: Life) -> None:
        """Take what has come."""
        if self.client is None:
            return
        for line in self.client.lines():
            one = DOORS[self.kind].hear(line.encode())
            self.newest = max(self.newest, one.seq)
            if one.kind == "said" and (message := message_of(one.text)):
                self.shown.append((message, one.seq))
            elif one.kind in ("receipt", "lost"):
                number = int((one.id or one.text).rpartition(":")[2])
                if number in self.open:
                    self.open.remove(number)
                if one.kind == "receipt":
                    life.receipts.append(((self.id, number), one.seq))
                else:
                    life.lost.append((self.id, number))

    def _request(self, number: int, **more: bool) -> str:
        return json.dumps({"type": "say", "id": f"{self.id}:{number}", "text": f"{self.id}:{number}"} | more)

    def _send(self, line: str) -> None:
        assert self.client is not None
        self.client.send_bytes(line.encode() + b"\n")


class Conversation(RuleBasedStateMachine):
    """What anybody can do."""

    people: Bundle[Somebody] = Bundle("people")

    @initialize(tail=st.sampled_from([GREAT, SMALL]))
    def begin(self, tail: int) -> None:
        """Two watch from the beginning to the end, and never speak."""
        config = Config(limits=Limits.OFF, receipts=Receipts.ALWAYS).effective()
        self.chat = Chat(config, log=lambda clock: DiskLog(clock, tail))
        self.tail = tail
        self.life = Life()
        self.everybody = [Somebody("line", "Watcher"), Somebody("json", "Observer")]
        for watcher in self.everybody:
            watcher.enter(self.chat)
        self.chat.turn()

    @rule(target=people, kind=st.sampled_from(["line", "json"]))
    def come(self, kind: str) -> Somebody:
        """Somebody new comes in."""
        somebody = Somebody(kind, "Guest" + chr(ord("a") + len(self.everybody) % 26) * (1 + len(self.everybody) // 26))
        self.everybody.append(somebody)
        somebody.enter(self.chat)
        return somebody

    @rule(somebody=people, times=st.integers(1, 5))
    def say(self, somebody: Somebody, times: int) -> None:
        """Somebody says something."""
        if somebody.client is not None:
            for _ in range(times):
                self.life.sent.append((somebody.id, somebody.said))
                somebody.say()

    @rule(somebody=people, suffix=st.sampled_from("xyz"))
    def rename(self, somebody: Somebody, suffix: str) -> None:
        """Somebody takes another name."""
        if somebody.client is not None:
            somebody.name = somebody.id + suffix
            somebody.command(f"/nick {somebody.name}")

    @rule(somebody=people)
    def leave(self, somebody: Somebody) -> None:
        """Somebody goes, and is told of all their messages first."""
        if somebody.client is not None and somebody.reads:
            somebody.command("/quit")
            self.chat.turn()
            somebody.listen(self.life)
            assert not somebody.open
            somebody.drop()

    @rule(somebody=people)
    def lose_the_line(self, somebody: Somebody) -> None:
        """A line drops; what was on its way to them is lost."""
        if somebody.client is not None:
            somebody.drop()

    @rule(somebody=people)
    def come_back(self, somebody: Somebody) -> None:
        """Somebody comes back; a program says again what it had no word of. A name may be held for a dropped line."""
        if somebody.client is None:
            self.chat.clock.advance(61)
            somebody.enter(self.chat)

    @rule(index=st.integers(0, 100))
    def stop_reading(self, index: int) -> None:
        """Somebody takes nothing more."""
        somebody = self.everybody[index % len(self.everybody)]
        if somebody.client is not None:
            somebody.listen(self.life)
            somebody.reads = False
            somebody.client.transport.stop_reading()
            somebody.client.transport.protocol.filled()

    @rule(index=st.integers(0, 100))
    def read_on(self, index: int) -> None:
        """Somebody reads again."""
        self._read_on(self.everybody[index % len(self.everybody)])

    @precondition(lambda self: self.tail == GREAT)
    @rule(fails=st.booleans())
    def disk(self, fails: bool) -> None:
        """The disk fails, or is well again."""
        self.chat.log.fails = fails  # type: ignore[attr-defined]

    @rule()
    def turn(self) -> None:
        """The reactor turns."""
        self.chat.turn()

    @invariant()
    def nothing_is_breached(self) -> None:
        """What everybody was told so far fits together."""
        for somebody in self.everybody if hasattr(self, "everybody") else ():
            somebody.listen(self.life)
        if hasattr(self, "everybody"):
            self._check()

    def teardown(self) -> None:
        """In the end all read, and know what became of all they have said."""
        if not hasattr(self, "everybody"):
            return
        for somebody in self.everybody:
            self._read_on(somebody)
        self.chat.turn()
        for somebody in self.everybody:
            somebody.listen(self.life)
        self.life.settled = {one.id for one in self.everybody if one.client is not None and not one.unsure}
        if not self.life.lost:
            self.life.stayed = {"Watcher", "Observer"}
        self._check()

    def _read_on(self, somebody: Somebody) -> None:
        if somebody.client is not None and not somebody.reads:
            somebody.reads = True
            somebody.client.transport.read_on()
            somebody.client.transport.protocol.drained()

    def _check(self) -> None:
        self.life.shown = {somebody.id: somebody.shown for somebody in self.everybody}
        for somebody in self.everybody:
            self.life.shown |= {f"{somebody.id} {number}": shown for number, shown in enumerate(somebody.earlier)}
        rows = self.chat.log.rows  # type: ignore[attr-defined]
        history = [(seq, message) for seq, row in rows.items() if (message := message_of(row.text))]
        assert check([self.life], history) == []


TestConversation = Conversation.TestCase
TestConversation.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
