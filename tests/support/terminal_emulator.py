"""Somebody at a terminal, which an emulator shows (pyte)."""

import re
from unicodedata import category, combining, normalize

import pyte
from wcwidth import iter_graphemes, wcwidth

from twisted_chat.protocols.terminal.editor import Terminal, Typed

WORDS = ["Ann", "Anna", "Bob", "#lobby", "/who", "/whois", "Straße"]


def complete(text: str, cursor: int) -> list[str]:
    """The words that begin as the one before the cursor does."""
    word = re.split(r"\s", text[:cursor])[-1].casefold()
    return [known for known in WORDS if word and known.casefold().startswith(word)]


class Window(pyte.HistoryScreen):
    """A terminal's window, with a long memory. Its top rows go when it gets lower than where the cursor stands, as xterm's."""

    def __init__(self, columns: int, rows: int) -> None:
        super().__init__(columns, rows, history=100_000)

    def become(self, columns: int, rows: int) -> None:
        """Get another size. What stands beyond the margin is cut off, and nothing is folded anew."""
        gone = max(0, self.cursor.y - rows + 1)
        kept = [self.buffer[row] for row in range(gone, min(gone + rows, self.lines))]
        self.history.top.extend(self.buffer[row] for row in range(gone))
        self.buffer.clear()
        self.buffer.update(enumerate(kept))
        self.cursor.y -= gone
        self.lines = rows
        self.resize(rows, columns)

    def cells(self, row: int) -> list[str]:
        """A row's cells; the second of a wide character's is empty."""
        return [self.buffer[row][column].data for column in range(self.columns)]


class Person:
    """Somebody at a terminal."""

    def __init__(self, columns: int = 40, rows: int = 12, term: str = "xterm-256color", *, colour: bool = True) -> None:
        self.terminal = Terminal(columns, rows, term, colour, complete)
        self.window = Window(columns, rows)
        self.sent = b""  # all that the terminal was sent
        self._stream = pyte.ByteStream(self.window)
        self.look()

    def look(self) -> bytes:
        """See what there is to be seen now. Returns what the terminal was sent for it."""
        sent = self.terminal.take()
        self.sent += sent
        self._stream.feed(sent)
        return sent

    def type(self, keys: str | bytes) -> list[Typed]:
        """Press keys."""
        typed = list(self.terminal.feed(keys.encode() if isinstance(keys, str) else keys))
        self.look()
        return typed

    def paste(self, text: str) -> list[Typed]:
        """Paste a text, as a terminal does that was asked to tell."""
        return self.type(f"\x1b[200~{text}\x1b[201~")

    def show(self, *lines: str) -> None:
        """Be shown lines."""
        for line in lines:
            self.terminal.show(line.encode())
        self.look()

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size."""
        self.window.become(columns, rows)
        self.terminal.resize(columns, rows)
        self.look()

    @property
    def rows(self) -> list[str]:
        """What the window shows, without blanks at the end."""
        rows = [row.rstrip() for row in self.window.display]
        while len(rows) > self.window.cursor.y + 1 and not rows[-1]:
            rows.pop()
        return rows

    @property
    def all_rows(self) -> list[str]:
        """The same with what has gone out at the top."""
        gone = ["".join(row[column].data for column in range(self.window.columns)) for row in self.window.history.top]
        return [row.rstrip() for row in gone] + self.rows

    @property
    def cursor(self) -> tuple[int, int]:
        """The cursor's row and column."""
        return self.window.cursor.y, self.window.cursor.x


class Expected:
    """The rows one expects to see a line in, as cells, and where the cursor is."""

    def __init__(self, text: str, cursor: int, columns: int) -> None:
        self.rows = [list("> ")]
        self.cursor = (0, 2)
        at = 0
        for line in text.split("\n"):
            if at:
                self.rows.append(list("  "))
            for seen in iter_graphemes(line):
                cells = _cells(seen)
                if len(self.rows[-1]) + len(cells) > columns - 1:
                    self.rows.append(list("  "))
                if at <= cursor:
                    self.cursor = (len(self.rows) - 1, len(self.rows[-1]))
                self.rows[-1] += cells
                at += len(seen)
            if at <= cursor:
                self.cursor = (len(self.rows) - 1, len(self.rows[-1]))
            at += 1
        self.rows = [row + [" "] * (columns - len(row)) for row in self.rows]


def _cells(seen: str) -> list[str]:
    """What the emulator shows for a character as people see it: nothing of it from a joiner or the like on."""
    cells: list[str] = []
    for char in seen:
        if wcwidth(char) > 0:
            cells += [char, ""][: wcwidth(char)]
        elif combining(char):
            base = len(cells) - 1 - (not cells[-1])
            cells[base] = normalize("NFC", cells[base] + char)
        else:
            break
    return cells + [" "] * (sum(map(_columns, seen)) - len(cells))


def _columns(char: str) -> int:
    """How many columns a character takes where most are taken."""
    if char == "\N{VARIATION SELECTOR-16}":
        return 1
    return 0 if category(char) in ("Mn", "Me", "Cf") else max(1, wcwidth(char))
