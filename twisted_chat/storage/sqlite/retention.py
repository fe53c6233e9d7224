"""Limit the age and the size of the log: delete the oldest messages, a few at a time. Runs on the storage thread.

1. A slice is one short transaction between two commits, so waiting messages never wait for more than one slice. It deletes
   twice as many messages as the previous commit added, so a full log does not grow under any load.
2. Oldest means lowest number. Messages sent while the clock was wrong are deleted with those sent before and after them.
3. A clock that steps forward must not empty the log. The age of a message is the time that this daemon has seen pass. A step
   of the clock counts once it has lasted a day. That includes the time during which the daemon was not running, because
   a machine may start with any clock: so messages stay up to a day longer after a restart.
4. Size is the log's size on disk, including its index and SQLite's own files. Freed space is reused, and an excess of it is
   returned in small steps: nothing is copied. Older files cannot return space and keep their size; for these, only the used
   space counts.
"""

from collections.abc import Callable
from dataclasses import dataclass

from twisted.logger import Logger

from twisted_chat.storage.sqlite.database import Database
from twisted_chat.storage.sqlite.renewal import megabytes

# The fewest messages that a slice deletes: 3 to 20 ms, including returned space (measured).
SLICE = 100
# The share of its size from which the log is full; and the share on disk from which free space is returned.
FULL, FULL_ON_DISK = 0.9, 0.95
# The space that may be free without a size limit, or below it: this share, and at least this many bytes.
FREE, SMALLEST_FREE = 0.25, 4 << 20
# The share of the size up to which a -wal counts: checkpoints shrink anything beyond it.
WAITING = 1 / 8
# The time for which a step of the clock must last before it counts, in seconds.
STEP_SECONDS = 86400.0
# The largest change that is a gradual correction of the clock, not a step, in seconds.
TOLERANCE = 1.0

FIRST = "SELECT seq, time FROM messages WHERE time <= ? ORDER BY seq LIMIT ?"
NUMBERS = "SELECT max(seq) FROM (SELECT seq FROM messages ORDER BY seq LIMIT ?)"
NEWEST_TIME = "SELECT time FROM messages ORDER BY seq DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Slice:
    """The result of a slice: the last deleted number (0 if none), and whether there is more to delete."""

    upto: int
    more: bool


class SlowClock:
    """The time of day, which follows a step forward only after `STEP_SECONDS`, and a step back at once."""

    def __init__(self, now: Callable[[], float], clock: Callable[[], float], last_known: float) -> None:
        """``now`` is the time of day, ``clock`` is monotonic, and ``last_known`` is a time that has certainly passed."""
        self._now, self._clock = now, clock
        self._offset = min(now(), last_known) - clock()
        self._doubted_since: float | None = None

    def __call__(self) -> float:
        """Return seconds since 1970."""
        passed = self._clock()
        offset = self._now() - passed
        if offset <= self._offset + TOLERANCE:
            self._offset, self._doubted_since = offset, None
        elif self._doubted_since is None:
            self._doubted_since = passed
        elif passed - self._doubted_since >= STEP_SECONDS:
            self._offset, self._doubted_since = offset, None
        return passed + self._offset


class Retention:
    """Deletes the oldest messages of a `Database`."""

    _logger = Logger()

    def __init__(
        self,
        database: Database,
        now: Callable[[], float],
        clock: Callable[[], float],
        *,
        seconds: float | None,
        size: int | None,
    ) -> None:
        """Keep messages for at most ``seconds``, and at most ``size`` bytes of them. None sets no limit."""
        self._database = database
        self._now, self._clock = now, clock
        self._seconds, self._size = seconds, size
        self._time: SlowClock | None = None
        self._told = False
        if size is not None:
            database.limit(size)

    def slice(self, committed: int) -> Slice:
        """Delete a few messages, if due, after a commit of ``committed`` messages. Raise `sqlite3.Error`."""
        rows = max(SLICE, 2 * committed)
        upto = max(self._too_old(rows), self._too_many(rows))
        if upto:
            self._database.prune(upto)
        return Slice(upto, self._give_back() or upto > 0)

    def _too_old(self, rows: int) -> int:
        """Return the number of the last message that is too old, before the first that is not."""
        if self._seconds is None:
            return 0
        if self._time is None:
            newest = self._database.query(NEWEST_TIME)
            self._time = SlowClock(self._now, self._clock, newest[0][0] if newest else self._now())
        now, last = self._time(), 0
        for seq, time in self._database.query(FIRST, (max(now, self._now()), rows)):
            if time >= now - self._seconds:
                break
            last = seq
        return last

    def _too_many(self, rows: int) -> int:
        if self._size is None:
            return 0
        waiting = min(self._database.waiting_bytes(), self._size * WAITING)
        if self._database.used_bytes() + waiting <= self._size * FULL:
            return 0
        found = self._database.query(NUMBERS, (rows,))[0][0]
        return int(found or 0)

    def _give_back(self) -> bool:
        """Return excess free space to the file system. Return whether there was any."""
        free, disk = self._database.free_bytes(), self._database.disk_bytes()
        full = self._size is not None and disk > self._size * FULL_ON_DISK
        if not self._database.shrinks() and full and not self._told:
            self._told = True
            self._logger.info(
                "[KEEP] {path} takes {size} and cannot shrink: another program made it. Free space in it is used again.",
                path=str(self._database.path),
                size=megabytes(disk),
            )
        if full or free > max(SMALLEST_FREE, disk * FREE):
            self._database.give_back()
            return self._database.free_bytes() < free or self._database.disk_bytes() < disk
        return False
