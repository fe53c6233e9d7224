"""Masks of people, such as ``ann!*@*`` or ``*!*@1f2e*``: a name, a self-declared user and a host.

1. A mask is ``name!user@host``; ``*`` is any number of characters, ``?`` is one.
2. Masks are compared folded, in at most len(mask) * len(text) steps, whatever they contain.
3. A host is not an address but represents one (`Hub.cloak`), and is public. A part of a host means nothing, and would
   match strangers by chance: a new mask must have a whole host or ``*``. Older masks keep working as they are.
"""

from twisted_chat.core.errors import BadName
from twisted_chat.core.text.names import fold
from twisted_chat.core.text.sanitize import clean

# The characters of a host: see `Hub.cloak`.
HOST_SIZE = 10
HEXADECIMAL = frozenset("0123456789abcdef")
# Longer masks are cut: a name, a user and a host have fewer characters.
LONGEST_MASK = 200


def full_mask(text: str) -> str:
    """Return typed text as ``name!user@host`` without blanks: ``ann`` is ``ann!*@*``, ``u@h`` is ``*!u@h``."""
    nick, bang, rest = "".join(text.split()).lstrip(":")[:LONGEST_MASK].partition("!")
    if not bang and "@" in nick:
        nick, rest = "", nick
    user, _, host = rest.partition("@")
    return f"{_few_stars(nick) or '*'}!{_few_stars(user) or '*'}@{_few_stars(host) or '*'}"


def _few_stars(text: str) -> str:
    while "**" in text:
        text = text.replace("**", "*")
    return text


def is_mask(text: str) -> bool:
    """Return whether typed text is a mask rather than a name or an address."""
    return any(char in text for char in "!@*?")


def fold_mask(mask: str) -> str:
    """Return the form that equal masks share, for comparison with a folded ``name!user@host``."""
    nick, bang, rest = mask.partition("!")
    return f"{fold(nick).casefold()}{bang}{rest.casefold()}"


def checked_mask(text: str) -> str:
    """Return typed text as a folded ``name!user@host``. Raises `BadName` if its host is neither ``*`` nor a whole host."""
    mask = fold_mask(full_mask(clean(text)))
    host = mask.rpartition("@")[2]
    if host != "*" and not (len(host) == HOST_SIZE and set(host) <= HEXADECIMAL):
        raise BadName("A mask ends in @* or in a whole host as /whois shows it, such as *!*@0123456789.")
    return mask


def matches(mask: str, text: str) -> bool:
    """Return whether a text matches a mask. Both must be folded."""
    first, *parts = mask.split("*")
    if not parts:
        return len(mask) == len(text) and _fits(mask, text, 0)
    last = parts.pop()
    end = len(text) - len(last)
    if len(first) > end or not _fits(first, text, 0) or not _fits(last, text, end):
        return False
    at = len(first)
    for part in parts:  # match each part as early as possible: this leaves the most space for the others
        while at + len(part) <= end and not _fits(part, text, at):
            at += 1
        at += len(part)
        if at > end:
            return False
    return True


def _fits(part: str, text: str, at: int) -> bool:
    if "?" not in part:
        return text.startswith(part, at)
    return all(char in ("?", text[at + index]) for index, char in enumerate(part))
