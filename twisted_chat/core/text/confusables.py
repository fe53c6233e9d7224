"""Confusable names and names of mixed scripts (Unicode UTS #39).

The data come from the confusable_homoglyphs package: Unicode's confusables.txt and Scripts.txt, without
ScriptExtensions.txt. A sign shared by two scripts therefore counts as common to all. Such signs are few, and none is a
letter of names.

The larger file loads on first use (`prototypes`).
"""

import re
from functools import cache, lru_cache
from unicodedata import normalize

from confusable_homoglyphs.categories import alias
from confusable_homoglyphs.utils import load

# Scripts that stand together in the names of one language: UTS #39, 5.2, "Highly Restrictive".
TOGETHER = (
    frozenset({"LATIN", "HAN", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "HAN", "BOPOMOFO"}),
    frozenset({"LATIN", "HAN", "HANGUL"}),
)
# The scripts of characters that fit every script.
WITH_ALL = frozenset({"COMMON", "INHERITED"})
# The most mappings until a name stays the same: the longest chain in the data, and one more to detect its end.
MOST_ROUNDS = 8
_DOTTED = re.compile("([ij])\N{COMBINING DOT ABOVE}+")


@lru_cache(maxsize=4096)
def skeleton(folded: str) -> str:
    """Return the form shared by folded names that look alike (UTS #39, 4, with case folded away)."""
    for _ in range(MOST_ROUNDS):
        mapped = _mapped(folded).casefold()
        if mapped == folded:
            break
        folded = mapped
    return folded


@lru_cache(maxsize=4096)
def skeletons(name: str, folded: str) -> frozenset[str]:
    """Return a name's skeletons, folded and as shown: ``BiII`` looks like ``Bill``, ``biii`` does not."""
    return frozenset((skeleton(folded), skeleton(_mapped(name).casefold())))


def mixed_scripts(name: str) -> list[str]:
    """Return a name's scripts in alphabetical order if they do not belong together, otherwise an empty list."""
    scripts = {alias(char) for char in name} - WITH_ALL
    if len(scripts) <= 1 or any(scripts <= together for together in TOGETHER):
        return []
    return sorted(scripts)


def _mapped(name: str) -> str:
    """Return a name with each character mapped once. A combining dot above an i or j is invisible, and is removed."""
    known = prototypes()
    mapped = normalize("NFD", "".join(known.get(char, char) for char in normalize("NFD", name)))
    return _DOTTED.sub(r"\1", mapped)


@cache
def prototypes() -> dict[str, str]:
    """Return the mapping of each character in the data. The first call reads the file, in about 20 ms.

    The package lists a prototype's look-alikes too: only its single entries are mappings. The package's own
    ``confusables_data`` takes five times the memory.
    """
    single = {char: entries[0]["c"] if len(entries) == 1 else char for char, entries in load("confusables.json").items()}
    return {char: min(char, other) if single.get(other) == char else other for char, other in single.items()}


def look_alikes(characters: str) -> dict[str, str]:
    """Return each non-ASCII look-alike of these characters, mapped to that character."""
    known = prototypes()
    wanted = {known.get(char, char): char for char in characters}
    return {char: wanted[like] for char, like in known.items() if like in wanted and len(char) == 1 and not char.isascii()}
