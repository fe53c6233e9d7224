"""A line editor for somebody at a terminal that is not ours: bytes in, lines out; and what to write to the terminal.

1. Nothing here knows of sockets or clocks. What is shown and typed in one turn is written at once, by `take`.
2. What incoming messages find on the screen, they leave: they are shown above the line that is being typed.
3. Nothing is written but text, `CR LF`, the bell, and sequences of our own: to move, to erase, for colours.
4. A line that was entered is taken off the screen: what becomes of it is shown like what everybody else says.
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

# A terminal has at least so many rows: one for the line, one for what is shown.
FEWEST_ROWS = 2
# What claims to have more columns or rows has so many.
MOST = 500
# How many ways to complete a word are shown.
SHOWN_MOST = 60
# So much of what was shown is still there as it was made ready: a batch is the same for all terminals of one kind.
BATCHES = 16

# What terminals call themselves that know no sequences, know no colours, or know eight.
_DUMB = re.compile(r"(dumb|unknown|network|glasstty|tty\d*|)\Z")
_COLOURLESS = re.compile(r"vt\d|.*-m(ono)?\Z")
_EIGHT = re.compile(r"(linux|cygwin|xterm|screen|ansi|xterm-color|rxvt)\Z")

_BEGIN = "\x1b[?2004h"  # what is pasted comes between marks
_END = "\x1b[?2004l"
_WIPE = "\x1b[H\x1b[2J"
# Instead of half a message that nobody meant to send.
_CUT_OFF = f"Not all of that had room: a line has {LONGEST} characters. Enter once more sends what there is."
# What has no place in what is shown, but for colours, bold, and line feeds; the bell has one.
_SPECIAL = re.compile(r"\x1b\[(?P<colour>[01]|[39][0-7])m|[\x00-\x06\x08\x09\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Entered:
    """A line was entered. A pasted one may have line feeds in it."""

    text: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Control-C: the line was given up."""


@dataclass(frozen=True, slots=True)
class EndOfInput:
    """Control-D on an empty line."""


Typed: TypeAlias = Entered | Interrupted | EndOfInput


def colours(term: str) -> int:
    """How many colours a terminal has that calls itself so: 0, 8, or 16 and more."""
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
        """A terminal of so many columns and rows, that calls itself ``term``.

        ``colour`` is false for those who want none. ``complete`` is given the line and where the cursor stands in it, and
        returns what the word before the cursor may become.
        """
        self._sequences = not _DUMB.match(term)
        self._colours = colours(term) if colour else 0
        self._complete = complete
        self._size = _size(width, height)
        self._screen = (Screen if self._sequences else DumbScreen)(*self._size)
        self._keys = KeyReader()
        self._line = Line()
        self._rows = Rows("", 0, self._size[0])
        self._changed = False  # the line is not as it was laid out
        self._secret = False
        self._rung = False  # the bell, for a line that is full
        self._ended = False
        self._above = [_BEGIN] if self._sequences else []  # what is to be written before the line is drawn

    def feed(self, data: bytes) -> Iterator[Typed]:
        """Take what has come from the terminal, and give out what was entered, one by one: what the caller does about a line,
        as to hide the next one, holds for the keys behind it. To be gone through to its end."""
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
        """Show lines above the one that is being typed. They are safe already, and may have colours (SGR) in them."""
        self._above.append(_shown(text, self._colours))

    def hide(self, secret: bool) -> None:
        """Show nothing of what is typed from now on, and remember nothing; with false, as ever."""
        if secret != self._secret:
            self._secret = secret
            self._line.forget()
            self._changed = True

    def resize(self, width: int, height: int) -> None:
        """The terminal has so many columns and rows now."""
        if _size(width, height) != self._size:
            self._size = _size(width, height)
            self._above.insert(0, self._screen.resize(*self._size))
            self._changed = True

    def close(self) -> None:
        """Leave the terminal as it was found, below what was shown."""
        if not self._ended and self._sequences:
            self._above.append(_END)
        self._ended = True

    def take(self) -> bytes:
        """What is to be written to the terminal now; nothing, if nothing has changed."""
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
        """Begin anew at the top of the terminal."""
        if self._sequences:
            self._above.append(_WIPE)

    def _complete_word(self) -> None:
        """Make more of the word before the cursor, or show what it may become."""
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
        """Show a line of ours, as what the server tells one person is shown."""
        self.show(PLAIN.at_width(self._size[0]).render([Remark(text)]))


@lru_cache(maxsize=BATCHES)
def _shown(text: bytes, colours: int) -> str:
    """Lines as a terminal of so many colours shows them."""

    def styled(found: re.Match[str]) -> str:
        """A colour as such a terminal has it, or nothing."""
        colour = found["colour"]
        if colour is None or not colours:
            return ""
        return f"\x1b[3{colour[1]}m" if colours == 8 and colour[0] == "9" else found[0]

    return _SPECIAL.sub(styled, text.decode()).removesuffix("\n").replace("\n", "\r\n") + "\r\n"


def _size(width: int, height: int) -> tuple[int, int]:
    return max(LEAST, min(width, MOST)), max(FEWEST_ROWS, min(height, MOST))
