"""The line editor for other people's terminals, drawn on an emulator of one (pyte)."""

import re

import pyte

from twisted_chat.protocols.terminal import Terminal, Typed

FAMILY = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
WORDS = ["Ann", "Anna", "Bob", "#lobby", "/who", "/whois", "Straße"]


def complete(text: str, cursor: int) -> list[str]:
    """The words that begin as the one before the cursor does."""
    word = re.split(r"\s", text[:cursor])[-1].casefold()
    return [known for known in WORDS if word and known.casefold().startswith(word)]


class Emulated:
    """A terminal in front of which somebody sits."""

    def __init__(self, columns: int = 40, rows: int = 12, term: str = "xterm-256color", *, colour: bool = True) -> None:
        self.terminal = Terminal(columns, rows, term, colour, complete)
        self.screen = pyte.HistoryScreen(columns, rows, history=100_000)
        self._stream = pyte.ByteStream(self.screen)
        self.sent = b""
        self.write()

    def write(self) -> bytes:
        """Let the terminal have what there is for it."""
        written = self.terminal.take()
        self.sent += written
        self._stream.feed(written)
        return written

    def type(self, keys: str | bytes) -> list[Typed]:
        """Press keys, and look at the screen afterwards."""
        typed = self.terminal.feed(keys.encode() if isinstance(keys, str) else keys)
        self.write()
        return typed

    def show(self, *lines: str) -> None:
        """Have lines shown."""
        for line in lines:
            self.terminal.show(line)
        self.write()

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size. This terminal does not fold anew what it shows."""
        self.screen.resize(rows, columns)
        self.terminal.resize(columns, rows)
        self.write()

    @property
    def rows(self) -> list[str]:
        """What the screen shows, without blanks at the end of rows, up to the cursor's or the last row with something in it."""
        rows = [row.rstrip() for row in self.screen.display]
        while len(rows) > self.screen.cursor.y + 1 and not rows[-1]:
            rows.pop()
        return rows

    @property
    def cursor(self) -> tuple[int, int]:
        """The cursor's row and column."""
        return self.screen.cursor.y, self.screen.cursor.x


def test_what_is_typed_stands_behind_the_prompt() -> None:
    """One sees what one types, and the cursor behind it."""
    person = Emulated()
    assert person.rows == [">"]
    person.type("hello 日本")
    assert person.rows == ["> hello 日本"]
    assert person.cursor == (0, 12)


def test_messages_are_shown_above_the_line() -> None:
    """The line and the cursor are as they were, one row lower."""
    person = Emulated()
    person.type("a line\x1b[D\x1b[D")
    person.show("[12:01] <Ann> hi", "[12:02] <Bob> ho")
    assert person.rows == ["[12:01] <Ann> hi", "[12:02] <Bob> ho", "> a line"]
    assert person.cursor == (2, 6)
