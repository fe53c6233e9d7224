"""Fuzz target: text made safe is of the allowed kinds and stays so, and names are refused or can be told apart."""

import unicodedata
from contextlib import suppress

from twisted_chat.core.errors import ChatError
from twisted_chat.core.text import names
from twisted_chat.core.text.sanitize import MARKS_PER_BASE, ZERO_WIDTH_JOINERS, allowed, clean, decode, shortened


def check(data: bytes) -> None:
    """Raises if something unprintable is let through, or a second look changes what the first has made."""
    with suppress(ChatError):
        decode(data)
    text = data.decode("utf-8", "surrogateescape")  # so there are lone surrogates, too
    once = clean(text)
    assert clean(once) == once == allowed(once)
    assert clean(f"[12:01] <Ann> {once}") == f"[12:01] <Ann> {once}".rstrip()
    assert unicodedata.is_normalized("NFC", once)
    marks = 0
    for char in once:
        kind = unicodedata.category(char)
        assert kind[0] in "LMNPS" or kind == "Zs" or char in ZERO_WIDTH_JOINERS, hex(ord(char))
        marks = marks + 1 if kind[0] == "M" else 0
        assert marks <= MARKS_PER_BASE
    cut = shortened(text, 9)
    assert len(cut) <= 9 and clean(cut) == cut
    key = names.fold(text)
    assert names.fold(key) == key
    with suppress(ChatError):
        name = names.person(text)
        assert names.person(name) == name
        assert clean(name) == name and name.isprintable()
        assert names.skeletons(name)
    with suppress(ChatError):
        room = names.room(text)
        assert names.room(room) == room
