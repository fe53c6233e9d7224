"""A program in a pseudo-terminal, and what a person sees on its screen."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence

import pyte
from daemons import PATIENCE

COLUMNS, LINES = 110, 40


class Screen:
    """A program that somebody sits at."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._end, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        terminal = {"TERM": "linux", "LANG": "C.UTF-8"}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env={**environment, **terminal}, start_new_session=True
        )
        os.close(theirs)

    def type(self, line: str) -> None:
        """Type a line, and Enter."""
        os.write(self._end, f"{line}\r".encode())

    def shows(self, text: str, times: int = 1) -> None:
        """Wait until a text stands on the screen so many times."""
        deadline = time.monotonic() + PATIENCE
        while self.text.count(text) < times:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} is not shown, but:\n{self.text}"
            if select.select([self._end], [], [], left)[0]:
                self._stream.feed(os.read(self._end, 65536))

    @property
    def text(self) -> str:
        """The lines of the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display)

    def close(self) -> None:
        """Leave it."""
        self.process.kill()
        self.process.wait()
        os.close(self._end)
