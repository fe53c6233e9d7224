"""The rows of the current input line, at the bottom of a terminal.

1. The terminal never wraps a row: the server sets each row's length, and each ends one column before the margin. Terminals'
   different behaviour there does not matter, and the cursor has room behind the last character.
2. Only changes are written. Output for the lines above is written in place of the rows, which are then drawn again below.
3. The column is set after each character whose width differs between terminals: they differ in a gap, not in the cursor.
4. If there are too many rows for the terminal, those up to the cursor's row are shown.
5. Some terminals fold their content again when their width changes. The cursor goes up as many rows as on a terminal that
   does not: such a terminal shows nothing twice, others may keep a part of the old rows, and none loses the lines above.
6. A terminal without sequences shows only the row with the cursor. It is written again from its first column.
"""

from bisect import bisect_right
from collections.abc import Sequence
from unicodedata import category

from twisted_chat.protocols.terminal.wrapping import measured

PROMPT, INDENT = "> ", "  "


def alike(one: str, other: str) -> int:
    """Return the length of the common beginning of two texts."""
    return next(
        (at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right), min(len(one), len(other))
    )


class Rows:
    """A text folded for a terminal, with the cursor's row and column, and the number of characters before it in its row."""

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
    """The rows that a VT100 shows, and the place of its cursor."""

    __slots__ = ("_column", "_row", "_shown", "size")

    def __init__(self, columns: int, rows: int) -> None:
        self.size = (columns, rows)
        self._shown: list[str] = []
        self._row = self._column = 0

    def resize(self, columns: int, rows: int) -> str:
        """Set a new size, and return the output that removes the rows. See rule 5."""
        self.size = (columns, rows)
        self._column = -1  # unknown
        return self.clear()

    def clear(self) -> str:
        """Return the output that removes the rows and moves the cursor to their beginning."""
        cleared = self._go(0, 0) + ("\x1b[J" if self._shown else "")
        self._shown = []
        return cleared

    def draw(self, rows: Rows) -> str:
        """Return the output that shows these rows."""
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
        """Return the output that changes a row's text."""
        same = alike(was, text) if was.isascii() and text.isascii() else 0
        there = self._go(row, same)
        written, self._column = _anchored(text[same:], same)
        return there + ("\x1b[K" if len(was) > same else "") + written

    def _go(self, row: int, column: int) -> str:
        """Return the output that moves the cursor. Line feeds move it down, as the row below may not exist yet."""
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
    """Return a text for this column, which sets the column wherever terminals may differ, and the column where it ends."""
    if text.isascii():
        return text, column + len(text)
    parts, ends = measured(text)
    anchored = [part + (f"\r\x1b[{column + end}C" if _differs(part) else "") for part, end in zip(parts, ends, strict=True)]
    return "".join(anchored), column + ends[-1]


def _differs(part: str) -> bool:
    """Return whether a visible character's width differs between terminals: joined or marked characters, and emoji."""
    return len(part) > 1 or category(part) == "So"


class DumbScreen(Screen):
    """The only row of a terminal without sequences."""

    __slots__ = ()

    def clear(self) -> str:
        """Return the output that overwrites the row with blanks."""
        cleared = "".join(f"\r{' ' * min(_width(row), self.size[0] - 1)}\r" for row in self._shown)
        self._shown = []
        return cleared

    def draw(self, rows: Rows) -> str:
        """Return the output that shows the row with the cursor."""
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
