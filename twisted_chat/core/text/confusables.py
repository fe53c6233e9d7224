"""What names look like: which can be taken for each other, and which mix scripts (Unicode UTS #39).

The data are those of the confusable_homoglyphs package: Unicode's confusables.txt and Scripts.txt. ScriptExtensions.txt is
not among them: a sign that two scripts share counts as common to all, as few do, and none of them is a letter of names.

The larger file is read when it is first needed (`prototypes`), as not everybody who imports this is in need of it at once.
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
    known = prototypes()
    mapped = normalize("NFD", "".join(known.get(char, char) for char in normalize("NFD", name)))
    return _DOTTED.sub(r"\1", mapped)


@cache
def prototypes() -> dict[str, str]:
    """What each character is mapped to that is in the data. It takes some 20 ms to read them, once.

    The package lists a prototype's look-alikes too: only its single entries are mappings. It has all of this as
    ``confusables_data``, in five times the memory.
    """
    single = {char: entries[0]["c"] if len(entries) == 1 else char for char, entries in load("confusables.json").items()}
    return {char: min(char, other) if single.get(other) == char else other for char, other in single.items()}


def look_alikes(characters: str) -> dict[str, str]:
    """All that is not ASCII and looks like one of these characters, with that character."""
    known = prototypes()
    wanted = {known.get(char, char): char for char in characters}
    return {char: wanted[like] for char, like in known.items() if like in wanted and len(char) == 1 and not char.isascii()}
