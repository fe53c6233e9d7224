"""Lines that look like commands, and the command probably meant by an unknown one.

1. A sign is a slash if it is one, looks like one (Unicode's confusables), or has a Unicode name that says so. A letter that
   looks like a slash, and a backslash, may also begin a word: the text after it decides.
2. A line counts as a command without its slash if it has the right number of words and its last word looks like a secret.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache, lru_cache
from unicodedata import name, normalize

from twisted_chat.core.text.confusables import look_alikes

# The Unicode names of signs that look like a slash, or lean like a backslash.
_NAMED = re.compile(r"\b(?:SOLIDUS|SLASH|RISING DIAGONAL)\b")
_LEANS_BACK = re.compile(r"\b(?:REVERSE SOLIDUS|BACKSLASH|FALLING DIAGONAL)\b")
# A secret has a digit, a sign or a capital within it. The punctuation that ends a sentence does not count, nor does a URL.
_SECRET = re.compile(r"(?=.{4})(?:.*[\d_]|.*\w[^\w\s'’-]|.*[a-z].*[A-Z])")
_ENDS = ".,;:!?…)\"'»”’"
# The number of words of a line that are checked: every command has its secret among them.
MOST_WORDS = 6
# A shorter word may have one slip to match a command's name; a longer one may have two.
SHORT = 5
# The characters of an unknown word that are compared and shown.
LONGEST_WORD = 20


@lru_cache(maxsize=1024)
def slash(char: str) -> str:
    """Return the ``/`` or backslash that a character is or looks like, or an empty string."""
    if char in "/\\":
        return char
    plain = normalize("NFKC", char)
    if plain in ("/", "\\"):
        return plain
    called = name(char, "")
    if _LEANS_BACK.search(called):
        return "\\"
    return "/" if _NAMED.search(called) else _known().get(plain, "")


@cache
def _known() -> dict[str, str]:
    return look_alikes("/\\")


def is_like_command(text: str, commands: Collection[str]) -> bool:
    """Return whether a line without a plain slash at its start looks like a command. It must be clean, without leading blanks.

    ``commands`` holds the names of all commands.
    """
    first, rest = text[:1], text[1:].lstrip()
    leans = slash(first) if first else ""
    if not leans or first == "/" or not rest[:1].isalpha():
        return False
    if leans == "\\":
        return nearest(_word(rest), commands) is not None
    return not first.isalpha() or rest[0].isascii()


def is_like_secret(text: str, commands: Mapping[str, tuple[int, int]]) -> bool:
    """Return whether a line is a command without its slash that would reveal a secret to the room.

    ``commands`` maps the name of each command with a secret to the least and most words, its name included, up to the secret.
    """
    words = text.split(None, MOST_WORDS)
    least, most = commands.get(words[0].casefold(), (0, 0)) if words else (0, 0)
    if not words or not least <= len(words) <= most:
        return False
    return "://" not in words[-1] and _SECRET.match(words[-1].strip(_ENDS)) is not None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant: the one with the fewest slips, or the only one with this beginning."""
    word = normalize("NFKC", word).casefold()[:LONGEST_WORD]
    most = 1 if len(word) < SHORT else 2
    ranked = sorted((_slips(word, one), one) for one in known)
    if ranked and ranked[0][0] <= most and ranked[0][0] < len(word):
        return ranked[0][1]
    begun = [one for _, one in ranked if len(word) > 2 and one.startswith(word)]
    return begun[0] if len(begun) == 1 else None


def _word(text: str) -> str:
    """Return the leading letters of a text."""
    found = re.match(r"[^\W\d_]*", text)
    return found[0] if found else ""


def _slips(left: str, right: str) -> int:
    """Return how many letters were omitted, added, replaced or swapped (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, char in enumerate(left, 1):
        before, last, row = row, before, [i]
        for j, other in enumerate(right, 1):
            slips = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (char != other))
            if i > 1 and j > 1 and char == right[j - 2] and left[i - 2] == other:
                slips = min(slips, last[j - 2] + 1)
            row.append(slips)
    return row[-1]
