"""The daemon's own log. A thread writes it, so that a slow or full disk, or an unread pipe, does not block the reactor.

1. twistd's options keep their meaning: ``--logfile``, with its rotation and SIGUSR1, and ``-n`` for standard output.
   ``--logger`` and ``--syslog`` take precedence over this module.
2. The queue is bounded. Records beyond the bound, and records that cannot be written, are dropped and counted. The count is
   logged as soon as writing works again.
3. A record is one line; its further lines are indented. Terminal control characters are escaped.
4. Only the owner can read a log file, whatever the umask is: see `PrivateLogFile`.
5. A repeated complaint is written a few times a minute, then only counted.
"""

import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from time import monotonic, time
from typing import Any, Protocol

from twisted.logger import ILogObserver, LogLevel, formatEventAsClassicLogText, formatTime
from twisted.python.logfile import LogFile
from zope.interface import implementer

from twisted_chat import private_files

# The most records that may wait, and the longest record, in characters: a few MiB at most of usual records.
MOST_WAITING, LONGEST = 5000, 8192
# The most repeats of a complaint in so many seconds, and the most complaints that are distinguished.
REPEATS, REPEAT_SECONDS, COMPLAINTS = 10, 60.0, 200
# The longest wait for the last records at the end of the process, in seconds.
LAST_SECONDS = 1.0


class File(Protocol):
    """The destination of a log."""

    def write(self, data: bytes) -> object:
        """Write all data. May block, and may raise any exception."""

    def rotate(self) -> None:
        """Begin a new file, if the log is a file."""


class StandardOutput:
    """A descriptor, written to without Python's buffers: the interpreter would wait for these at its end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Write all data."""
        while data:
            data = data[os.write(self._descriptor, data) :]

    def rotate(self) -> None:
        """Do nothing: this is not a file."""


class PrivateLogFile(LogFile):
    """A log file that only its owner may read, with its rotated files: they contain names and addresses."""

    def _openFile(self) -> None:
        """Called by LogFile at the start and after each rotation."""
        path = Path(self.path).resolve()
        with suppress(FileExistsError):
            private_files.make(path)
        for one in (path, *(Path(f"{self.path}.{number}") for number in self.listLogs())):
            with suppress(OSError):  # it belongs to another user
                private_files.restrict(one)
        self.defaultMode = None  # otherwise LogFile restores the file's old mode
        super()._openFile()


@implementer(ILogObserver)
class LogWriter:
    """A log observer. It writes at once until `start`, because threads do not survive the fork into a daemon."""

    def __init__(self, open_file: Callable[[], File], clock: Callable[[], float] = monotonic) -> None:
        """``open_file`` opens the log: now, where its errors are raised, and again after a failure."""
        self._open = open_file
        self._file: File | None = open_file()
        self._clock = clock
        self._queue: SimpleQueue[Callable[[], object]] = SimpleQueue()  # may be used in a signal handler
        self._started = False
        self._end: float | None = None
        self._refused = self._failed = self._told = 0  # records: refused by the queue, failed by the file, reported
        self._why = ""
        self._complaints: dict[str, int] = {}
        self._minute = clock()

    def __call__(self, event: dict[str, Any]) -> None:
        """Called by Twisted for each event, on any thread."""
        text = formatEventAsClassicLogText(event, formatTime)
        if text and (not is_complaint(event) or self._is_news(text)):
            self._put(text)

    def start(self, reactor: Any) -> None:
        """Start writing in a thread."""
        self._started = True
        Thread(target=self._run, name="log", daemon=True).start()
        reactor.addSystemEventTrigger("after", "shutdown", self.finish)

    def finish(self) -> None:
        """Wait for each further record to be written, `LAST_SECONDS` in all: the process may end after any of them."""
        self._end = self._clock() + LAST_SECONDS
        self._sum_up()

    def rotate(self) -> None:
        """Begin a new file, if the log is a file."""
        self._queue.put(self._rotate)

    def _put(self, text: str) -> None:
        data = escaped(text if len(text) <= LONGEST else f"{text[:LONGEST]}...\n").encode()
        if not self._started:
            self._write(data)
        elif self._queue.qsize() >= MOST_WAITING:
            self._refused += 1
        else:
            self._queue.put(lambda: self._write(data))
        if self._end is not None:
            written = Event()
            self._queue.put(written.set)
            written.wait(max(0.0, self._end - self._clock()))

    def _is_news(self, text: str) -> bool:
        """Return whether a complaint is still below the limit in this minute."""
        if self._clock() - self._minute >= REPEAT_SECONDS or len(self._complaints) >= COMPLAINTS:
            self._sum_up()
        _, _, complaint = text.partition(" ")
        complaint = re.sub("[0-9]+", "#", complaint)  # complaints that differ only in ports and ids are the same
        self._complaints[complaint] = self._complaints.get(complaint, 0) + 1
        return self._complaints[complaint] <= REPEATS

    def _sum_up(self) -> None:
        complaints, self._complaints, self._minute = self._complaints, {}, self._clock()
        for complaint, times in complaints.items():
            if times > REPEATS:
                self._put(note(f"{times - REPEATS} times more: {complaint.splitlines()[0]}"))

    def _run(self) -> None:
        while True:
            self._queue.get()()

    def _rotate(self) -> None:
        try:
            if self._file is not None:
                self._file.rotate()
        except Exception:
            self._file = None  # the next record opens the file again and reports the fault

    def _write(self, data: bytes) -> None:
        lost = self._refused + self._failed - self._told
        try:
            if self._file is None:
                self._file = self._open()
            if lost:
                cut_off = "\n" if self._why else ""  # a full disk may have cut a record
                told = note(f"{lost} records are missing here: {self._why or 'too many at once'}")
                self._file.write(f"{cut_off}{told}".encode())
                self._told += lost
                self._why = ""
            self._file.write(data)
        except Exception as error:
            self._failed += 1
            self._why = str(error)
            if not isinstance(error, OSError):
                self._file = None  # a failed rotation leaves the file closed


def escaped(text: str) -> str:
    """Return a text with all terminal control characters escaped, except line ends and tabs."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode() for one in text)


def is_complaint(event: Mapping[str, Any]) -> bool:
    """Return whether repeats of an event are limited: events of other packages, and our warnings."""
    return event.get("log_level", LogLevel.info) >= LogLevel.warn or not event.get("log_namespace", "").startswith(
        "twisted_chat"
    )


def note(text: str) -> str:
    """Return a log record about the log itself."""
    return f"{formatTime(time())} [{__name__}#warn] {text}\n"


def writer_for(options: Any) -> LogWriter | None:
    """Return a writer for twistd's options, or None if Twisted's own logging must be used. Raise `OSError`."""
    if options is None or "nodaemon" not in options or options.get("syslog") or options.get("logger"):
        return None
    path, foreground = options.get("logfile"), options["nodaemon"] or options["debug"]
    if foreground and path in (None, "", "-"):
        descriptor = sys.stdout.fileno()
        return LogWriter(lambda: StandardOutput(descriptor))
    if path == "-":
        return None  # twistd refuses it
    path = os.path.abspath(path or "twistd.log")  # noqa: PTH100 (it does not follow links)
    writer = LogWriter(lambda: PrivateLogFile.fromFullPath(path))
    if not signal.getsignal(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, lambda *_: writer.rotate())
    return writer
