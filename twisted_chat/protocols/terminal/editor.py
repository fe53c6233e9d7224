"""A line editor for a user's remote terminal: input bytes in, entered lines and terminal output out.

1. The editor knows no sockets or clocks. `take` returns all output of one turn at once.
2. Incoming messages appear above the current line and never disturb it.
3. The output consists of text, `CR LF`, the bell, and our own sequences for moving, erasing and colours.
4. An entered line is removed from the screen: its result appears in the same way as other users' messages.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from twisted_chat.core.events import Remark
from twisted_chat.protocols.terminal.buffer import LONGEST, Line
from twisted_chat.protocols.terminal.keys import KeyReader, Pasted
from twisted_chat.protocols.terminal.rendering import PLAIN
from twisted_chat.protocols.terminal.screen import DumbScreen, Rows, Screen, alike
from twisted_chat.protocols.terminal.wrapping import LEAST

# The fewest rows of a terminal: one for the line, one for the output.
FEWEST_ROWS = 2
# The most columns or rows of a terminal; larger sizes are reduced to this.
MOST = 500
# The limit of completions that are shown.
SHOWN_MOST = 60
# The size of the cache of prepared output: a batch is the same for all terminals of one kind.
BATCHES = 16

# The names of terminals without sequences, without colours, and with eight colours.
_DUMB = re.compile(r"(dumb|unknown|network|glasstty|tty\d*|)\Z")
_COLOURLESS = re.compile(r"vt\d|.*-m(ono)?\Z")
_EIGHT = re.compile(r"(linux|cygwin|xterm|screen|ansi|xterm-color|rxvt)\Z")

_BEGIN = "\x1b[?2004h"  # turns on bracketed paste
_END = "\x1b[?2004l"
_WIPE = "\x1b[H\x1b[2J"
# The warning that replaces sending a truncated message.
_CUT_OFF = f"Not all of that had room: a line has {LONGEST} characters. Enter once more sends what there is."
# Control characters, which are removed from the output, and the sequences for colours and bold. Line feeds and the bell stay.
_SPECIAL = re.compile(r"\x1b\[(?P<colour>[01]|[39][0-7])m|[\x00-\x06\x08\x09\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Entered:
    """An entered line. A pasted one may contain line feeds."""

    text: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Control-C, which discards the line."""


@dataclass(frozen=True, slots=True)
class EndOfInput:
    """Control-D on an empty line."""


Typed: TypeAlias = Entered | Interrupted | EndOfInput


def colours(term: str) -> int:
    """Return the number of colours of a terminal with this name: 0, 8, or 16 for 16 and more."""
    if _DUMB.match(term) or _COLOURLESS.match(term):
        return 0
    return 8 if _EIGHT.match(term) else 16


class Terminal:
    """One person's terminal."""

    __slots__ = (
        "_above",
        "_changed",
        "_colours",
        "_complete",
        "_ended",
        "_keys",
        "_line",
        "_rows",
        "_rung",
        "_screen",
        "_secret",
        "_sequences",
        "_size",
    )

    def __init__(self, width: int, height: int, term: str, colour: bool, complete: Callable[[str, int], list[str]]) -> None:
        """Set the size in columns and rows, and the terminal's name, ``term``.

        ``colour`` is false if the user wants no colours. ``complete`` takes the line and the cursor's place in it, and
        returns the completions of the word before the cursor.
        """
        self._sequences = not _DUMB.match(term)
        self._colours = colours(term) if colour else 0
        self._complete = complete
        self._size = _size(width, height)
        self._screen = (Screen if self._sequences else DumbScreen)(*self._size)
        self._keys = KeyReader()
        self._line = Line()
        self._rows = Rows("", 0, self._size[0])
        self._changed = False  # True if the line has changed since its last layout
        self._secret = False
        self._rung = False  # True once the bell has rung for a full line
        self._ended = False
        self._above = [_BEGIN] if self._sequences else []  # the output to write before the line is drawn

    def feed(self, data: bytes) -> Iterator[Typed]:
        """Process input from the terminal, and yield each entered line.

        The caller's response to a line, such as hiding the next one, applies to the keys behind it. The caller must exhaust
        the iterator.
        """
        for key in self._keys.read(data):
            self._changed = True
            if isinstance(key, Pasted) or (key >= " " and key != "\x7f"):
                self._line.insert(key)
            elif key in ("\r", "\n") and self._line.full:
                self._line.full = False
                self._tell(_CUT_OFF)
            elif key in ("\r", "\n"):
                yield Entered(self._entered())
            elif key == "\x03":
                self._line.take(remember=False)
                yield Interrupted()
            elif key == "\x04" and not self._line.text:
                yield EndOfInput()
            elif key == "\t":
                self._complete_word()
            elif key == "\x0c":
                self._wipe()
            else:
                self._line.press(key)

    def show(self, text: bytes) -> None:
        """Show lines above the current line. They are already sanitized, and may contain colours (SGR)."""
        self._above.append(_shown(text, self._colours))

    def hide(self, secret: bool) -> None:
        """Hide typing and record no history while ``secret`` is true."""
        if secret != self._secret:
            self._secret = secret
            self._line.forget()
            self._changed = True

    def resize(self, width: int, height: int) -> None:
        """Adapt to a new size in columns and rows."""
        if _size(width, height) != self._size:
            self._size = _size(width, height)
            self._above.insert(0, self._screen.resize(*self._size))
            self._changed = True

    def close(self) -> None:
        """Restore the terminal's state, below the output."""
        if not self._ended and self._sequences:
            self._above.append(_END)
        self._ended = True

    def take(self) -> bytes:
        """Return the bytes to write to the terminal now. They are empty if nothing has changed."""
        above, self._above = "".join(self._above), []
        if above or self._ended:
            above = self._screen.clear() + above
        if self._ended:
            return above.encode()
        if self._changed:
            line = Line() if self._secret else self._line
            self._rows = Rows(line.text, line.cursor, self._size[0])
            self._changed = False
        if self._line.full and not self._rung:
            above += "\a"
        self._rung = self._line.full
        return (above + self._screen.draw(self._rows)).encode()

    def _entered(self) -> str:
        if not self._secret:
            return self._line.take(remember=True)
        secret = self._line.text
        self._line.forget()
        return secret

    def _wipe(self) -> None:
        """Clear the terminal and start again at its top."""
        if self._sequences:
            self._above.append(_WIPE)

    def _complete_word(self) -> None:
        """Complete the word before the cursor, or show its possible completions."""
        line = self._line
        before = line.text[: line.cursor]
        begin = max(before.rfind(" "), before.rfind("\n")) + 1
        found = [] if self._secret else self._complete(line.text, line.cursor)
        if len(found) == 1:
            line.replace(begin, found[0] + ("" if line.text[line.cursor :].startswith(" ") else " "))
        elif found:
            folded = [word.casefold() for word in found]
            common = alike(min(folded), max(folded))
            longer = found[0][:common]
            if longer.casefold() == folded[0][:common] and common > line.cursor - begin:
                line.replace(begin, longer)
            else:
                self._show_ways(found)

    def _show_ways(self, found: list[str]) -> None:
        more = f"  and {len(found) - SHOWN_MOST} more" if len(found) > SHOWN_MOST else ""
        self._tell("  ".join(found[:SHOWN_MOST]) + more)

    def _tell(self, text: str) -> None:
        """Show a line of the editor in the style of the server's private replies."""
        self.show(PLAIN.at_width(self._size[0]).render([Remark(text)]))


@lru_cache(maxsize=BATCHES)
def _shown(text: bytes, colours: int) -> str:
    """Return lines as a terminal with so many colours shows them."""

    def styled(found: re.Match[str]) -> str:
        """Return the sequence for a colour on such a terminal, or nothing."""
        colour = found["colour"]
        if colour is None or not colours:
            return ""
        return f"\x1b[3{colour[1]}m" if colours == 8 and colour[0] == "9" else found[0]

    return _SPECIAL.sub(styled, text.decode()).removesuffix("\n").replace("\n", "\r\n") + "\r\n"


def _size(width: int, height: int) -> tuple[int, int]:
    return max(LEAST, min(width, MOST)), max(FEWEST_ROWS, min(height, MOST))
