"""Long lines put into rows by us. A terminal that wraps them by itself could let a text stand where our own lines begin.

1. Where the width is known, a line is folded at it, at a blank where there is one in the second half of the row.
2. Where it is not, only what looks like the beginning of one of our lines is put on a row of its own, if it stands where a
   terminal might wrap: in column `NARROWEST` or later.
3. Every row but the first stands behind the gutter, with which none of our lines begins.
4. Columns are counted so that hardly a terminal shows more of them: joined emoji as if they were not joined. Terminals
   that show East Asian "ambiguous" characters in two columns do; for them, all Russian would be folded at half the width.
5. A character is never parted from its marks, nor are joined emoji, unless they are wider than a whole row.
6. A name that is written from right to left, and a text after it that is too, would change places on a terminal that
   orders them (Unicode UAX #9): somebody else would seem to speak. Such a text begins on a row of its own, and a row is
   ordered by itself. Unicode's means, an isolate, is a control character: we send none, and most terminals show rubbish.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from unicodedata import bidirectional, category

from wcwidth import iter_graphemes, wcwidth

from twisted_chat.core.text.confusables import look_alikes

GUTTER = "  | "
# Instead of a width in columns: it is not known; or nothing is to be folded, for programs that read lines.
UNKNOWN, ENDLESS = 0, -1
# No terminal of unknown width is expected to have fewer columns; and no known one has, see `protocols.line.telnet`.
NARROWEST, LEAST = 40, 20

# What our own lines begin with, see `protocols.terminal.rendering`; a sign's marks may stand after it. It begins with a set of
# characters as this lets Python pass over most of a text quickly: every message of some length is searched.
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

# What stands before a text: a number, a time and a room, then a name.
_HEAD = re.compile(r"(?:\d+ |\[\S*\] |#\S+ )*(?:<(?P<said>[^>]+)>|\* (?P<did>\S+)) ")
_PAINT = re.compile("(\x1b\\[[0-9]+m)")
# Kinds of characters that have no place of their own.
ATTACHED = frozenset(["Mn", "Mc", "Me", "Cf"])
# Kinds of characters that decide the direction of those beside them (UAX #9, table 4).
_DECIDING = frozenset(["L", "R", "AL", "AN", "EN"])
_RIGHT_TO_LEFT = frozenset(["R", "AL"])


@cache
def looks() -> tuple[re.Pattern[str], dict[str, str]]:
    """What looks like the characters of our lines' beginnings; one arrow like the two characters we begin with.

    A pattern for them, and the character that each looks like. They are made out once, when they are first needed.
    """
    like = look_alikes("*-><[]:SHWervlocmthayu")
    like |= zip("→➔➙➜➝➞⟶＊［］【】〈〉⟨⟩＞＜", "********[][]<><>><", strict=True)
    return re.compile(f"[{''.join(map(re.escape, like))}]"), like


def fits(line: str, columns: int) -> bool:
    """Whether `rows` would leave a clean line as it is, if that can be told quickly."""
    if columns == ENDLESS:
        return True
    if not line.isascii():
        return False
    return len(line) <= (columns or NARROWEST) or (columns == UNKNOWN and BEGINNING.search(line, NARROWEST) is None)


def all_fit(lines: Sequence[str], columns: int) -> bool:
    """Whether each of some lines is clean ASCII that `rows` would leave as it is, if that can be told quickly. Not of none."""
    whole = "".join(lines)
    if not (whole and whole.isascii() and whole.isprintable()):
        return False
    if columns == UNKNOWN:
        return BEGINNING.search("\0".join([line[NARROWEST:] for line in lines])) is None
    return columns == ENDLESS or max(map(len, lines)) <= columns


def rows(line: str, columns: int) -> list[str]:
    """A clean line, which may have colours in it, as rows. The gutter is still to be put before all but the first.

    ``columns`` is the terminal's width, or `UNKNOWN`, or `ENDLESS`.
    """
    if fits(line, columns):
        return [line]
    pieces = [line] if line.isascii() else _parted(line)
    if columns == UNKNOWN:
        return [row for piece in pieces for row in _guarded(piece)]
    return [row for at, piece in enumerate(pieces) for row in _folded(piece, columns, len(GUTTER) if at else 0)]


def _parted(line: str) -> list[str]:
    """A line as one piece, or as two, if its name and its text would change places. See rule 6."""
    head = _HEAD.match(line)
    if head is None:
        return [line]
    name, text = head["said"] or head["did"], line[head.end() :]
    if not any(bidirectional(char) in _RIGHT_TO_LEFT for char in name):
        return [line]
    first = next((kind for kind in map(bidirectional, text) if kind in _DECIDING), "L")
    return [line] if first == "L" else [line[: head.end()].rstrip(), text]


def _guarded(line: str) -> list[str]:
    """A line cut where it begins like another. See rule 2."""
    plain = line.isascii()
    seen = line if plain else _as_seen(line)
    first = NARROWEST if plain else NARROWEST // 2  # a character may take two columns
    found = BEGINNING.search(seen, first)
    if found is None:
        return [line]
    head = _HEAD.match(line)
    if head is not None and found.start() < head.end():  # a long name or room: the line's own beginning
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
    """A line with what looks like the characters of our beginnings replaced by them."""
    pattern, like = looks()
    return pattern.sub(lambda found: like[found[0]], line)


def _folded(line: str, columns: int, used: int) -> list[str]:
    """A line folded at a width; ``used`` columns of the first row are taken. Rows neither begin nor end with blanks."""
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
    """What must not be parted, and the column in which each of it ends."""
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
    """Characters with what belongs to them, and their columns. So are joined ones, unless wider than the narrowest row."""
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
    """How many columns of a terminal a character takes at the most."""
    if char == "\N{VARIATION SELECTOR-16}":  # makes an emoji of a narrow sign
        return 1
    if category(char) in ("Mn", "Me", "Cf"):
        return 0
    return max(1, wcwidth(char))
