"""Valid names of people and rooms, and the comparison of names.

1. A name is 1 to 32 letters, digits or ``- _ . '``, begins with a letter or digit, and has at least one letter.
2. Letters are what PRECIS IdentifierClass allows (RFC 8264, RFC 8265): no spaces, no invisibles, one writing direction.
3. Two names are the same if their `fold` is equal: case, width and composition do not count.
4. A name must not look like another person's, by one of its `skeletons`, or like a reserved word. It must not mix scripts
   (UTS #39), or have invisible characters or more marks than `core.text.sanitize` shows.
5. A room is ``#`` and 1 to 32 of the same characters. Its key is the folded form, and is the form that is shown.
"""

from functools import lru_cache
from unicodedata import normalize

from precis_i18n import get_profile

from twisted_chat.core.errors import BadName
from twisted_chat.core.text import confusables
from twisted_chat.core.text.confusables import mixed_scripts
from twisted_chat.core.text.sanitize import MARKS_PER_BASE, clean, shortened

LONGEST = 32
PUNCTUATION = "-_.'"

# Names that could be mistaken for the server, for everybody, or for nobody.
RESERVED = frozenset(
    [
        "server",
        "admin",
        "administrator",
        "root",
        "system",
        "sysop",
        "operator",
        "moderator",
        "staff",
        "all",
        "here",
        "everyone",
        "everybody",
        "you",
        "me",
        "nobody",
        "none",
        "null",
        "undefined",
        "anonymous",
        "guest",
        "nickserv",
        "chanserv",
    ]
)

_cased = get_profile("UsernameCasePreserved")
_mapped = get_profile("UsernameCaseMapped")


def fold(name: str) -> str:
    """Return the form that equal names share. Text that cannot be a name folds to itself, and so equals no name."""
    return _fold(name) if len(name) <= LONGEST else name  # long text is neither processed nor cached


@lru_cache(maxsize=4096)
def _fold(name: str) -> str:
    try:
        return normalize("NFC", _mapped.enforce(name).casefold())
    except UnicodeEncodeError:
        return name


def person(name: str, reserved: frozenset[str] = RESERVED) -> str:
    """Return the name as it will be shown. ``reserved`` holds the folded names that are not allowed.

    Raises `BadName` with the broken rule.
    """
    name = _enforced(name, "name")
    if not any(char.isalpha() for char in name):
        raise BadName("A name needs at least one letter.")
    # In capitals an I does not look like an L: ALI cannot be mistaken for the reserved ALL in any font.
    if skeletons(fold(name) if name.isupper() else name) & _looks(reserved):
        raise BadName(f"{name} is a reserved name. Please choose another.")
    return name


def skeletons(name: str) -> frozenset[str]:
    """Return a name's skeletons. Names that look alike have one in common."""
    return confusables.skeletons(name, fold(name))


@lru_cache(maxsize=8)
def _looks(reserved: frozenset[str]) -> frozenset[str]:
    return frozenset(map(confusables.skeleton, reserved))


def shown(name: str) -> str:
    """Return the text typed for a name, made safe and short enough for an answer."""
    return shortened(name, LONGEST)


@lru_cache(maxsize=4096)
def room(name: str) -> str:
    """Return the key of the room of this name, ``#`` included. ``name`` may omit the ``#``.

    Raises `BadName` with the broken rule.
    """
    return "#" + fold(_enforced(name.removeprefix("#"), "room name"))


def _enforced(name: str, what: str) -> str:
    if not name:
        raise BadName(f"A {what} can't be empty.")
    if len(name) > LONGEST:
        raise BadName(f"A {what} has at most {LONGEST} characters, this one has {len(name)}.")
    try:
        name = _cased.enforce(name)
    except UnicodeEncodeError as error:
        raise BadName(f"A {what} has letters, digits and {_punctuation()} only, {_broken(error)}.") from None
    if not all(char.isalnum() or not char.isascii() or char in PUNCTUATION for char in name):
        raise BadName(f"A {what} has letters, digits and {_punctuation()} only.")
    if scripts := mixed_scripts(name):
        raise BadName(f"A {what} is written in one script, this one mixes {' and '.join(map(str.title, scripts))}.")
    if clean(name) != name or not name.isprintable():
        raise BadName(f"A {what} has at most {MARKS_PER_BASE} marks on a letter, and nothing that can't be seen.")
    if not name[0].isalnum():
        raise BadName(f"A {what} begins with a letter or a digit.")
    return name


def _punctuation() -> str:
    return " ".join(PUNCTUATION)


def _broken(error: UnicodeEncodeError) -> str:
    match error.reason.removeprefix("DISALLOWED/"):
        case "spaces":
            return "no spaces"
        case "bidi_rule":
            return "written in one direction"
        case rule:
            return "not what Unicode calls " + rule.replace("_", " ")
