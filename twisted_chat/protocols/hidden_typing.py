"""What somebody types, unseen, while their password is looked at: an answer, if it is asked for again, or else nothing.

People who see what they type know what they send. So do clients that send lines ahead: see `core.command_table.prompts`.
"""

# How much of it is kept, in bytes: as much as some lines.
MOST = 16 * 1024


class HiddenTyping:
    """The bytes of one connection that have come meanwhile."""

    __slots__ = ("_kept", "skips")

    def __init__(self) -> None:
        self._kept = b""
        self.skips = False  # up to the end of the line: its beginning was dropped

    def __bool__(self) -> bool:
        """Return whether anything has come."""
        return bool(self._kept)

    def keep(self, data: bytes) -> None:
        """Keep bytes until it is known what they are."""
        self._kept = (self._kept + data)[:MOST]

    def release(self) -> bytes:
        """Return the first line of what has come: an answer."""
        line, end, self._kept = self._kept.partition(b"\n")
        return line + end

    def drop(self) -> None:
        """Forget what has come, and what will up to the end of its last line."""
        self.skips = not self._kept.endswith(b"\n")
        self._kept = b""

    def passed(self, data: bytes) -> bytes:
        """Return what of new bytes does not belong to a line that was dropped."""
        _, end, data = data.partition(b"\n")
        self.skips = not end
        return data
