"""One line of IRC as a message, and back, sans-I/O: modern.ircdocs.horse, and IRCv3 ``message-tags``.

1. Tags and the rest of a line have separate limits: 4094 bytes of tag data from a client, 512 bytes with the CR LF.
2. Text is UTF-8, as ISUPPORT ``UTF8ONLY`` promises. `parse` raises `BadLine` and nothing else.
3. NUL and CR are dropped on input. On output, all control characters become spaces, and other characters that may not be
   shown (`core.text.sanitize`) are left out: a line stays one line, and a client's words that it repeats control no terminal.
   Tags are not shown to people: a label comes back unchanged.
4. Output never raises. A parameter that cannot stand where it is (empty, with a space, after a colon) becomes ``*``.
5. A line that would be too long is cut between characters. Tags are never cut: the code that adds them keeps within `OUR_TAGS`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from unicodedata import category

from twisted_chat.core.errors import BadText
from twisted_chat.core.text.sanitize import FORMATTING, allowed

LONGEST = 510  # of a line without tags and without CR LF, in bytes (RFC 1459, section 2.3)
CLIENT_TAGS = 4094  # of tag data that a client may send, in bytes
OUR_TAGS = 510  # of tag data that a server may add, in bytes
LONGEST_WITH_TAGS = len("@") + CLIENT_TAGS + len(" ") + LONGEST

# Commands whose last parameter is text: it always has a colon, which old clients expect.
TEXTS = frozenset(["PRIVMSG", "NOTICE", "TOPIC", "PART", "QUIT", "KICK", "AWAY", "ERROR", "WALLOPS", "SETNAME"])

_KEY = re.compile(r"\+?(?:[A-Za-z0-9.:-]+/)?[A-Za-z0-9-]+\Z")
_ESCAPES = {";": r"\:", " ": r"\s", "\\": r"\\", "\r": r"\r", "\n": r"\n", "\0": ""}
_ESCAPED = re.compile(r"[; \\\r\n\0]")
_UNESCAPES = {":": ";", "s": " ", "r": "\r", "n": "\n"}
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
CTCP = "\x01"  # encloses messages from client program to client program
# Characters that become spaces on output: line ends, and all that could control a terminal.
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), " ")
_UNFIT = re.compile(r" |^:|^\Z")  # before other parameters


class BadLine(BadText):
    """A line that is no message. ``command`` is ``*`` if it could not be read; ``tags`` may have the label."""

    def __init__(self, text: str, command: str = "*", tags: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.command = command
        self.tags = tags or {}


class LineTooLong(BadLine):
    """A line with more than 4094 bytes of tags, or more than 512 of the rest: ERR_INPUTTOOLONG."""


class NotUtf8(BadLine):
    """A line that is not UTF-8: ``FAIL <command> INVALID_UTF8`` (IRCv3 ``utf8-only``)."""


@dataclass(frozen=True, slots=True)
class Message:
    """A command in capitals, or a number of three digits, with its context. A tag without a value has an empty one."""

    command: str
    params: tuple[str, ...] = ()
    source: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


# Input


def parse(line: bytes) -> Message | None:
    """Return a line, without its end, as a message; None if it is empty. Raise `BadLine` on an error."""
    line = line.lstrip(b"\0\r ")
    if not line:
        return None
    tags: dict[str, str] = {}
    if line.startswith(b"@"):
        data, _, line = line[1:].partition(b" ")
        if len(data) > CLIENT_TAGS:
            raise LineTooLong(f"The tags are too long: {len(data)} bytes, {CLIENT_TAGS} are allowed.")
        tags = parse_tags(data)
    line = line.lstrip(b" ")
    too_long = len(line) > LONGEST and f"Input line was too long: {len(line)} bytes, {LONGEST} are allowed."
    line = line.translate(None, b"\0\r")
    source = b""
    if line.startswith(b":"):
        source, _, line = line[1:].partition(b" ")
        line = line.lstrip(b" ")
    word, _, rest = line.partition(b" ")
    if too_long:
        raise LineTooLong(too_long, _readable(word), tags)
    try:
        return _message(word.decode(), rest.decode(), source.decode(), tags)
    except UnicodeDecodeError:
        raise NotUtf8("That is not UTF-8.", _readable(word), tags) from None


def _readable(command: bytes) -> str:
    """Return a command as an error names it."""
    return command.decode().upper() if command and command.isascii() else "*"


def _message(command: str, rest: str, source: str, tags: dict[str, str]) -> Message:
    if not command:
        raise BadLine("There is no command in that line.", tags=tags)
    middle, colon, trailing = f" {rest}".partition(" :")
    params = [word for word in middle.split(" ") if word]
    if colon:
        params.append(trailing)
    return Message(command.upper() if command.isascii() else command, tuple(params), source, tags)


def parse_tags(data: bytes) -> dict[str, str]:
    """Parse tag data, without its ``@``. Skip malformed tags; the last of two tags with one key counts. May raise `NotUtf8`."""
    try:
        text = data.translate(None, b"\0\r").decode()
    except UnicodeDecodeError:
        raise NotUtf8("The tags are not UTF-8.") from None
    pairs = (tag.partition("=") for tag in text.split(";"))
    return {key: _ESCAPE.sub(_unescaped, value) for key, _, value in pairs if _KEY.match(key)}


def _unescaped(match: re.Match[str]) -> str:
    return _UNESCAPES.get(match[1], match[1])


# Output


def format_tags(tags: Mapping[str, str]) -> bytes:
    """Return tags with the ``@`` before and the space after them; nothing if there are none."""
    if not tags:
        return b""
    pairs = (f"{key}={_ESCAPED.sub(_escaped, value)}" if value else key for key, value in tags.items())
    return f"@{';'.join(pairs)} ".encode("utf-8", "replace")


def _escaped(match: re.Match[str]) -> str:
    return _ESCAPES[match[0]]


def format_body(source: str, command: str, params: Sequence[str], *, text: bool = False) -> bytes:
    """Return a line without tags, with its CR LF. ``text`` always gives the last parameter a colon."""
    words = [f":{_shown(source)}", _shown(command)] if source else [_shown(command)]
    *middle, last = map(_shown, params) if params else [""]
    words += ["*" if _UNFIT.search(word) else word for word in middle]
    if params:
        words.append(f":{last}" if text or command in TEXTS or _UNFIT.search(last) else last)
    return clipped(" ".join(words).encode("utf-8", "replace"), LONGEST) + b"\r\n"


def _shown(word: str) -> str:
    if word.isascii() and word.isprintable():
        return word
    return CTCP.join(allowed(piece.translate(_CONTROLS)) for piece in word.split(CTCP))


def clipped(data: bytes, most: int) -> bytes:
    """Return the beginning of UTF-8 data, at most ``most`` bytes, that ends between two characters."""
    if len(data) <= most:
        return data
    while most and data[most] & 0xC0 == 0x80:
        most -= 1
    return data[:most]


@lru_cache(maxsize=1024)
def beginning(source: str, command: str, to: str) -> bytes:
    """Return the part before the text, which all lines from a source to a target share."""
    return format_body(source, command, (to, ""), text=True).removesuffix(b"\r\n")


def format_text(source: str, command: str, to: str, text: str) -> bytes:
    """Return the same as `format_body`, but faster, for a text that fits in `space_for_text`."""
    return beginning(source, command, to) + _shown(text).encode("utf-8", "replace") + b"\r\n"


def space_for_text(source: str, command: str, to: str) -> int:
    """Return the number of bytes of text that fit in such a line."""
    return LONGEST - len(beginning(source, command, to))


def pieces(text: str, most: int) -> list[str]:
    """Cut a text into pieces of at most ``most`` bytes (4 or more) each, after a space if one is near.

    The joined pieces are the text. A piece begins with a mark, or in the middle of an emoji, only if no other cut is left.
    """
    out: list[str] = []
    while len(data := text.encode("utf-8", "replace")) > most:
        cut = _cut(text, len(clipped(data, most).decode()))
        out.append(text[:cut])
        text = text[cut:]
    out.append(text)
    return out


def _cut(text: str, most: int) -> int:
    """Return the place to cut a text of which ``most`` characters fit."""
    space = text.rfind(" ", most // 2, most)
    if space >= 0:
        return space + 1
    for cut in range(most, max(most - 16, 0), -1):
        if category(text[cut])[0] != "M" and "\N{ZERO WIDTH JOINER}" not in text[cut - 1 : cut + 1]:
            return cut
    return most


# The content of a text


def ctcp(text: str) -> tuple[str, str] | None:
    """Return the command of a CTCP message, in capitals, and the rest; None if the text is not CTCP.

    The delimiter at the end may be missing (modern.ircdocs.horse/ctcp).
    """
    if not text.startswith(CTCP):
        return None
    command, _, rest = text[1:].removesuffix(CTCP).partition(" ")
    return command.upper(), rest


def action(text: str) -> str:
    """Return the text of ``/me`` as CTCP."""
    return f"{CTCP}ACTION {text}{CTCP}"


def unformatted(text: str) -> str:
    """Remove formatting such as colours, with their numbers, and bold (modern.ircdocs.horse/formatting)."""
    return text if text.isprintable() else FORMATTING.sub("", text)
