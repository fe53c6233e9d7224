"""The index of the messages of each room and of each word. Plain, blocking calls, from the storage thread.

1. It is derived from the table of messages. It has its own file, so that damage in it cannot spread to the messages. It may be
   deleted at any time. After any fault it is rebuilt, a few messages at a time. Callers see no faults.
2. So it may lack messages, and may contain some that are deleted or have another text now. It returns only numbers; callers
   read the messages themselves. Numbers that it lacks are searched among all messages.
3. Writes to it do not wait for the disk (``synchronous=NORMAL``): a power failure loses the latest, which are then added
   again.
4. Messages are added when `Index.at` bytes are missing, and before a search: a large group costs a small part of adding them
   one by one. Until then `Runs` has their rooms.
"""

import json
import sqlite3
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from math import inf
from pathlib import Path

from twisted.logger import Logger

from twisted_chat.storage.index import segments
from twisted_chat.storage.index.index_file import IndexFault, IndexFile, LogFault
from twisted_chat.storage.index.room_index import NUMBERS_A_ROW, Row, Runs, indexed_bytes, room_rows
from twisted_chat.storage.index.segments import KINDS, ROOMS, WORDS, Origin, Segment

# The bytes that may be missing in the file: some 8,000 messages of a line, or 20 ms of work (measured).
INDEX_AT = 800_000
# A segment's share of all messages, and its bound: few segments to search, and little space held until its last message goes.
SEGMENT_PART, LARGEST_SEGMENT = 32, 16 * 1024 * 1024
# The amount rebuilt in one step, in messages by kind, and in bytes. Some 10 ms of work.
MEND_MESSAGES, MEND_BYTES = {ROOMS: 6000, WORDS: 1500}, 200_000
# The pause between two such steps, in seconds.
MEND_SECONDS = 0.02
# The most messages loaded into memory at the start if the file lacks them. They are the newest.
NEWEST = 10_000

NEWEST_IN = "SELECT seq, time FROM messages WHERE seq <= ? ORDER BY seq DESC LIMIT 1"
LOWEST = "SELECT min(seq) FROM messages"
NEWEST_AFTER = "SELECT coalesce(max(seq), 0) FROM (SELECT seq FROM messages ORDER BY seq DESC LIMIT 1 OFFSET ?)"
RECENT = "SELECT seq, time, room, kind, author, text, key FROM messages WHERE seq > ? AND seq <= ? ORDER BY seq"
MISSING = {
    ROOMS: "SELECT seq, time, room, '' FROM messages WHERE seq > ? AND seq <= ? ORDER BY seq DESC",
    WORDS: "SELECT seq, time, room, text FROM messages WHERE seq > ? AND seq <= ? ORDER BY seq DESC",
}
IN_ROOM = {
    False: "SELECT seq FROM messages WHERE seq > ? AND seq < ? AND room = ? ORDER BY seq LIMIT ?",
    True: "SELECT seq FROM messages WHERE seq > ? AND seq < ? AND room = ? ORDER BY seq DESC LIMIT ?",
}


class Index:
    """The index of a log."""

    _logger = Logger()

    def __init__(self, path: Path, messages: Callable[[], sqlite3.Connection]) -> None:
        """``messages`` returns the connection to the log. Its `sqlite3.Error` passes through all methods."""
        self.file = IndexFile(path, self._fits)
        self.at = INDEX_AT
        self.recent = Runs()
        self._messages = messages
        self._log = ""
        self._kept = 0
        self._gone = 0  # all messages up to this number are gone
        self._busy = False  # True if the daemon's log says that messages are being added
        self.incomplete = False  # True if `mend` has work to do; any thread may read it

    def open(self, log: str, kept: int) -> None:
        """Open the index file, if it exists, of the log with this id. Its newest message is ``kept``."""
        self._log, self._kept = log, kept
        self._gone = self._lowest() - 1
        if self.file.path.exists():
            self.file.ready()
        ends = [one.last for kind in KINDS for one in self.file.segments[kind]]
        newest = self._messages().execute(NEWEST_AFTER, (NEWEST,)).fetchone()[0]
        self.recent.clear(max(newest, *ends) if ends else newest)
        self.recent.add(self._messages().execute(RECENT, (self.recent.after, kept)))
        self.incomplete = bool(self._gaps(ROOMS) or self._gaps(WORDS))

    def close(self) -> None:
        """Seal the file and close it."""
        if unsealed := self._unsealed():
            self.file.change(lambda connection: segments.seal(connection, unsealed))
        self.file.close()

    def used_bytes(self) -> int:
        """Return the bytes in use in the file, including those for the recent messages once they are added."""
        return self.file.bytes_in("page_count") - self.file.bytes_in("freelist_count") + self.recent.size

    def add(self, rows: Iterable[Row], kept: int) -> int:
        """Add messages that are on disk now, up to ``kept``. Return the number of their characters."""
        self._kept = kept
        characters = self.recent.add(rows)
        if self.recent.size >= self.at:
            with suppress(sqlite3.Error):  # an error of the log, which has the messages anyway
                self.update()
        if self.recent.size >= 8 * self.at:
            self.recent.clear(kept)  # to bound memory: these are searched among all messages
            self.incomplete = True
        return characters

    def update(self) -> bool:
        """Add the recent messages to the file. Return whether they are in it."""
        if not self.recent.size:
            return True
        after, upto = self.recent.after, self._kept
        texts = self.recent.texts
        characters = sum(len(text) for _, text in texts)

        origin = self._origin()

        def work(connection: sqlite3.Connection) -> None:
            rooms = self._extend(connection, ROOMS, after + 1, upto, max(0, self.recent.size - indexed_bytes(0, characters)))
            segments.add_rooms(connection, rooms, self.recent.rows())
            words = self._extend(connection, WORDS, after + 1, upto, indexed_bytes(0, characters))
            segments.add_words(connection, words, texts)
            segments.note(connection, origin)

        done = self._change(work)
        if done:
            self.recent.clear(upto)
        return done

    def mend(self) -> float | None:
        """Add some messages that the file lacks. Return the seconds until the next call; None if the file is complete."""
        if (self._gaps(ROOMS) or self._gaps(WORDS)) and not self.file.ready():
            return max(MEND_SECONDS, self.file.wait)
        for kind in KINDS:
            if found := self._gaps(kind):
                if not self._busy:
                    self._busy = True
                    self._logger.info("[INDEX] The search index is being completed in the background.")
                self._fill(kind, *found[-1])
                return MEND_SECONDS
        if self._busy or self.file.reported:
            self._busy = self.file.reported = False
            self._logger.info("[INDEX] The search index is complete.")
        done = [one for one in self._unsealed() if one.last < self.recent.after]
        if done:
            self._change(lambda connection: segments.seal(connection, done[:1]))
            return MEND_SECONDS
        self.incomplete = False
        return None

    def prune(self, upto: int) -> None:
        """Drop the segments that only have messages up to a number, which are deleted."""
        self._gone = max(self._gone, upto)
        self.recent.forget(upto)
        old = [one for kind in KINDS for one in self.file.segments[kind] if one.last <= upto]
        if old:
            self._change(lambda connection: self._drop(connection, old))

    def unseal(self, seq: int) -> None:
        """Prepare to change a message's text: its segment is rebuilt if this process ends before `replace`."""
        one = self._with_words_of(seq)
        if one is not None and one.sealed:
            self._change(lambda connection: segments.save(connection, one))
            self.incomplete = True

    def replace(self, seq: int, old: str, new: str) -> None:
        """Replace the text of a room's message."""
        self.recent.replace(seq, new)
        one = self._with_words_of(seq)
        if one is not None:
            self._change(lambda connection: segments.replace_words(connection, one, seq, old, new))

    def numbers(self, room: str, after: int, before: int, limit: int, newest_first: bool) -> list[int]:
        """Return the first or last ``limit`` numbers of a room's messages between two numbers, both excluded."""
        found: list[int] = []
        for part in self.parts(room, after, before, newest_first):
            found += part
            if len(found) >= limit:
                break
        return found[:limit]

    def parts(self, room: str, after: int, before: int, newest_first: bool, said_before: float = inf) -> Iterator[list[int]]:
        """Yield all of these, some at a time. Leave out some of the messages that are not from before a time."""
        after = max(after, self._gone)
        self._look()
        while True:
            try:
                for part in self._parts(room, after, before, newest_first, said_before):
                    yield part
                    if part:  # if the file fails, continue from here without it
                        after, before = (after, part[-1]) if newest_first else (part[-1], before)
                return
            except IndexFault as fault:
                self.failed(fault)

    def hits(self, words: str, before: int) -> Iterator[tuple[int, int, Iterator[int] | None]]:
        """Yield ranges of numbers below ``before``, newest first, ends excluded, and the messages there with these words.

        The messages are None where the file does not know, and may raise `IndexFault`: call `failed`, then try again.
        """
        self._look()
        pieces = list(self._pieces(WORDS, self._gone, min(before, self.recent.after + 1)))
        if before > self.recent.after + 1:
            pieces.append((None, max(self.recent.after, self._gone), before))
        for one, low, high in reversed(pieces):
            found = None
            if one is not None:
                found = (seq for (seq,) in self.file.rows(one.sql(segments.WITH_WORDS), (words, low, high)))
            yield low, high, found

    def failed(self, fault: IndexFault) -> None:
        """Continue without the file until it is rebuilt."""
        self.file.fail(fault)
        self.incomplete = True

    def _look(self) -> None:
        self.file.look()
        self.incomplete = self.incomplete or self.file.reported

    def _change(self, work: Callable[[sqlite3.Connection], object]) -> bool:
        done = self.file.change(work)
        if not done:
            self.incomplete = True
        return done

    def _fits(self, log: str, seq: int, time: float) -> bool:
        """Return whether a message of the file matches the log's, or is deleted there."""
        if log != self._log or seq > self._kept:
            return False
        try:
            found = self._messages().execute("SELECT time FROM messages WHERE seq = ?", (seq,)).fetchone()
        except sqlite3.Error as error:
            raise LogFault(str(error)) from None
        return found == (time,) if found else seq <= self._gone

    def _origin(self) -> Origin:
        """Return the identity of the indexed log: its id and its newest message."""
        seq, time = self._messages().execute(NEWEST_IN, (self._kept,)).fetchone() or (0, 0.0)
        return self._log, seq, time

    def _lowest(self) -> int:
        found = self._messages().execute(LOWEST).fetchone()[0]
        return self._kept + 1 if found is None else int(found)

    def _gaps(self, kind: str) -> list[tuple[int, int]]:
        return segments.gaps(self.file.segments[kind], self._lowest() - 1, self.recent.after)

    def _unsealed(self) -> list[Segment]:
        return [one for kind in KINDS for one in self.file.segments[kind] if not one.sealed]

    def _with_words_of(self, seq: int) -> Segment | None:
        return next((one for one in self.file.segments[WORDS] if one.first <= seq <= one.last), None)

    def _drop(self, connection: sqlite3.Connection, old: list[Segment]) -> None:
        for one in old:
            segments.drop(connection, one)
            self.file.segments[one.kind].remove(one)

    def _extend(self, connection: sqlite3.Connection, kind: str, first: int, last: int, size: int) -> Segment:
        """Return the segment to which messages with these numbers and ``size`` bytes are added."""
        every = self.file.segments[kind]
        enough = min(LARGEST_SEGMENT, max(self.at, sum(one.size for one in every) // SEGMENT_PART))
        for one in every:
            if one.size < enough and one.last == first - 1:
                one.last = last
                break
            if one.size < enough and one.first == last + 1:
                one.first = first
                break
        else:
            one = segments.create(connection, kind, first, last)
            insort(every, one, key=lambda other: other.first)
            self.incomplete = True  # the one before it can be sealed
        one.size += size
        segments.save(connection, one)
        return one

    def _fill(self, kind: str, after: int, upto: int) -> None:
        """Add the newest messages with numbers above ``after`` and up to ``upto``."""
        rows: list[tuple[int, float, str, str]] = []
        first, characters = after + 1, 0
        for row in self._messages().execute(MISSING[kind], (after, upto)):
            if len(rows) >= MEND_MESSAGES[kind] or characters >= MEND_BYTES:
                first = rows[-1][0]
                break
            rows.append(row)
            characters += len(row[3])
        rows.reverse()
        origin = self._origin()

        def work(connection: sqlite3.Connection) -> None:
            one = self._extend(connection, kind, first, upto, indexed_bytes(len(rows) if kind == ROOMS else 0, characters))
            if kind == ROOMS:
                numbers: dict[str, list[int]] = defaultdict(list)
                for seq, _, room, _ in rows:
                    numbers[room].append(seq)
                since = min((time for _, time, _, _ in rows), default=0.0)
                for room, all_ in numbers.items():
                    segments.add_rooms(connection, one, room_rows(room, all_, since))
            else:
                segments.add_words(connection, one, ((seq, text) for seq, _, room, text in rows if room.startswith("#")))
            segments.note(connection, origin)

        self._change(work)

    def _pieces(self, kind: str, after: int, before: int) -> Iterator[tuple[Segment | None, int, int]]:
        """Yield the segments, and the ranges without one, between two numbers; each with both ends, excluded."""
        for one in self.file.segments[kind]:
            if one.first >= before:
                break
            if one.last <= after:
                continue
            if one.first - 1 > after:
                yield None, after, one.first
                after = one.first - 1
            yield one, after, min(one.last + 1, before)
            after = one.last
        if before - 1 > after:
            yield None, after, before

    def _parts(self, room: str, after: int, before: int, newest_first: bool, said_before: float) -> Iterator[list[int]]:
        memory = self.recent.numbers(room)
        memory = memory[bisect_right(memory, after) : bisect_left(memory, before)]
        recent = [memory[at : at + NUMBERS_A_ROW] for at in range(0, len(memory), NUMBERS_A_ROW)]
        pieces = list(self._pieces(ROOMS, after, min(before, self.recent.after + 1)))
        if newest_first:
            yield from (part[::-1] for part in reversed(recent))
        for one, low, high in reversed(pieces) if newest_first else pieces:
            if one is None:
                yield from self._looked_for(room, low, high, newest_first)
                continue
            statement = one.sql(segments.IN_ROOM) + (" DESC" if newest_first else "")
            given = {"room": room, "after": low, "before": high, "said_before": said_before}
            for (seqs,) in self.file.rows(statement, given):
                try:
                    numbers = json.loads(seqs)
                except ValueError as error:
                    raise IndexFault(str(error)) from None
                part = numbers[bisect_right(numbers, low) : bisect_left(numbers, high)]
                yield part[::-1] if newest_first else part
        if not newest_first:
            yield from recent

    def _looked_for(self, room: str, low: int, high: int, newest_first: bool) -> Iterator[list[int]]:
        """Yield the numbers of a room's messages in a range that the file lacks."""
        while True:
            found = self._messages().execute(IN_ROOM[newest_first], (low, high, room, NUMBERS_A_ROW))
            part = [seq for (seq,) in found]
            yield part
            if len(part) < NUMBERS_A_ROW:
                return
            low, high = (low, part[-1]) if newest_first else (part[-1], high)
