"""How long messages are kept, and how much of them: the oldest are taken out, a few at a time. Runs on the storage thread.

1. A slice is one short transaction between two commits: what waits to be kept never waits for more than one slice. It
   takes out twice as many messages as the commit before it brought, so that a full log stays as it is under any load.
2. Oldest means lowest number. What was said while the clock was wrong goes with what was said before and after it.
3. A clock that steps forward must not empty the log. A message's age is counted by the time that has passed since, as far
   as this daemon has seen it pass; a step of the clock counts once it has lasted a day. That includes the time the
   daemon was not running, as a machine may start with any clock: so a restart keeps messages up to a day longer.
4. Size is what the log takes on disk, with its index and what SQLite lays beside them. Room that was freed is used again, and
   what is too much of it is given back, a little at a time: nothing is copied. Files that are older than that ability keep
   their size; of them, what is used counts.
"""

from collections.abc import Callable
from dataclasses import dataclass

from twisted.logger import Logger

from twisted_chat.storage.sqlite.database import Database
from twisted_chat.storage.sqlite.renewal import megabytes

# How many messages a slice takes out at least: 3 to 20 ms, with what it gives back (measured).
SLICE = 100
# From which part of its size on the log is full; and from which part of it on the disk what is free is given back.
FULL, FULL_ON_DISK = 0.9, 0.95
# Without a limit of size, or below it, so much may be free: this part, and so many bytes.
FREE, SMALLEST_FREE = 0.25, 4 << 20
# What waits in a -wal for a checkpoint counts up to this part of the size: more of it will go by itself.
WAITING = 1 / 8
# How long a step of the clock has to last until it counts, in seconds.
STEP_SECONDS = 86400.0
# What is no step, but a clock being drawn to the right time, in seconds.
TOLERANCE = 1.0

FIRST = "SELECT seq, time FROM messages WHERE time <= ? ORDER BY seq LIMIT ?"
NUMBERS = "SELECT max(seq) FROM (SELECT seq FROM messages ORDER BY seq LIMIT ?)"
NEWEST_TIME = "SELECT time FROM messages ORDER BY seq DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Slice:
    """What was taken out: all up to a number (0: nothing); and whether there is more to take out."""

    upto: int
    more: bool


class SlowClock:
    """The time of day, that believes a step forward after `STEP_SECONDS` only, and one back at once."""

    def __init__(self, now: Callable[[], float], clock: Callable[[], float], last_known: float) -> None:
        """``now`` is the time of day, ``clock`` only goes forward; ``last_known`` is a time that surely has been."""
        self._now, self._clock = now, clock
        self._offset = min(now(), last_known) - clock()
        self._doubted_since: float | None = None

    def __call__(self) -> float:
        """Seconds since 1970."""
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
    """Takes the oldest messages out of a `Database`."""

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
        """Keep messages for so many seconds, and no more than so many bytes; None sets no limit."""
        self._database = database
        self._now, self._clock = now, clock
        self._seconds, self._size = seconds, size
        self._time: SlowClock | None = None
        self._told = False
        if size is not None:
            database.limit(size)

    def slice(self, committed: int) -> Slice:
        """Take a few messages out, if it is time, after a commit of so many. Raises `sqlite3.Error`."""
        rows = max(SLICE, 2 * committed)
        upto = max(self._too_old(rows), self._too_many(rows))
        if upto:
            self._database.prune(upto)
        return Slice(upto, self._give_back() or upto > 0)

    def _too_old(self, rows: int) -> int:
        """Up to which number messages are too old: the last such one before the first that is not."""
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
        """Give some of what is free back to the file system, if it is too much. Returns whether there was."""
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
