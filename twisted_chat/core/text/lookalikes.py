"""Lines that a reader takes for commands, and what was meant by a command that does not exist.

1. A sign is a slash if it is one, looks like one (Unicode's confusables), or is called one by Unicode. A letter that looks
   like one, and a backslash, begin words as well: what follows decides.
2. A command without its slash is one if what follows is as long as what it takes, and ends in what only a secret looks like.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache, lru_cache
from unicodedata import name, normalize

from twisted_chat.core.text.confusables import look_alikes

# What Unicode calls a sign that looks like a slash, or leans as a backslash does.
_NAMED = re.compile(r"\b(?:SOLIDUS|SLASH|RISING DIAGONAL)\b")
_LEANS_BACK = re.compile(r"\b(?:REVERSE SOLIDUS|BACKSLASH|FALLING DIAGONAL)\b")
# A secret has a digit, a sign or a capital within it; what ends a sentence is none of it, and an address is no secret.
_SECRET = re.compile(r"(?=.{4})(?:.*[\d_]|.*\w[^\w\s'’-]|.*[a-z].*[A-Z])")
_ENDS = ".,;:!?…)\"'»”’"
# Of how many words a line is looked at: no command has its secret farther behind.
MOST_WORDS = 6
# A word that is shorter may have one slip to be taken for a command's; another may have two.
SHORT = 5
# Of an unknown word so much is looked at, and shown.
LONGEST_WORD = 20


@lru_cache(maxsize=1024)
def slash(char: str) -> str:
    """Return the ``/`` or backslash that a character is or looks like; nothing if it looks like neither."""
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
    """Return whether a line that does not begin with a plain slash is read as a command. It is clean, without blanks before it.

    ``commands`` are the names of those there are.
    """
    first, rest = text[:1], text[1:].lstrip()
    leans = slash(first) if first else ""
    if not leans or first == "/" or not rest[:1].isalpha():
        return False
    if leans == "\\":
        return nearest(_word(rest), commands) is not None
    return not first.isalpha() or rest[0].isascii()


def is_like_secret(text: str, commands: Mapping[str, tuple[int, int]]) -> bool:
    """Return whether a line is a command without its slash that would tell everybody a secret.

    ``commands`` has the name of each that takes one, and with how many words, itself included, the secret is the last.
    """
    words = text.split(None, MOST_WORDS)
    least, most = commands.get(words[0].casefold(), (0, 0)) if words else (0, 0)
    if not words or not least <= len(words) <= most:
        return False
    return "://" not in words[-1] and _SECRET.match(words[-1].strip(_ENDS)) is not None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant: the one with the fewest slips, or that has this beginning alone."""
    word = normalize("NFKC", word).casefold()[:LONGEST_WORD]
    most = 1 if len(word) < SHORT else 2
    ranked = sorted((_slips(word, one), one) for one in known)
    if ranked and ranked[0][0] <= most and ranked[0][0] < len(word):
        return ranked[0][1]
    begun = [one for _, one in ranked if len(word) > 2 and one.startswith(word)]
    return begun[0] if len(begun) == 1 else None


def _word(text: str) -> str:
    """Return the first word of a text, without what follows its letters."""
    found = re.match(r"[^\W\d_]*", text)
    return found[0] if found else ""


def _slips(left: str, right: str) -> int:
    """Return how many letters were left out, added, exchanged for others, or swapped (optimal string alignment)."""
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
