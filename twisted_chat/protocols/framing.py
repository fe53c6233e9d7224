"""Line framing, sans-I/O: like `LineReceiver`, but in linear time and with two limits.

1. A line ends in LF; one CR before it belongs to the end. A CR elsewhere is not an end.
2. A line longer than ``longest`` raises `TooLong`. Its rest is skipped, and the next line is whole again.
3. More than ``most`` bytes without an LF raise `NoLineEnd`: such a client does not speak lines.
4. The lines do not depend on how the bytes are cut.
5. A byte order mark at the very beginning is skipped: some systems' pipes send one.
"""

from typing import Protocol

from twisted_chat.core.errors import BadText

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# The number of bytes that are split into lines at once. More would gain nothing, and short lines take ten times their size.
AT_ONCE = 4096
NO_LINES: list[bytes] = []


class TooLong(BadText):
    """A line above the limit. The line is lost; the connection stays open."""


class NoLineEnd(Exception):
    """Input far above the longest line, without a line end. ``str(error)`` is the message for the client."""


class Splitter(Protocol):
    """The interface of a splitter: bytes in, lines out on request."""

    last: int  # the size of the last line in bytes, with its framing

    def __len__(self) -> int:
        """Return the number of waiting bytes."""

    def feed(self, data: bytes) -> None:
        """Add bytes."""

    def next(self) -> bytes | None:
        """Return the next line without its end, or None if there is no whole line. Raise `TooLong` or `NoLineEnd`."""

    def rest(self) -> bytes | None:
        """Remove and return the text after the last line end, or None if there is none. Raise `TooLong`."""


class LineSplitter:
    """A splitter for lines that end in LF."""

    __slots__ = ("_begun", "_buffer", "_lines", "_longest", "_most", "_scanned", "last")

    def __init__(self, longest: int, most: int) -> None:
        """Set the limits, in bytes."""
        self._longest = longest
        self._most = most
        self._buffer = bytearray()
        self._scanned = 0  # the position in the buffer before which there is no LF
        self._lines = NO_LINES  # the lines already split off, with their CRs, the next one last
        self._begun = False
        self.last = 0  # the size of the last line in bytes, with its end

    def __len__(self) -> int:
        """Return the number of waiting bytes."""
        return len(self._buffer) + sum(map(len, self._lines)) + len(self._lines)

    def feed(self, data: bytes) -> None:
        """Add bytes."""
        self._buffer += data

    def next(self) -> bytes | None:
        """Return the next line without its end, or None if there is no whole line. Raise `TooLong` or `NoLineEnd`."""
        if not self._lines and not self._cut():
            return None
        line = self._lines.pop()
        size = len(line)
        if size > self._most:
            raise self._no_end()
        self.last = size + 1
        return self._checked(line.removesuffix(b"\r"))

    def rest(self) -> bytes | None:
        """Remove and return the text after the last line end, or None if there is none. Raise `TooLong`."""
        line = bytes(self._buffer)
        self._buffer.clear()
        return self._checked(line) if line else None

    def _cut(self) -> bool:
        """Split off the next lines. Return False if there is no whole one."""
        first = self._buffer.find(b"\n", self._scanned)
        if first < 0:
            self._scanned = len(self._buffer)
            if self._scanned > self._most:
                raise self._no_end()
            return False
        last = max(first, self._buffer.rfind(b"\n", first, AT_ONCE))
        self._lines = bytes(self._buffer[:last]).split(b"\n")
        self._lines.reverse()
        del self._buffer[: last + 1]
        self._scanned = 0
        return True

    def _no_end(self) -> NoLineEnd:
        return NoLineEnd(f"A line has at most {self._longest} bytes. Goodbye.")

    def _checked(self, line: bytes) -> bytes:
        if not self._begun:
            self._begun = True
            line = line.removeprefix(BYTE_ORDER_MARK)
        if len(line) > self._longest:
            raise TooLong(f"That line is too long: {len(line)} bytes, {self._longest} are allowed.")
        return line
