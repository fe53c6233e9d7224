"""The edit buffer: the current line, its cursor, the history and the cut text.

1. The cursor stands between characters as people see them: never before a mark, nor within joined emoji.
2. Keys and pastes add text only: the buffer holds no characters that `core.text.sanitize` treats as control characters.
3. A line has at most `LONGEST` characters, and so has the whole history; the excess is dropped.
4. Keys work as in Emacs and readline. Consecutive cuts form one piece.
"""

import re
from unicodedata import category

from prompt_toolkit.keys import Keys
from wcwidth import grapheme_boundary_before, iter_graphemes

from twisted_chat.core.text.sanitize import EMOJI, INVISIBLE, MARKS_PER_BASE, REPLACEMENT, ZERO_WIDTH_JOINERS
from twisted_chat.protocols.terminal.keys import bound

LONGEST = 4096
# The number of lines in the history.
REMEMBERED = 100
# The limit of the search for the ends of a visible character, in code points.
LONGEST_CLUSTER = 64
# The limit of the search for the other end of a word.
LONGEST_WORD = 256
# Words are separated by blanks and ASCII's signs: \\w would end a word at a mark.
WORD, WORD_WITH_SIGNS = re.compile(r"[^\s!-/:-@\[-^`{-~]+"), re.compile(r"\S+")


def typable(before: str, typed: str) -> str:
    """Return the part of a text that may follow ``before`` in the line. It does not depend on how the text is cut."""
    if typed.isascii() and typed.isprintable():
        return typed
    last = before[-MARKS_PER_BASE:]
    kept: list[str] = []
    for char in typed:
        if char in "\n\t":
            char = char.replace("\t", " ")
        elif not _fits_behind(last, char):
            continue
        elif category(char) in ("Cs", "Co", "Cn"):
            char = REPLACEMENT
        kept.append(char)
        last = (last + char)[-MARKS_PER_BASE:]
    return "".join(kept)


def _fits_behind(last: str, char: str) -> bool:
    kind = category(char)
    left = category(last[-1]) if last else ""
    if kind[0] == "M":
        full = len(last) == MARKS_PER_BASE and all(category(mark)[0] == "M" for mark in last)
        return ord(char) not in INVISIBLE and left[:1] in ("L", "M", "N", "P", "S") and not full
    if char in ZERO_WIDTH_JOINERS:
        return left[:1] in ("L", "M") or left in EMOJI
    return kind not in ("Cc", "Cf", "Zl", "Zp") and ord(char) not in INVISIBLE


class Line:
    """The current line and the history. A pasted text of several lines counts as one line."""

    __slots__ = ("_cut", "_draft", "_last_key", "_past", "_place", "_sought", "cursor", "full", "text")

    def __init__(self) -> None:
        self.text = ""
        self.cursor = 0
        self.full = False  # True if text was dropped for lack of room, and none was removed since
        self._past: tuple[str, ...] = ()
        self._place = 0  # the index in the history of the shown line; the new line stands behind the last
        self._draft = ""  # the new line, while another is shown
        self._cut = ""
        self._sought = ""  # the text that a history search looks for
        self._last_key = ""

    def insert(self, typed: str) -> None:
        """Insert typed text at the cursor, without control characters."""
        self._last_key = ""
        is_full = len(self.text) == LONGEST
        self._put(typed if is_full else typable(self.text[: self.cursor], typed))

    def press(self, key: str) -> None:
        """Perform the action of a key."""
        if key in MOVES:
            self.cursor = MOVES[key](self)
        elif key in DELETES:
            self._remove(DELETES[key](self))
        elif key in CUTS:
            self._cut_out(CUTS[key](self))
        elif key in OTHERS:
            OTHERS[key](self)
        self._last_key = key

    def take(self, *, remember: bool) -> str:
        """Return the text and empty the line. Add the text to the history if ``remember`` is true."""
        text, self.text, self.cursor = self.text, "", 0
        self.full, self._last_key = False, ""
        if remember and text.strip() and self._past[-1:] != (text,):
            self._past = (*self._past, text)[-REMEMBERED:]
            while sum(map(len, self._past)) > LONGEST:
                self._past = self._past[1:]
        self._place, self._draft = len(self._past), ""
        return text

    def forget(self) -> None:
        """Empty the line and forget the cut text: the line was a secret."""
        self.take(remember=False)
        self._cut = self._sought = ""

    def replace(self, begin: int, text: str) -> None:
        """Replace the text between ``begin`` and the cursor."""
        self._remove(begin)
        self.insert(text)

    def _put(self, text: str) -> None:
        before, after, room = self.text[: self.cursor], self.text[self.cursor :], LONGEST - len(self.text)
        self.full = self.full or len(text) > room
        before += text[:room]
        self.text, self.cursor = before + after, len(before)

    def _remove(self, to: int) -> str:
        """Remove and return the text between the cursor and a place before or after it."""
        begin, end = sorted((self.cursor, to))
        removed = self.text[begin:end]
        self.full = self.full and not removed
        self.text, self.cursor = self.text[:begin] + self.text[end:], begin
        return removed

    def _cut_out(self, to: int) -> None:
        """Cut the text between the cursor and a place, for a later yank."""
        was = self._cut if self._last_key in CUTS else ""
        backwards = to < self.cursor
        if cut := self._remove(to):
            self._cut = cut + was if backwards else was + cut

    def _seek(self) -> None:
        """Show the latest earlier line that contains the typed text. A second press shows the one before that."""
        if OTHERS.get(self._last_key) is not Line._seek:
            self._sought = self.text
        for place in range(self._place - 1, -1, -1):
            if self._sought in self._past[place]:
                self._show_past(place)
                break

    def _show_past(self, place: int) -> None:
        """Show a line of the history, or the new line behind it."""
        if not 0 <= place <= len(self._past):
            return
        if self._place == len(self._past):
            self._draft = self.text
        self._place = place
        self.text = (*self._past, self._draft)[place]
        self.cursor = len(self.text)

    def _older(self) -> None:
        begin = self._line_begin()
        if begin:
            above = self.text.rfind("\n", 0, begin - 1) + 1
            self.cursor = self._whole(min(above + self.cursor - begin, begin - 1))
        else:
            self._show_past(self._place - 1)

    def _newer(self) -> None:
        below = self._line_end() + 1
        if below <= len(self.text):
            end = self.text.find("\n", below)
            last = end if end >= 0 else len(self.text)
            self.cursor = self._whole(min(below + self.cursor - self._line_begin(), last))
        else:
            self._show_past(self._place + 1)

    def _whole(self, place: int) -> int:
        """Return the place, or the beginning of the visible character around it."""
        return self._before(place + 1) if place < len(self.text) else place

    def _left(self) -> int:
        return self._before(self.cursor)

    def _before(self, place: int) -> int:
        """Return the beginning of the visible character that ends at a place or surrounds it."""
        begin = max(0, place - LONGEST_CLUSTER)
        return begin + grapheme_boundary_before(self.text[begin:place], place - begin)

    def _right(self) -> int:
        return self.cursor + len(next(iter_graphemes(self.text[self.cursor : self.cursor + LONGEST_CLUSTER]), ""))

    def _word_begin(self, word: re.Pattern[str] = WORD) -> int:
        begin = max(0, self.cursor - LONGEST_WORD)
        found = word.search(self.text[begin : self.cursor][::-1])
        return self._whole(self.cursor - found.end() if found else begin)

    def _blank_before(self) -> int:
        return self._word_begin(WORD_WITH_SIGNS)

    def _word_end(self) -> int:
        end = min(len(self.text), self.cursor + LONGEST_WORD)
        found = WORD.search(self.text, self.cursor, end)
        return self._whole(found.end() if found else end)

    def _line_begin(self) -> int:
        return self.text.rfind("\n", 0, self.cursor) + 1

    def _line_end(self) -> int:
        end = self.text.find("\n", self.cursor)
        return end if end >= 0 else len(self.text)


# The keys that move the cursor, delete text and cut text, with functions that return the new place or the other end.
MOVES = bound(
    {
        Keys.Left: Line._left,
        Keys.ControlB: Line._left,
        Keys.Right: Line._right,
        Keys.ControlF: Line._right,
        Keys.Home: Line._line_begin,
        Keys.ControlA: Line._line_begin,
        Keys.End: Line._line_end,
        Keys.ControlE: Line._line_end,
        Keys.ControlLeft: Line._word_begin,
        (Keys.Escape, Keys.Left): Line._word_begin,
        Keys.ControlRight: Line._word_end,
        (Keys.Escape, Keys.Right): Line._word_end,
    }
) | {"\x1bb": Line._word_begin, "\x1bf": Line._word_end}
DELETES = bound({Keys.ControlH: Line._left, Keys.Delete: Line._right, Keys.ControlD: Line._right})
CUTS = bound(
    {
        Keys.ControlK: Line._line_end,
        Keys.ControlU: Line._line_begin,
        Keys.ControlW: Line._blank_before,
        Keys.ControlDelete: Line._word_end,
    }
) | {"\x1bd": Line._word_end, "\x1b\x7f": Line._word_begin, "\x1b\b": Line._word_begin}
OTHERS = bound(
    {
        Keys.ControlY: lambda line: line._put(line._cut),
        Keys.Up: Line._older,
        Keys.ControlP: Line._older,
        Keys.Down: Line._newer,
        Keys.ControlN: Line._newer,
        Keys.ControlR: Line._seek,
    }
) | {"\x1b\r": lambda line: line.insert("\n")}
