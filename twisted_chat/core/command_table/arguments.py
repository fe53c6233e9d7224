"""Values from the words after a command: one table defines how each word of a usage is read.

1. A usage is a line of places. ``NAME`` is needed, ``[NAME]`` may be missing, ``TEXT...`` takes the rest of the line.
   ``on|off|N`` are alternatives; lower-case words and ``*`` are literal.
2. Each place reads its word as one of its kinds, or the command is refused before its handler runs.
3. A word skips an optional place only if it cannot have been meant for that place: ``10 minutes`` for a ``[DURATION]`` is
   refused, and not read as a reason.
4. Words after the last place are refused. Refusals never repeat a word: it may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from twisted_chat.core.errors import BadName, ChatError, NotUnderstood
from twisted_chat.core.text import durations, names

# The largest number accepted: SQLite's integers are larger.
LARGEST = 10**18
_DIGITS = re.compile(r"[0-9]{1,18}")
# A unit after a bare number: the number was not in seconds, and the unit would be read as a reason.
_UNITS = r"(?:s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|months?|years?)\b"
_UNIT = re.compile(_UNITS, re.IGNORECASE)
# A duration in words: it would be read as a reason, and the restriction would be permanent.
_SPELLED = re.compile(
    r"(?:for\s+)?(?:[0-9]+|an?|half\s+an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|sixty|ninety)\s*"
    + _UNITS,
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of word. ``read`` takes the word, the time in seconds since 1970, and the range of numbers.

    ``meant`` returns whether a word could be a mistyped one of this kind. ``what`` ends a sentence.
    """

    what: str
    read: Callable[[str, float, range], object]
    meant: Callable[[str], bool] = lambda word: True
    secret: bool = False


def number(word: str, least: int = 1, most: int = LARGEST) -> int | None:
    """Return a whole number in ASCII digits, or None if the word is not a number in range."""
    found = int(word) if _DIGITS.fullmatch(word) else -1
    return found if least <= found <= most else None


def _number(word: str, now: float, within: range) -> int:
    found = number(word, within.start, within.stop - 1)
    if found is None:
        raise NotUnderstood("")
    return found


def _sequence_number(word: str, now: float, within: range) -> int:
    found = number(word.removeprefix("#"))
    if found is None:
        raise NotUnderstood("")
    return found


def _duration(word: str, now: float, within: range) -> float:
    found = durations.seconds(word)
    if not found:
        raise NotUnderstood("")
    return found


def _seconds(word: str, now: float, within: range) -> float:
    found = number(word, 0) if word.isdigit() else durations.seconds(word)
    if found is None or not within.start <= found < within.stop:
        raise NotUnderstood("")
    return float(found)


def _moment(word: str, now: float, within: range) -> float:
    return durations.moment(word, now)


def _name(word: str, now: float, within: range) -> str:
    if word.startswith("#"):
        raise BadName("That is a room, not a name.")
    if not word:
        raise BadName("A name can't be empty.")
    return word


def _room(word: str, now: float, within: range) -> str:
    return names.room(word)


def _text(word: str, now: float, within: range) -> str:
    return word


def is_room(word: str) -> bool:
    """Return whether a word is a room, rather than a text that begins with the same sign."""
    return word.startswith("#") and len(word.split()) == 1


def _is_like_duration(text: str) -> bool:
    """Return whether a text begins like a number, in any script, or like a duration in words."""
    return text.lstrip("+-.,~<>=")[:1].isnumeric() or _SPELLED.match(text) is not None


TEXT = Kind("text", _text)
NAME = Kind("a name", _name)
WHO = Kind("a name, a mask such as ann!*@*, or an address", _name)
SECRET = Kind("a password", _text, secret=True)
_A_NUMBER = "a whole number from {} to {}"
_ROOM = Kind("a room such as #lobby", _room, is_room)

# The kind of each word in a usage. Words that only the command can read (VALUE, KEY) are text.
KINDS: Mapping[str, Kind] = {
    "NAME": NAME,
    "WHO": WHO,
    "MASK": WHO,
    "ADDRESS": WHO,
    "CIDR": WHO,
    "ROOM": _ROOM,
    "#ROOM": _ROOM,
    "N": Kind(_A_NUMBER, _number),
    "NUMBER": Kind("the number of a message", _sequence_number),
    "SECONDS": Kind("a number of seconds from {} to {}, or a duration such as 10m", _seconds),
    "DURATION": Kind("a duration such as 10m, 2h, 3d or 1w, without a space", _duration, _is_like_duration),
    "TIME": Kind("a duration (10m, 2h, 3d), an hour (12:30) or a date (2026-11-23T12:30)", _moment),
    "PASSWORD": SECRET,
    "CURRENT": SECRET,
    "NEW": SECRET,
    "CODE": Kind("a code", _text),
    "CLAIM-CODE": Kind("a claim code", _text, secret=True),
    "KEY": TEXT,
    "COMMAND": TEXT,
    "SETTING": TEXT,
    "POLICY": TEXT,
    "VALUE": TEXT,
    "TEXT": TEXT,
    "REASON": TEXT,
    "WORDS": TEXT,
}


class Place:
    """One place of a usage."""

    __slots__ = ("kinds", "needed", "rest", "secret", "strict", "within", "word", "words")

    def __init__(self, usage: str, following: str, within: tuple[int, int] | None) -> None:
        """``following`` is the next place's usage. Raises `TypeError` for a word that no kind reads."""
        self.needed = not usage.startswith("[")
        self.word = usage.strip("[]")
        self.rest = self.word.endswith("...")
        alternatives = self.word.removesuffix("...").split("|")
        self.words = tuple(one for one in alternatives if one.islower() or one == "*")
        self.kinds = tuple(KINDS[one] for one in alternatives if one in KINDS)
        self.within = range(within[0], within[1] + 1) if within else range(1, LARGEST + 1)
        self.secret = any(kind.secret for kind in self.kinds)
        # A room may omit its sign where no other word fits. Otherwise /leave lobby would leave another room, with a reason.
        self.strict = _ROOM in self.kinds and following.strip("[]") in ("", "REASON...")
        unknown = [one for one in alternatives if one not in KINDS and one not in self.words]
        if unknown:
            raise TypeError(f"No kind of argument is called {', '.join(unknown)}")

    @property
    def what(self) -> str:
        """The expected word, as the end of a sentence."""
        if not self.kinds:
            return f"one of: {', '.join(self.words)}"
        least, most = self.within.start, self.within.stop - 1
        *several, last = [*self.words, *dict.fromkeys(kind.what.format(least, most) for kind in self.kinds)]
        return f"{', '.join(several)} or {last}" if several else last

    def passed_over(self, word: str) -> bool:
        """Return whether this place is missing and the word belongs to a later place."""
        if self.needed or self.strict or self.rest or not self.kinds:
            return False
        return word.casefold() not in self.words and not any(kind.meant(word) for kind in self.kinds)

    def read(self, word: str, now: float) -> object:
        """Return the value of a word. Raises as `Usage.values` does."""
        if word.casefold() in self.words:
            return word.casefold()
        refused: ChatError | None = None
        for kind in self.kinds:
            try:
                return kind.read(word, now, self.within)
            except ChatError as error:
                refused = refused or error
        if isinstance(refused, BadName):
            raise refused
        raise NotUnderstood(f"takes {self.what}")


class Usage:
    """The places after a command's name."""

    def __init__(self, usage: str, within: tuple[int, int] | None = None) -> None:
        """``within`` is the range of the numbers in it. Raises `TypeError` for a word that no kind reads."""
        words = usage.split()
        self.places = tuple(Place(word, after, within) for word, after in zip(words, [*words[1:], ""], strict=False))
        self.takes_secret = any(place.secret for place in self.places)
        # The typed text is the only argument, and needs no parsing.
        self.is_text = len(words) == 1 and self.places[0].needed and self.places[0].kinds == (TEXT,)

    def split(self, typed: str) -> list[str]:
        """Return the words of a typed line, possibly too many or too few. The last word of a ``...`` usage keeps its blanks."""
        words: list[str] = []
        typed = typed.strip()
        for place in self.places:
            if not typed:
                break
            if place.rest:
                return [*words, typed]
            word = typed.split(None, 1)[0]
            if not place.passed_over(word):
                words.append(word)
                typed = typed[len(word) :].lstrip()
        return words + typed.split()

    def values(self, words: Sequence[str], missing: Iterable[object], now: float) -> list[object]:
        """Return a value for each place; ``missing`` holds the values of missing places.

        Raises `BadName`, or `NotUnderstood` with the rest of a sentence that begins with the command.
        """
        values: list[object] = []
        given = 0
        for place, default in zip(self.places, missing, strict=True):
            if given == len(words):
                if place.needed:
                    raise NotUnderstood(f"needs {place.what}")
                values.append(default)
            elif place.passed_over(words[given]):
                values.append(default)
            else:
                values.append(place.read(words[given], now))
                given += 1
                if words[given - 1].isdigit() and given < len(words) and _UNIT.match(words[given]):
                    raise NotUnderstood(f"takes {place.what}: without a space before the unit")
        if given < len(words):
            raise NotUnderstood("takes no more than that" if self.places else "takes nothing more")
        return values
