"""Input that a user types, hidden, while the server checks a password: the next try if the server asks again, or else nothing.

Users who see their typing know what they send. So do clients that send lines ahead: see `core.command_table.prompts`.
"""

# The limit of the hidden input, in bytes: the size of a few lines.
MOST = 16 * 1024


class HiddenTyping:
    """The hidden bytes that have arrived on one connection."""

    __slots__ = ("_kept", "skips")

    def __init__(self) -> None:
        self._kept = b""
        self.skips = False  # True while the rest of a line is skipped whose beginning was dropped

    def __bool__(self) -> bool:
        """Return whether any bytes have arrived."""
        return bool(self._kept)

    def keep(self, data: bytes) -> None:
        """Add bytes whose use is not decided yet."""
        self._kept = (self._kept + data)[:MOST]

    def release(self) -> bytes:
        """Remove and return the first line: an answer."""
        line, end, self._kept = self._kept.partition(b"\n")
        return line + end

    def drop(self) -> None:
        """Discard all bytes so far, and further bytes up to the end of their last line."""
        self.skips = not self._kept.endswith(b"\n")
        self._kept = b""

    def passed(self, data: bytes) -> bytes:
        """Return the part of new bytes that follows a dropped line."""
        _, end, data = data.partition(b"\n")
        self.skips = not end
        return data
