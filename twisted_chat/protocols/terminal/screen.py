"""The rows in which a line is typed, at the bottom of what a terminal shows.

1. No row is left to the terminal to wrap: each is as long as we say, and ends one column before the margin. So it makes no
   difference how a terminal behaves there, and the cursor has room behind the last character.
2. Only what has changed is written. What is shown above is written where the rows were, and they are drawn again below.
3. After a character that terminals show in different widths, the column is set: they differ in a gap, not in the cursor.
4. Of rows that are too many for the terminal, those up to the cursor's are shown.
5. When the terminal's width has changed, terminals differ: some fold what they show anew. We go up as many rows as one that
   does not: such a one shows nothing twice, others may keep a part of the old rows, and none loses what stands above.
6. A terminal without any sequences shows one row: the one with the cursor. It is written anew from its first column on.
"""

from bisect import bisect_right
from collections.abc import Sequence
from unicodedata import category

from twisted_chat.protocols.terminal.wrapping import measured

PROMPT, INDENT = "> ", "  "


def alike(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginnings."""
    return next(
        (at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right), min(len(one), len(other))
    )


class Rows:
    """A text folded for a terminal, and where the cursor stands in it: its row, its column, and how much is before it."""

    __slots__ = ("before", "column", "row", "texts")

    def __init__(self, text: str, cursor: int, columns: int) -> None:
        self.texts: list[str] = []
        self.row = 0
        self.column = self.before = len(PROMPT)
        room = columns - len(PROMPT) - 1
        for line in text.split("\n"):
            parts, ends = measured(line)
            begin, done = 0, 0
            while True:
                stop = bisect_right(ends, done + room, begin)
                row = "".join(parts[begin:stop])
                last = stop == len(parts)
                if 0 <= cursor < len(row) or (last and cursor == len(row)):
                    self._place(parts, ends, begin, done, cursor)
                cursor -= len(row)
                self.texts.append((INDENT if self.texts else PROMPT) + row)
                if last:
                    break
                begin, done = stop, ends[stop - 1]
            cursor -= 1  # the line feed

    def _place(self, parts: Sequence[str], ends: Sequence[int], begin: int, done: int, cursor: int) -> None:
        self.row = len(self.texts)
        for at in range(begin, len(parts)):
            if cursor < len(parts[at]):
                break
            cursor -= len(parts[at])
            self.before += len(parts[at])
            self.column = len(PROMPT) + ends[at] - done


class Screen:
    """What of the rows a VT100 shows, and where its cursor is."""

    __slots__ = ("_column", "_row", "_shown", "size")

    def __init__(self, columns: int, rows: int) -> None:
        self.size = (columns, rows)
        self._shown: list[str] = []
        self._row = self._column = 0

    def resize(self, columns: int, rows: int) -> str:
        """Take the rows away from a terminal that has this size now. See rule 5."""
        self.size = (columns, rows)
        self._column = -1  # wherever it is
        return self.clear()

    def clear(self) -> str:
        """Take the rows away; the cursor stands where they began."""
        cleared = self._go(0, 0) + ("\x1b[J" if self._shown else "")
        self._shown = []
        return cleared

    def draw(self, rows: Rows) -> str:
        """Show these rows."""
        first = max(0, rows.row + 2 - self.size[1])
        texts = rows.texts[first : first + self.size[1] - 1]
        drawn: list[str] = []
        for row, text in enumerate(texts):
            was = self._shown[row] if row < len(self._shown) else ""
            if text != was or row >= len(self._shown):
                drawn.append(self._rewrite(row, was, text))
        if len(texts) < len(self._shown):
            drawn += [self._go(len(texts), 0), "\x1b[J"]
        self._shown = texts
        drawn.append(self._go(rows.row - first, rows.column))
        return "".join(drawn)

    def _rewrite(self, row: int, was: str, text: str) -> str:
        """Make a row another one."""
        same = alike(was, text) if was.isascii() and text.isascii() else 0
        there = self._go(row, same)
        written, self._column = _anchored(text[same:], same)
        return there + ("\x1b[K" if len(was) > same else "") + written

    def _go(self, row: int, column: int) -> str:
        """Move the cursor. A row below is begun by a line feed: there may be none yet."""
        moved = "\r\n" * (row - self._row)
        if row < self._row:
            moved = f"\x1b[{self._row - row}A"
        if row > self._row:
            self._column = 0
        if column != self._column:
            moved += f"\r\x1b[{column}C" if column else "\r"
        self._row, self._column = row, column
        return moved


def _anchored(text: str, column: int) -> tuple[str, int]:
    """A text that begins in this column, with the column set where terminals may differ, and the column where it ends."""
    if text.isascii():
        return text, column + len(text)
    parts, ends = measured(text)
    anchored = [part + (f"\r\x1b[{column + end}C" if _differs(part) else "") for part, end in zip(parts, ends, strict=True)]
    return "".join(anchored), column + ends[-1]


def _differs(part: str) -> bool:
    """Whether terminals show what people see as one character in different widths: what is joined or marked, and emoji."""
    return len(part) > 1 or category(part) == "So"


class DumbScreen(Screen):
    """The one row that a terminal without any sequences shows."""

    __slots__ = ()

    def clear(self) -> str:
        """Write blanks over the row."""
        cleared = "".join(f"\r{' ' * min(_width(row), self.size[0] - 1)}\r" for row in self._shown)
        self._shown = []
        return cleared

    def draw(self, rows: Rows) -> str:
        """Show the row with the cursor."""
        text, was = rows.texts[rows.row], "".join(self._shown)
        at_end, was_at_end = rows.before == len(text), self._column == _width(was)
        self._shown, column, self._column = [text], self._column, rows.column
        if text == was and column == rows.column:
            return ""
        if at_end and was_at_end and text.startswith(was):
            return text[len(was) :]
        rest = " " * (_width(was) - _width(text))
        return f"\r{text}{rest}" + ("" if at_end and not rest else f"\r{text[: rows.before]}")


def _width(row: str) -> int:
    return max(measured(row)[1], default=0)
