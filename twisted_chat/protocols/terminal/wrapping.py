"""Wrapping of long lines by the server. If a terminal wrapped them, a user's text could stand where the server's lines begin.

1. If the width is known, a line is folded there, preferably at a blank in the second half of the row.
2. If it is unknown, only text that looks like the beginning of one of our lines gets a row of its own, if it stands where a
   terminal might wrap: in column `NARROWEST` or later.
3. Every row but the first begins with the gutter. None of our lines begins with it.
4. The column count is an upper bound for nearly all terminals: joined emoji count as if they were not joined. The exception
   is terminals that show East Asian "ambiguous" characters in two columns. Counting for them would fold all Russian text at
   half the width.
5. A character stays together with its marks, and joined emoji stay together, unless they are wider than a whole row.
6. A right-to-left name and a right-to-left text after it would change places on a terminal that reorders them (Unicode
   UAX #9): the message would seem to come from another user. Such a text begins on a row of its own, because each row is
   reordered by itself. Unicode's remedy, an isolate, is a control character: the server sends none, and most terminals show
   rubbish for it.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from unicodedata import bidirectional, category

from wcwidth import iter_graphemes, wcwidth

from twisted_chat.core.text.confusables import look_alikes

GUTTER = "  | "
# Special widths: an unknown width; and no folding, for programs that read lines.
UNKNOWN, ENDLESS = 0, -1
# The fewest expected columns of a terminal of unknown width; and the fewest of a known width, see `protocols.line.telnet`.
NARROWEST, LEAST = 40, 20

# The beginnings of our own lines, see `protocols.terminal.rendering`; marks may follow a sign. The pattern begins with a set
# of characters so that Python skips most of a text quickly: every longer message is searched.
BEGINNING = re.compile(
    r"""[*\-\[<SHW](?:
        (?<=\*)  [^\0-\x7f]{0,4} \s+ \S                                          # * Simran joined (3 here)
      | (?<=-)   > [^\0-\x7f]{0,4} \s+ \S                                        # -> In #lobby: Ann, Bob
      | (?<=\[)  [^\[\]]{1,12} \] [^\0-\x7f]{0,4} \s                             # [12:01] or [server]
      | (?<=<)   [^<>\s]{1,36} (?:\s->\s [^<>\s]{1,36})? > [^\0-\x7f]{0,4} \s    # <Ann> or <Ann -> Bob>
      | (?<=S)   erver \s? : \s                                                  # Server: I received your message
      | (?<=H)   ello \s \S{1,36} \s you \s are \s                               # Hello Ann, you are now connected!
      | (?<=W)   elcome \s to \s the \s chat \s                                  # Welcome to the chat server!
    )""",
    re.VERBOSE,
)

# The part of a line before its text: a number, a time and a room, then a name.
_HEAD = re.compile(r"(?:\d+ |\[\S*\] |#\S+ )*(?:<(?P<said>[^>]+)>|\* (?P<did>\S+)) ")
_PAINT = re.compile("(\x1b\\[[0-9]+m)")
# Categories of characters without a column of their own.
ATTACHED = frozenset(["Mn", "Mc", "Me", "Cf"])
# Classes of characters that set the direction of their neighbours (UAX #9, table 4).
_DECIDING = frozenset(["L", "R", "AL", "AN", "EN"])
_RIGHT_TO_LEFT = frozenset(["R", "AL"])


@cache
def looks() -> tuple[re.Pattern[str], dict[str, str]]:
    """Return a pattern for look-alikes of the characters in our lines' beginnings, and the character that each looks like.

    An arrow, which looks like our ``->``, counts as ``*``, another beginning. The result is computed once, on first use.
    """
    like = look_alikes("*-><[]:SHWervlocmthayu")
    like |= zip("→➔➙➜➝➞⟶＊［］【】〈〉⟨⟩＞＜", "********[][]<><>><", strict=True)
    return re.compile(f"[{''.join(map(re.escape, like))}]"), like


def fits(line: str, columns: int) -> bool:
    """Return whether `rows` would leave a clean line unchanged; False if a quick check cannot tell."""
    if columns == ENDLESS:
        return True
    if not line.isascii():
        return False
    return len(line) <= (columns or NARROWEST) or (columns == UNKNOWN and BEGINNING.search(line, NARROWEST) is None)


def all_fit(lines: Sequence[str], columns: int) -> bool:
    """Return whether all lines are clean ASCII that `rows` leaves unchanged; False if that is unclear, or if there are none."""
    whole = "".join(lines)
    if not (whole and whole.isascii() and whole.isprintable()):
        return False
    if columns == UNKNOWN:
        return BEGINNING.search("\0".join([line[NARROWEST:] for line in lines])) is None
    return columns == ENDLESS or max(map(len, lines)) <= columns


def rows(line: str, columns: int) -> list[str]:
    """Return a clean line, which may contain colours, as rows. The caller must add the gutter before all rows but the first.

    ``columns`` is the terminal's width, or `UNKNOWN`, or `ENDLESS`.
    """
    if fits(line, columns):
        return [line]
    pieces = [line] if line.isascii() else _parted(line)
    if columns == UNKNOWN:
        return [row for piece in pieces for row in _guarded(piece)]
    return [row for at, piece in enumerate(pieces) for row in _folded(piece, columns, len(GUTTER) if at else 0)]


def _parted(line: str) -> list[str]:
    """Return a line as one piece, or as two if its name and its text would change places. See rule 6."""
    head = _HEAD.match(line)
    if head is None:
        return [line]
    name, text = head["said"] or head["did"], line[head.end() :]
    if not any(bidirectional(char) in _RIGHT_TO_LEFT for char in name):
        return [line]
    first = next((kind for kind in map(bidirectional, text) if kind in _DECIDING), "L")
    return [line] if first == "L" else [line[: head.end()].rstrip(), text]


def _guarded(line: str) -> list[str]:
    """Return a line, cut wherever its text looks like the beginning of another line. See rule 2."""
    plain = line.isascii()
    seen = line if plain else _as_seen(line)
    first = NARROWEST if plain else NARROWEST // 2  # a character may take two columns
    found = BEGINNING.search(seen, first)
    if found is None:
        return [line]
    head = _HEAD.match(line)
    if head is not None and found.start() < head.end():  # the line's own beginning, with a long name or room
        found = BEGINNING.search(seen, head.end())
    begin = 0
    cut: list[str] = []
    while found is not None:
        cut.append(line[begin : found.start()].rstrip())
        begin = found.start()
        found = BEGINNING.search(seen, begin + first - len(GUTTER))
    cut.append(line[begin:])
    return cut


def _as_seen(line: str) -> str:
    """Return a line with each look-alike replaced by the character of our beginnings."""
    pattern, like = looks()
    return pattern.sub(lambda found: like[found[0]], line)


def _folded(line: str, columns: int, used: int) -> list[str]:
    """Return a line folded at a width. ``used`` columns of the first row are taken. Rows neither begin nor end with blanks."""
    parts, ends = measured(line)
    begin, done, room = 0, 0, columns - used
    cut: list[str] = []
    while begin < len(parts) and ends[-1] - done > room:
        middle, stop = (bisect_right(ends, done + most, begin) for most in (room // 2, room))
        stop = next((at for at in range(stop, middle, -1) if parts[at].isspace()), stop)
        cut.append("".join(parts[begin:stop]).rstrip())
        begin = next((at for at in range(stop, len(parts)) if not parts[at].isspace()), len(parts))
        done, room = ends[begin - 1], columns - len(GUTTER)
    if begin < len(parts):
        cut.append("".join(parts[begin:]))
    return cut


def measured(line: str) -> tuple[Sequence[str], Sequence[int]]:
    """Return the indivisible parts of a line, and the column in which each ends."""
    if line.isascii() and line.isprintable():
        return line, range(1, len(line) + 1)
    parts: list[str] = []
    ends: list[int] = []
    end = 0
    for at, piece in enumerate(_PAINT.split(line)):
        if at % 2:
            parts.append(piece)
            ends.append(end)
            continue
        for part, wide in _whole(piece):
            end += wide
            parts.append(part)
            ends.append(end)
    return parts, ends


def _whole(piece: str) -> Iterator[tuple[str, int]]:
    """Yield each visible character with its width in columns. Split joined characters if they exceed the narrowest row."""
    for cluster in iter_graphemes(piece):
        wide = _columns(cluster) if len(cluster) == 1 else sum(map(_columns, cluster))
        if wide <= LEAST - len(GUTTER):
            yield cluster, wide
        else:
            begins = [at for at, char in enumerate(cluster) if not at or category(char) not in ATTACHED]
            for at, end in zip(begins, [*begins[1:], None], strict=True):
                yield cluster[at:end], sum(map(_columns, cluster[at:end]))


@lru_cache(maxsize=4096)
def _columns(char: str) -> int:
    """Return the most columns that a character takes on a terminal."""
    if char == "\N{VARIATION SELECTOR-16}":  # turns a narrow sign into an emoji
        return 1
    if category(char) in ("Mn", "Me", "Cf"):
        return 0
    return max(1, wcwidth(char))
