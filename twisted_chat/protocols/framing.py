"""Lines out of bytes, sans-I/O: what `LineReceiver` does, but in linear time and with two limits.

1. A line ends in LF; one CR before it belongs to the end. A CR elsewhere is not an end.
2. A line longer than ``longest`` comes out as `TooLong`; its rest is passed over, and the next line is whole again.
3. More than ``most`` bytes without an LF raise `NoLineEnd`: whoever sends that does not speak lines.
4. However the bytes are cut, the same lines come out.
5. A byte order mark at the very beginning is passed over: some systems' pipes send one.
"""

from typing import Protocol

from twisted_chat.core.errors import BadText

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Lines are cut off so many bytes at once. More of them gain nothing, and short lines take ten times their bytes of memory.
AT_ONCE = 4096
NO_LINES: list[bytes] = []


class TooLong(BadText):
    """A line longer than allowed. The line is lost, the connection is kept."""


class NoLineEnd(Exception):
    """Far more bytes than any line has, and no end of line among them. ``str(error)`` says so."""


class Splitter(Protocol):
    """Takes bytes as they come, gives lines as they are asked for."""

    last: int  # how many bytes the last line had, with all that stood round it

    def __len__(self) -> int:
        """How many bytes wait."""

    def feed(self, data: bytes) -> None:
        """Add bytes."""

    def next(self) -> bytes | None:
        """The next line without its end, or None if there is no whole line. Raises `TooLong` or `NoLineEnd`."""

    def rest(self) -> bytes | None:
        """What follows the last line end, taken out; None if nothing does. Raises `TooLong`."""


class LineSplitter:
    """Lines that end in LF."""

    __slots__ = ("_begun", "_buffer", "_lines", "_longest", "_most", "_scanned", "last")

    def __init__(self, longest: int, most: int) -> None:
        """``longest`` and ``most`` are in bytes."""
        self._longest = longest
        self._most = most
        self._buffer = bytearray()
        self._scanned = 0  # no LF in the buffer before this
        self._lines = NO_LINES  # that were cut off already, with their CRs, the next one last
        self._begun = False
        self.last = 0  # how many bytes the last line had, with its end

    def __len__(self) -> int:
        """How many bytes wait."""
        return len(self._buffer) + sum(map(len, self._lines)) + len(self._lines)

    def feed(self, data: bytes) -> None:
        """Add bytes."""
        self._buffer += data

    def next(self) -> bytes | None:
        """The next line without its end, or None if there is no whole line. Raises `TooLong` or `NoLineEnd`."""
        if not self._lines and not self._cut():
            return None
        line = self._lines.pop()
        size = len(line)
        if size > self._most:
            raise self._no_end()
        self.last = size + 1
        return self._checked(line.removesuffix(b"\r"))

    def rest(self) -> bytes | None:
        """What follows the last line end, taken out; None if nothing does. Raises `TooLong`."""
        line = bytes(self._buffer)
        self._buffer.clear()
        return self._checked(line) if line else None

    def _cut(self) -> bool:
        """Cut off the next lines, if a whole one is there."""
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
