"""The daemon's own log: a thread writes it, so that a disk that is slow or full, or a pipe nobody reads, holds up nobody.

1. twistd's options count as ever: ``--logfile``, with its rotation and SIGUSR1, and ``-n`` to standard output;
   ``--logger`` and ``--syslog`` go before what is here.
2. What waits is bounded. What comes on top is dropped and counted, and so is what can't be written; how much that was
   is written as soon as something can be.
3. A record is one line, and any further lines of it are indented. What could control a terminal is escaped.
4. A file of ours belongs to its owner alone, whatever the umask: see `PrivateLogFile`.
5. The same complaint over and over is written a few times a minute, then counted.
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

# How many records may wait, and how long one may be, in characters: a few MiB at most of what is usual.
MOST_WAITING, LONGEST = 5000, 8192
# How often the same complaint is written in so many seconds, and how many different ones are told apart.
REPEATS, REPEAT_SECONDS, COMPLAINTS = 10, 60.0, 200
# How long the end of the process waits for the last records, in seconds.
LAST_SECONDS = 1.0


class File(Protocol):
    """What a log is written to."""

    def write(self, data: bytes) -> object:
        """Write all of it. May block, and raise anything."""

    def rotate(self) -> None:
        """Begin a new file, if it is one."""


class StandardOutput:
    """A descriptor, written to without Python's buffers: at the end the interpreter would wait for these."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> None:
        """Write all of it."""
        while data:
            data = data[os.write(self._descriptor, data) :]

    def rotate(self) -> None:
        """It is no file."""


class PrivateLogFile(LogFile):
    """A file that nobody but its owner may read, and those that it was rotated to: they name people and their addresses."""

    def _openFile(self) -> None:
        """Called by LogFile at first, and after each rotation."""
        path = Path(self.path).resolve()
        with suppress(FileExistsError):
            private_files.make(path)
        for one in (path, *(Path(f"{self.path}.{number}") for number in self.listLogs())):
            with suppress(OSError):  # it belongs to somebody else
                private_files.restrict(one)
        self.defaultMode = None  # else LogFile gives it the mode that it had
        super()._openFile()


@implementer(ILogObserver)
class LogWriter:
    """A log observer. Until `start` it writes at once, as no thread survives becoming a daemon."""

    def __init__(self, open_file: Callable[[], File], clock: Callable[[], float] = monotonic) -> None:
        """``open_file`` opens what is written to, at once, and again when it has broken. Raises what that raises."""
        self._open = open_file
        self._file: File | None = open_file()
        self._clock = clock
        self._queue: SimpleQueue[Callable[[], object]] = SimpleQueue()  # may be used in a signal handler
        self._started = False
        self._end: float | None = None
        self._refused = self._failed = self._told = 0  # records: refused by the queue, failed by the file, told of
        self._why = ""
        self._complaints: dict[str, int] = {}
        self._minute = clock()

    def __call__(self, event: dict[str, Any]) -> None:
        """Called by Twisted for each event, on any thread."""
        text = formatEventAsClassicLogText(event, formatTime)
        if text and (not is_complaint(event) or self._is_news(text)):
            self._put(text)

    def start(self, reactor: Any) -> None:
        """Write in a thread from now on."""
        self._started = True
        Thread(target=self._run, name="log", daemon=True).start()
        reactor.addSystemEventTrigger("after", "shutdown", self.finish)

    def finish(self) -> None:
        """From now on wait until records are written, `LAST_SECONDS` in all: the process may end after any of them."""
        self._end = self._clock() + LAST_SECONDS
        self._sum_up()

    def rotate(self) -> None:
        """Begin a new file, if it is one."""
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
        """Whether a complaint has not come too often in this minute."""
        if self._clock() - self._minute >= REPEAT_SECONDS or len(self._complaints) >= COMPLAINTS:
            self._sum_up()
        _, _, complaint = text.partition(" ")
        complaint = re.sub("[0-9]+", "#", complaint)  # ports and ids make none of them another one
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
            self._file = None  # what failed shows again when the next record opens it

    def _write(self, data: bytes) -> None:
        lost = self._refused + self._failed - self._told
        try:
            if self._file is None:
                self._file = self._open()
            if lost:
                cut_off = "\n" if self._why else ""  # a full disk may have taken a part of a record
                told = note(f"{lost} records are missing here: {self._why or 'too many at once'}")
                self._file.write(f"{cut_off}{told}".encode())
                self._told += lost
                self._why = ""
            self._file.write(data)
        except Exception as error:
            self._failed += 1
            self._why = str(error)
            if not isinstance(error, OSError):
                self._file = None  # a rotation that failed leaves it closed


def escaped(text: str) -> str:
    """A text without anything that could control a terminal, but for line ends and tabs."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode() for one in text)


def is_complaint(event: Mapping[str, Any]) -> bool:
    """Whether an event is one that is not written over and over: what others log, and our warnings."""
    return event.get("log_level", LogLevel.info) >= LogLevel.warn or not event.get("log_namespace", "").startswith(
        "twisted_chat"
    )


def note(text: str) -> str:
    """A record of the log about itself."""
    return f"{formatTime(time())} [{__name__}#warn] {text}\n"


def writer_for(options: Any) -> LogWriter | None:
    """A writer as twistd's options want the log, or None where Twisted's own way has to do. Raises `OSError`."""
    if options is None or "nodaemon" not in options or options.get("syslog") or options.get("logger"):
        return None
    path, foreground = options.get("logfile"), options["nodaemon"] or options["debug"]
    if foreground and path in (None, "", "-"):
        descriptor = sys.stdout.fileno()
        return LogWriter(lambda: StandardOutput(descriptor))
    if path == "-":
        return None  # twistd refuses it
    path = os.path.abspath(path or "twistd.log")  # noqa: PTH100 (does not follow links)
    writer = LogWriter(lambda: PrivateLogFile.fromFullPath(path))
    if not signal.getsignal(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, lambda *_: writer.rotate())
    return writer
