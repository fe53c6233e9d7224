"""What text may be shown to another person.

1. Code points are allowed by kind, never forbidden one by one: letters, marks, numbers, punctuation, symbols, spaces.
2. Text is made safe once, where it comes in, so that what is stored is clean; terminals check again where it goes out.
3. `clean` is idempotent, and its result is never longer than its input in code points once that is in NFC.
4. At most 4 marks stand on a base: more paint over the lines above and below.
5. It takes time in proportion to the text's length. Normalization does not: marks in a row are sorted in quadratic time, so
   that no more come to it than Unicode UAX #15 calls stream-safe, 30.
6. Joiners stay where they join letters or emoji; the codes IRC clients send for colours go, with their numbers.
7. A message is one line: a text of several is refused, as what ends a line would be lost. Whoever sends a text of which
   anything else is lost or replaced is told what it has become: see `altered`.

Unicode data are those of the running Python (`unicodedata.unidata_version`).
"""

import re
from itertools import groupby
from unicodedata import category, normalize

from twisted_chat.core.errors import BadText

MARKS_PER_BASE = 4
MARKS_IN_A_ROW = 30
# How long a reason, and a room's key, may be, in characters.
LONGEST_SENTENCE = 200
LONGEST_KEY = 64
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# What ends a line (Unicode UAX #14, mandatory breaks), and what Python's `str.splitlines` takes for that but IRC does not.
LINE_BREAK = re.compile("[\n\v\f\r\x1c\x85\u2028\u2029]")
EMOJI = ("So", "Sk")  # the second are their skin tones
ZERO_WIDTH_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
# Letters, marks and symbols that show nothing: they would make a name or message that looks empty, or like another.
INVISIBLE = frozenset(
    [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0, 0x16FE4, 0x1D159]
).union(range(0xE0100, 0xE01F0))
# Colours, bold and the like, as IRC clients send them (modern.ircdocs.horse/formatting).
FORMATTING = re.compile(
    r"\x03(?:\d{1,2}(?:,\d{1,2})?)?|\x04(?:[0-9A-Fa-f]{6}(?:,[0-9A-Fa-f]{6})?)?|[\x02\x0f\x11\x16\x1d-\x1f]"
)


def decode(data: bytes) -> str:
    """Bytes to text, strictly UTF-8 (RFC 3629).

    Raises `BadText` naming the offset of the first wrong byte. So is a zero: what has one is no text, or UTF-16.
    """
    if 0 in data:
        raise BadText(f"That is not UTF-8: byte {data.find(0)} of the line is zero.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadText(f"That is not UTF-8: byte {error.start} of the line is wrong.") from None


def clean(text: str) -> str:
    """The text, safe to show on anybody's terminal, without blanks at its end. May be empty."""
    if text.isascii() and text.isprintable():
        return text.rstrip()
    text = normalize("NFC", _few_marks(FORMATTING.sub("", text)))
    return normalize("NFC", allowed(text)).rstrip()


def _few_marks(text: str) -> str:
    """The text without the marks that are too many in a row to be normalized."""
    step = MARKS_IN_A_ROW // 2
    if not any(category(char)[0] == "M" for char in text[::step]):  # so there is no long row of them
        return text
    kept: list[str] = []
    for marks, chars in groupby(text, lambda char: category(char)[0] == "M"):
        row = "".join(chars)
        kept.append(row[:MARKS_IN_A_ROW] if marks else row)
    return "".join(kept)


def allowed(text: str) -> str:
    """The text without the code points that may not be shown, for where it goes out: what was made safe stays as it is."""
    if text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    marks = MARKS_PER_BASE  # a mark needs a base to stand on
    for index, char in enumerate(text):
        kind = category(char)
        if kind[0] == "M":
            if marks < MARKS_PER_BASE and ord(char) not in INVISIBLE:
                marks += 1
                kept.append(char)
        elif kind[0] in "LNPS":
            if ord(char) not in INVISIBLE:
                marks = 0
                kept.append(char)
        elif kind[0] == "Z" or char == "\t":
            marks = MARKS_PER_BASE
            kept.append(" " if kind in ("Zl", "Zp", "Cc") else char)
        elif char in ZERO_WIDTH_JOINERS:
            if _joins(kept, text, index):
                kept.append(char)
        elif kind in ("Cs", "Co", "Cn"):
            marks = 0
            kept.append(REPLACEMENT)
    return "".join(kept)


def _joins(before: list[str], text: str, index: int) -> bool:
    """Whether a zero-width joiner at this place stands between two letters or emoji, with marks or without."""
    after = text[index + 1 : index + 2]
    if not before or not after or ord(after) in INVISIBLE:
        return False
    left, right = category(before[-1]), category(after)
    return (left[0] in "LM" or left in EMOJI) and (right[0] == "L" or right in EMOJI)


def shortened(text: str, longest: int) -> str:
    """The text, made safe and cut to so many characters. May be empty."""
    text = clean(text)
    return text if len(text) <= longest else clean(text[:longest])  # a joiner may have come to stand at the end


def as_reason(text: str) -> str:
    """A reason, made safe and not longer than a sentence. May be empty."""
    return shortened(text, LONGEST_SENTENCE)


def as_key(text: str) -> str:
    """A room's key, made safe and cut, so that it is the same wherever it is typed. May be empty, and then is none."""
    return shortened(text, LONGEST_KEY)


def one_line(text: str) -> str:
    """Return a text without the line end that may follow it. Raises `BadText` if it has several lines."""
    if text.isprintable():
        return text
    if LINE_BREAK.match(text[-1:]):
        text = text[:-1].removesuffix("\r") if text.endswith("\n") else text[:-1]
    if LINE_BREAK.search(text):
        raise BadText("A message is one line, and that has several. Send each by itself.")
    return text


def altered(sent: str, stored: str) -> bool:
    """Return whether more was done to a text than to compose its letters (NFC) and to take the blanks at its end away."""
    if sent is stored:
        return False
    kept = _few_marks(sent)
    return kept != sent or normalize("NFC", kept).rstrip() != stored


def altered_words(stored: str) -> str:
    """Return what a person is told whose text became another."""
    return f"Characters that cannot be shown were left out or replaced. It reads: {stored}"


def spoken(text: str, limit: int) -> str:
    """The text of one message, made safe.

    Raises `BadText` if nothing visible is left, if it has several lines, or if it is longer than ``limit`` bytes of UTF-8.
    """
    text = text.rstrip() if text.isascii() and text.isprintable() else clean(one_line(text))
    if not text:
        raise BadText("There is nothing to read in that message.")
    if len(text) * 4 > limit and len(text.encode()) > limit:
        raise BadText(f"That message is too long: {len(text.encode())} bytes, {limit} are allowed.")
    return text
