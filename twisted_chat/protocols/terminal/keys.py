"""The bytes a terminal sends, as keys.

1. Which keys a sequence stands for is prompt_toolkit's table: it knows the terminals' differences, and so our client's keys
   and these are the same. Its reader is not used: it keeps a paste, and a sequence that never ends, without a bound.
2. However the bytes are cut into packets, the keys are the same. At most `LONGEST_SEQUENCE` characters wait for their end.
3. What is no UTF-8 (RFC 3629) stands as U+FFFD. A sequence nobody knows is no key: it leaves nothing behind.
4. Escape and the key after it are one: whether time passes in between is not known here.
5. What is pasted (bracketed, as xterm's control sequences have it) is text, whatever it looks like.
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

# A sequence (ECMA-48; two brackets are the Linux console's), as far as it goes; with its last character it is whole.
_BEGUN = rf"\x1b\[\[?[0-?]{{0,{LONGEST_SEQUENCE - 6}}}[ -/]{{0,2}}"
_KEY = re.compile(rf"{_BEGUN}[@-~]|{_BEGUN}|\x1bO[@-~]|\x1b[^\x1b]|\x1b|[^\x00-\x1f\x7f]+|.", re.DOTALL)
_WAITING = re.compile(rf"(?:{_BEGUN}|\x1bO|\x1b)\Z")
_WAITING_IN_PASTE = re.compile(r"(?:\r|\x1b(?:\[(?:2(?:0(?:1)?)?)?)?)\Z")
_LINE_END = re.compile("\r\n?")


class Pasted(str):
    """Text that was pasted, or a part of it: its lines end in a line feed."""

    __slots__ = ()


def bound(actions: Mapping[Keys | tuple[Keys, ...], T]) -> dict[str, T]:
    """What is to be done for keys, by all the sequences that stand for them."""
    return {sequence: actions[key] for sequence, key in ANSI_SEQUENCES.items() if key in actions}


class KeyReader:
    """Cuts what one terminal sends into keys: the text of keys that have one, and sequences as they came."""

    __slots__ = ("_decoder", "_pasting", "_waiting")

    def __init__(self) -> None:
        self._decoder = getincrementaldecoder("utf-8")("replace")
        self._waiting = ""  # the beginning of a sequence
        self._pasting = False

    def read(self, data: bytes) -> Iterator[str]:
        """The keys that are whole now. Each is a control character, a sequence, `Pasted`, or printable text."""
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
