"""Mode strings, sans-I/O: modern.ircdocs.horse, ``mode-message``.

1. A letter belongs to one of the kinds of ISUPPORT CHANMODES, or to PREFIX. Unknown letters are reported, not refused.
2. The letters that need a word take the words after the mode string in turn. A further word that begins with ``+`` or
   ``-`` is another mode string if no letter needs it (RFC 2812, section 3.2.3).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kinds:
    """The letters by the words they take: the groups of CHANMODES, and PREFIX as (letter, prefix), highest first."""

    lists: str = ""  # A: a mask; without a mask, a request for the list
    always: str = ""  # B: a word when set or unset
    setting: str = ""  # C: a word when set
    flags: str = ""  # D: nothing
    prefixes: tuple[tuple[str, str], ...] = ()  # a member's nick

    @property
    def members(self) -> str:
        """The letters of PREFIX."""
        return "".join(letter for letter, _ in self.prefixes)

    @property
    def chanmodes(self) -> str:
        """The value of ISUPPORT CHANMODES."""
        return f"{self.lists},{self.always},{self.setting},{self.flags}"

    @property
    def prefix(self) -> str:
        """The value of ISUPPORT PREFIX."""
        return f"({self.members}){''.join(prefix for _, prefix in self.prefixes)}"

    def takes_word(self, letter: str, adding: bool) -> bool:
        """Return True if a letter takes a word, which is optional for lists and keys."""
        return letter in self.lists + self.always + self.members or (adding and letter in self.setting)

    def may_lack_word(self, letter: str, adding: bool) -> bool:
        """Return True if a letter is valid without its word: to ask for a list, or to remove a key."""
        return letter in self.lists or (letter in self.always and not adding)


@dataclass(frozen=True, slots=True)
class Change:
    """One letter that is set or unset. A letter of a list without an argument asks for the list."""

    adding: bool
    letter: str
    argument: str | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes that a MODE command asks for, in order; unknown letters; letters whose word is missing."""

    changes: tuple[Change, ...]
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def parse_modes(kinds: Kinds, params: Sequence[str]) -> Changes:
    """Parse the parameters of MODE after its target: mode strings and their words."""
    changes: list[Change] = []
    unknown: dict[str, None] = {}
    missing: dict[str, None] = {}
    words = list(reversed(params))
    first = True
    while words:
        string = words.pop()
        if not first and not string.startswith(("+", "-")):
            continue
        first = False
        adding = True
        for letter in string:
            if letter in "+-":
                adding = letter == "+"
            elif letter not in kinds.lists + kinds.always + kinds.setting + kinds.flags + kinds.members:
                unknown[letter] = None
            elif not kinds.takes_word(letter, adding):
                changes.append(Change(adding, letter))
            elif words and (words[-1] or not kinds.may_lack_word(letter, adding)):
                changes.append(Change(adding, letter, words.pop()))
            elif kinds.may_lack_word(letter, adding):
                changes.append(Change(adding, letter))
            else:
                missing[letter] = None
    return Changes(tuple(changes), tuple(unknown), tuple(missing))


def format_modes(changes: Iterable[Change]) -> tuple[str, ...]:
    """Return changes as a mode string and its words: ``("+o-v", "ann", "bob")``; ``("+",)`` if there are none."""
    string = ""
    sign = ""
    words: list[str] = []
    for change in changes:
        if sign != (sign := "+" if change.adding else "-"):
            string += sign
        string += change.letter
        if change.argument is not None:
            words.append(change.argument)
    return (string or "+", *words)


def in_lines(changes: Iterable[Change], most: int, size: int) -> Iterator[tuple[Change, ...]]:
    """Yield changes in groups of at most ``most`` words and ``size`` bytes, one group for each MODE message."""
    group: list[Change] = []
    for change in changes:
        longer = [*group, change]
        string, *words = format_modes(longer)
        if group and (len(words) > most or len(" ".join([string, *words]).encode("utf-8", "replace")) > size):
            yield tuple(group)
            longer = [change]
        group = longer
    if group:
        yield tuple(group)
