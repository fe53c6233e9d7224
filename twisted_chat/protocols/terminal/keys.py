"""A parser from a terminal's bytes to keys.

1. prompt_toolkit's table maps sequences to keys: it knows the differences between terminals, and makes these keys the same
   as our client's. Its reader is not used: it buffers pastes and endless sequences without a limit.
2. The keys do not depend on how the bytes are cut into packets. At most `LONGEST_SEQUENCE` characters wait for their end.
3. Invalid UTF-8 (RFC 3629) becomes U+FFFD. An unknown sequence is dropped whole.
4. Escape and the next key form one key: the reader does not know the time between them.
5. Pasted input (bracketed, as in xterm's control sequences) is always text.
"""

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator, Mapping
from typing import TypeVar

from prompt_toolkit.input.ansi_escape_sequences import ANSI_SEQUENCES
from prompt_toolkit.keys import Keys

T = TypeVar("T")

LONGEST_SEQUENCE = 32

PASTE_BEGINS, PASTE_ENDS = "\x1b[200~", "\x1b[201~"

# The beginning of a sequence (ECMA-48; two brackets are the Linux console's). The last character completes it.
_BEGUN = rf"\x1b\[\[?[0-?]{{0,{LONGEST_SEQUENCE - 6}}}[ -/]{{0,2}}"
_KEY = re.compile(rf"{_BEGUN}[@-~]|{_BEGUN}|\x1bO[@-~]|\x1b[^\x1b]|\x1b|[^\x00-\x1f\x7f]+|.", re.DOTALL)
_WAITING = re.compile(rf"(?:{_BEGUN}|\x1bO|\x1b)\Z")
_WAITING_IN_PASTE = re.compile(r"(?:\r|\x1b(?:\[(?:2(?:0(?:1)?)?)?)?)\Z")
_LINE_END = re.compile("\r\n?")


class Pasted(str):
    """Pasted text, or a part of it. Its lines end in a line feed."""

    __slots__ = ()


def bound(actions: Mapping[Keys | tuple[Keys, ...], T]) -> dict[str, T]:
    """Return the actions of keys by all the sequences that stand for the keys."""
    return {sequence: actions[key] for sequence, key in ANSI_SEQUENCES.items() if key in actions}


class KeyReader:
    """A reader that splits one terminal's input into keys: text for keys that have one, and unchanged sequences."""

    __slots__ = ("_decoder", "_pasting", "_waiting")

    def __init__(self) -> None:
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._waiting = ""  # the beginning of a sequence
        self._pasting = False

    def read(self, data: bytes) -> Iterator[str]:
        """Yield the keys that are complete now. Each is a control character, a sequence, `Pasted`, or printable text."""
        text = self._waiting + self._decoder.decode(data)
        self._waiting = ""
        while text:
            if self._pasting:
                pasted, end, text = text.partition(PASTE_ENDS)
                if not end and (waits := _WAITING_IN_PASTE.search(pasted)):
                    pasted, self._waiting = pasted[: waits.start()], waits[0]
                if pasted:
                    yield Pasted(_LINE_END.sub("\n", pasted))
                self._pasting = not end
            else:
                typed, begin, text = text.partition(PASTE_BEGINS)
                if not begin and (waits := _WAITING.search(typed)):
                    typed, self._waiting = typed[: waits.start()], waits[0]
                yield from _KEY.findall(typed)
                self._pasting = bool(begin)
