"""Text, names, lines and commands: what is pure."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_chat.core.command_table.table import Call, Table
from twisted_chat.core.errors import BadName, BadText
from twisted_chat.core.text import names
from twisted_chat.core.text.sanitize import ZERO_WIDTH_JOINERS, clean, decode, spoken
from twisted_chat.protocols.framing import LineSplitter, NoLineEnd, TooLong

ATTACKS = [
    "\x1b[2J",
    "a\x9b2J",
    "\u202eabc",
    "hi\b\b",
    "a\rb",
    "\x07" * 9,
    "a" + "\u0301" * 99,
    "\ufeffx",
    "\ud800",
    "\U000e0041",
]
ODD = st.text(st.one_of(st.characters(), st.sampled_from("".join(ATTACKS) + ZERO_WIDTH_JOINERS)))


@given(ODD)
def test_clean_is_idempotent_and_lets_only_the_allowed_through(text: str) -> None:
    """Whatever comes in, what comes out is of the allowed kinds, has few marks, and is not changed by a second time."""
    once = clean(text)
    assert clean(once) == once
    marks = 0
    for char in once:
        kind = unicodedata.category(char)
        assert kind[0] in "LMNPS" or kind == "Zs" or char in ZERO_WIDTH_JOINERS
        marks = marks + 1 if kind[0] == "M" else 0
        assert marks <= 4
    once.encode()


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u2060", "\u3164", "\x1b", "\u2800"])
def test_what_shows_nothing_is_no_message(text: str) -> None:
    """A message of invisibles only is refused."""
    with pytest.raises(BadText):
        spoken(text, 4096)


def test_length_is_counted_in_bytes() -> None:
    """A message of exactly the limit passes, one byte more does not."""
    assert spoken("é" * 2048, 4096) == "é" * 2048
    with pytest.raises(BadText, match="4098 bytes, 4096 are allowed"):
        spoken("é" * 2049, 4096)


@pytest.mark.parametrize(("data", "at"), [(b"\xff", 0), (b"caf\xe9", 3), (b"a\xc0\xaf", 1), (b"abc\xc3", 3)])
def test_a_refusal_names_the_wrong_byte(data: bytes, at: int) -> None:
    """What is not UTF-8 is refused with the offset of the first wrong byte."""
    with pytest.raises(BadText, match=f"byte {at} "):
        decode(data)


@pytest.mark.parametrize("name", ["Simran", "josé", "日本", "Ann-Marie", "o'neil", "x" * 32, "7of9"])
def test_names_that_are_allowed(name: str) -> None:
    """Names in one's own script pass unchanged."""
    assert names.person(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "a b", "x" * 33, ".", "-x", "/x", "#x", "@x", "123", "<x>", "a\u200bb", "ﬁ", "a\x1b", "Server", "ADMIN", "ｒｏｏｔ"],
)
def test_names_that_are_not(name: str) -> None:
    """Whatever could deceive is refused with a sentence."""
    with pytest.raises(BadName):
        names.person(name)


@given(st.text())
def test_fold_is_idempotent(name: str) -> None:
    """Folding twice changes nothing."""
    assert names.fold(names.fold(name)) == names.fold(name)


@pytest.mark.parametrize(("one", "other"), [("Ann", "ANN"), ("straße", "STRASSE"), ("ａｎｎ", "ann"), ("e\u0301", "é")])
def test_names_that_are_the_same(one: str, other: str) -> None:
    """Case, width and composition do not count."""
    assert names.fold(one) == names.fold(other)


def split(pieces: list[bytes]) -> list[object]:
    """What a splitter makes of pieces."""
    splitter = LineSplitter(8, 16)
    out: list[object] = []
    for piece in pieces:
        splitter.feed(piece)
        while True:
            try:
                line = splitter.next()
            except TooLong:
                out.append("too long")
                continue
            except NoLineEnd:
                return [*out, "no line end"]
            if line is None:
                break
            out.append(line)
    return [*out, splitter.rest()] if len(splitter) <= 8 else out


@given(st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b"a", b"bcd", b"x" * 9, b"\xff", b"\xef\xbb\xbf"])), st.data())
def test_however_bytes_are_cut_the_lines_are_the_same(parts: list[bytes], data: st.DataObject) -> None:
    """Any re-chunking of the same bytes gives the same lines."""
    whole = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert split(pieces) == split([whole])


def test_a_declaration_that_does_not_match_fails_at_once() -> None:
    """A handler with other parameters than its usage, or without a docstring, is no command."""
    table = Table()
    with pytest.raises(TypeError):

        @table.command("poke", "NAME [TEXT...]")
        def poke(call: Call, name: str) -> None:
            """Poke."""

    with pytest.raises(TypeError):

        @table.command("prod")
        def prod(call: Call) -> None:
            pass
