"""Making text safe to show to other people.

1. Code points are allowed by kind, never forbidden one by one: letters, marks, numbers, punctuation, symbols, spaces.
2. Text is made safe once, on input, so that stored text is clean. Terminals check it again on output.
3. `clean` is idempotent. In code points, its result is never longer than its input in NFC.
4. A base has at most 4 marks: more would paint over the lines above and below.
5. `clean` takes linear time. Normalization alone would not: it sorts consecutive marks in quadratic time. It therefore gets
   at most 30 marks in a row, the stream-safe limit of Unicode UAX #15.
6. Joiners stay where they join letters or emoji. The colour codes of IRC clients are removed, with their numbers.
7. A message is one line: a text of several lines is refused, as its line ends would be lost. If anything else is lost or
   replaced, the sender gets the altered text: see `altered`.

The Unicode data are those of the running Python (`unicodedata.unidata_version`).
"""

import re
from itertools import groupby
from unicodedata import category, normalize

from twisted_chat.core.errors import BadText

MARKS_PER_BASE = 4
MARKS_IN_A_ROW = 30
# The longest reason and the longest room key, in characters.
LONGEST_SENTENCE = 200
LONGEST_KEY = 64
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# The line ends: mandatory breaks (Unicode UAX #14), and those of Python's `str.splitlines` that IRC does not have.
LINE_BREAK = re.compile("[\n\v\f\r\x1c\x85\u2028\u2029]")
EMOJI = ("So", "Sk")  # Sk: skin tones
ZERO_WIDTH_JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
# Invisible letters, marks and symbols: they could make a name or message look empty, or like another.
INVISIBLE = frozenset(
    [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0, 0x16FE4, 0x1D159]
).union(range(0xE0100, 0xE01F0))
# The codes of IRC clients for colours, bold and other formatting (modern.ircdocs.horse/formatting).
FORMATTING = re.compile(
    r"\x03(?:\d{1,2}(?:,\d{1,2})?)?|\x04(?:[0-9A-Fa-f]{6}(?:,[0-9A-Fa-f]{6})?)?|[\x02\x0f\x11\x16\x1d-\x1f]"
)


def decode(data: bytes) -> str:
    """Decode bytes as strict UTF-8 (RFC 3629).

    Raises `BadText` with the offset of the first wrong byte. A zero byte is wrong too: it means binary data or UTF-16.
    """
    if 0 in data:
        raise BadText(f"That is not UTF-8: byte {data.find(0)} of the line is zero.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadText(f"That is not UTF-8: byte {error.start} of the line is wrong.") from None


def clean(text: str) -> str:
    """Return the text, safe to show on any terminal, without trailing blanks. May be empty."""
    if text.isascii() and text.isprintable():
        return text.rstrip()
    text = normalize("NFC", _few_marks(FORMATTING.sub("", text)))
    return normalize("NFC", allowed(text)).rstrip()


def _few_marks(text: str) -> str:
    """Return the text with each row of marks cut to the length that may be normalized."""
    step = MARKS_IN_A_ROW // 2
    if not any(category(char)[0] == "M" for char in text[::step]):  # then no row of marks is too long
        return text
    kept: list[str] = []
    for marks, chars in groupby(text, lambda char: category(char)[0] == "M"):
        row = "".join(chars)
        kept.append(row[:MARKS_IN_A_ROW] if marks else row)
    return "".join(kept)


def allowed(text: str) -> str:
    """Return the text without the code points that may not be shown, for output. Safe text stays unchanged."""
    if text.isascii() and text.isprintable():
        return text
    kept: list[str] = []
    marks = MARKS_PER_BASE  # a mark needs a base
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
    """Return whether a zero-width joiner at this index is between two letters or emoji, with or without marks."""
    after = text[index + 1 : index + 2]
    if not before or not after or ord(after) in INVISIBLE:
        return False
    left, right = category(before[-1]), category(after)
    return (left[0] in "LM" or left in EMOJI) and (right[0] == "L" or right in EMOJI)


def shortened(text: str, longest: int) -> str:
    """Return the text, made safe and cut to ``longest`` characters. May be empty."""
    text = clean(text)
    return text if len(text) <= longest else clean(text[:longest])  # the cut may leave a joiner at the end


def as_reason(text: str) -> str:
    """Return a reason, made safe and cut to `LONGEST_SENTENCE`. May be empty."""
    return shortened(text, LONGEST_SENTENCE)


def as_key(text: str) -> str:
    """Return a room key, made safe and cut, so that it is the same wherever it is typed. An empty one is no key."""
    return shortened(text, LONGEST_KEY)


def one_line(text: str) -> str:
    """Return a text without the line end after it, if any. Raises `BadText` if it has several lines."""
    if text.isprintable():
        return text
    if LINE_BREAK.match(text[-1:]):  # CR CR LF is one, too: some terminals and pipes add a CR of their own
        text = text[:-1].rstrip("\r") if text[-1] in "\r\n" else text[:-1]
    if LINE_BREAK.search(text):
        raise BadText("A message is one line, and that has several. Send each by itself.")
    return text


def altered(sent: str, stored: str) -> bool:
    """Return whether a text was changed beyond composing its letters (NFC) and removing trailing blanks."""
    if sent is stored:
        return False
    kept = _few_marks(sent)
    return kept != sent or normalize("NFC", kept).rstrip() != stored


def altered_words(stored: str) -> str:
    """Return the remark for the sender of a text that was altered."""
    return f"Characters that cannot be shown were left out or replaced. It reads: {stored}"


def spoken(text: str, limit: int) -> str:
    """Return the text of one message, made safe.

    Raises `BadText` if nothing visible is left, if it has several lines, or if it is longer than ``limit`` bytes of UTF-8.
    """
    text = text.rstrip() if text.isascii() and text.isprintable() else clean(one_line(text))
    if not text:
        raise BadText("There is nothing to read in that message.")
    if len(text) * 4 > limit and len(text.encode()) > limit:
        raise BadText(f"That message is too long: {len(text.encode())} bytes, {limit} are allowed.")
    return text
