"""What names look like: which can be taken for each other, and which mix scripts (Unicode UTS #39).

The data are those of the confusable_homoglyphs package: Unicode's confusables.txt and Scripts.txt. ScriptExtensions.txt is
not among them: a sign that two scripts share counts as common to all, as few do, and none of them is a letter of names.
"""

import re
from functools import lru_cache
from unicodedata import normalize

from confusable_homoglyphs.categories import alias
from confusable_homoglyphs.confusables import confusables_data

# Scripts that stand together in the names of one language: UTS #39, 5.2, "Highly Restrictive".
TOGETHER = (
    frozenset({"LATIN", "HAN", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "HAN", "BOPOMOFO"}),
    frozenset({"LATIN", "HAN", "HANGUL"}),
)
# Of characters that go with every script.
WITH_ALL = frozenset({"COMMON", "INHERITED"})
# How often a name is mapped until it stays the same: the longest chain in the data, and one to see that it has.
MOST_ROUNDS = 8
_DOTTED = re.compile("([ij])\N{COMBINING DOT ABOVE}+")


@lru_cache(maxsize=4096)
def skeleton(folded: str) -> str:
    """What two folded names have in common that can be taken for each other (UTS #39, 4, with case folded away)."""
    for _ in range(MOST_ROUNDS):
        mapped = _mapped(folded).casefold()
        if mapped == folded:
            break
        folded = mapped
    return folded


@lru_cache(maxsize=4096)
def skeletons(name: str, folded: str) -> frozenset[str]:
    """What a name looks like, whatever its case, and as it is shown: ``BiII`` looks like ``Bill``, ``biii`` does not."""
    return frozenset((skeleton(folded), skeleton(_mapped(name).casefold())))


def mixed_scripts(name: str) -> list[str]:
    """The scripts of a name, in alphabetical order, if they don't belong together; else nothing."""
    scripts = {alias(char) for char in name} - WITH_ALL
    if len(scripts) <= 1 or any(scripts <= together for together in TOGETHER):
        return []
    return sorted(scripts)


def _mapped(name: str) -> str:
    """A name with each character mapped once. A dot above an i or j, which has one already, is not seen."""
    mapped = normalize("NFD", "".join(map(_prototype, normalize("NFD", name))))
    return _DOTTED.sub(r"\1", mapped)


def _prototype(char: str) -> str:
    """What a character is mapped to. The package lists a prototype's look-alikes too: only its single entries are mappings."""
    entries = confusables_data.get(char, ())
    if len(entries) != 1:
        return char
    other: str = entries[0]["c"]
    back = confusables_data.get(other, ())
    return min(char, other) if len(back) == 1 and back[0]["c"] == char else other


def look_alikes(characters: str) -> dict[str, str]:
    """All that is not ASCII and looks like one of these characters, with that character."""
    wanted = {_prototype(char): char for char in characters}
    found = ((char, wanted.get(_prototype(char))) for char in confusables_data if len(char) == 1 and not char.isascii())
    return {char: like for char, like in found if like is not None}
