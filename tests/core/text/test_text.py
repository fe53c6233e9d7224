"""What text is shown to others: every code point is of an allowed kind, wherever the text goes."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twisted_chat.config import Config
from twisted_chat.core.errors import BadText
from twisted_chat.core.text import sanitize as text_module
from twisted_chat.core.text.names import fold, shown
from twisted_chat.core.text.sanitize import (
    INVISIBLE,
    MARKS_IN_A_ROW,
    MARKS_PER_BASE,
    ZERO_WIDTH_JOINERS,
    allowed,
    as_reason,
    clean,
    shortened,
    spoken,
)
from twisted_chat.testing import TELNET_ECHO, Chat

JAMO = "\u1100\u1161\u11a8\u115f\u1160\u3164\uffa0"
MARKS = "\u0301\u0308\u0323\u0338\u034f\u0345\u20dd\u093c\u180b\ufe0f\U000e0100\u0e49\u05b0"
BASES = "aeIß\u0958\u0915\u1e9b\ufb2c\U0001d160\u212b\u2126日*+\N{MAN}\U0001f3fb "
HARMFUL = (
    "\0\x02\x03\x07\b\t\n\r\x0e\x1b\x7f\x85\x9b\xad\u061c\u180e\u200b\u200e\u2028\u202e\u2060\u2067\ufeff\ufff9\ufdd0\ue000"
)
ALPHABET = JAMO + MARKS + BASES + HARMFUL + ZERO_WIDTH_JOINERS + "\U000e0041\ud800\uffff0123,"
ANY = st.one_of(st.text(st.sampled_from(ALPHABET)), st.text(st.characters(codec=None)))


@given(ANY)
@example("e\u200d\u0301")
@example("a\u034f\u0301\u0323")
@example("\u1100\u115f\u1161")
def test_what_comes_out_is_of_the_allowed_kinds_and_stays_so(text: str) -> None:
    """Allowed kinds only, composed, with few marks, no longer than it was, and the same when it is made safe again."""
    once = clean(text)
    assert clean(once) == once
    assert allowed(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert len(once) <= len(unicodedata.normalize("NFC", text))
    marks = 0
    for before, char, after in zip(" " + once, once, once[1:] + " ", strict=False):
        kind = unicodedata.category(char)
        assert kind[0] in "LMNPS" or kind == "Zs" or char in ZERO_WIDTH_JOINERS
        assert ord(char) not in INVISIBLE
        marks = marks + 1 if kind[0] == "M" else 0
        assert marks <= MARKS_PER_BASE
        if char in ZERO_WIDTH_JOINERS:
            assert unicodedata.category(before)[0] in "LMS" and unicodedata.category(after)[0] in "LS"
    assert not once or unicodedata.category(once[0])[0] != "M"
    once.encode()


@given(ANY)
def test_safe_text_stays_as_it_is_behind_a_name(text: str) -> None:
    """What is put together from safe pieces is safe, so terminals show of a message exactly what is kept of it."""
    once = clean(text)
    assert clean(f"[12:01] <Ann> {once}") == f"[12:01] <Ann> {once}".rstrip()
    assert clean(f"({once})") == f"({once})"


@given(ANY, st.integers(0, 40))
def test_a_text_that_is_cut_is_safe_too(text: str, longest: int) -> None:
    """Reasons, and what answers repeat, are not longer than allowed and need no second look."""
    cut = shortened(text, longest)
    assert len(cut) <= longest
    assert clean(cut) == cut
    assert len(as_reason(text)) <= 200
    assert len(shown(text)) <= 32


def test_normalization_never_meets_a_long_row_of_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sorts marks in quadratic time: 32 KiB of them took half a second, for which everybody waited."""
    rows: list[int] = []

    def normalize(form: str, text: str) -> str:
        row = 0
        for char in text:
            row = row + 1 if unicodedata.category(char)[0] == "M" else 0
            rows.append(row)
        return unicodedata.normalize(form, text)  # type: ignore[arg-type]

    monkeypatch.setattr(text_module, "normalize", normalize)
    assert clean("a" + "\u0315\u0316" * 9000 + "b") == "a" + "\u0316" * 4 + "b"
    for marks in (1, 14, 15, 16, 29, 30, 31, 45):
        clean(" " * 7 + "a" + "\u0315\u0316" * marks + "日" * 20 + "\u0316" * marks)
    assert max(rows) == MARKS_IN_A_ROW


def test_what_is_too_long_for_a_name_is_neither_folded_nor_remembered() -> None:
    """Every word of every message may be folded: that must not keep 4,096 texts of 4 KiB in memory."""
    assert fold("A" * 32) == "a" * 32
    assert fold("A" * 33) == "A" * 33


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("\x1b[2Jx", "[2Jx"),  # T35: without its escape it is text
        ("\x1b]0;x\x07", "]0;x"),
        ("x\x1b", "x"),
        ("a\x9b2J\x9d\x90b", "a2Jb"),  # T36
        ("\x1b]52;c;aGk=\x07", "]52;c;aGk="),  # T37
        ("\x07" * 4096, ""),  # T40
        ("hi\b\b", "hi"),  # T41
        ("me: ok\radmin: ok", "me: okadmin: ok"),
        ("a\x7fb", "ab"),
        ("a\x0e\x0fb", "ab"),  # T42
        ("\u202eabc\u2066\u200f\u061c", "abc"),  # T43
        ("שלום", "שלום"),
        ("a\u200bb\u2060c\ufeffd\xade\u180ef", "abcdef"),  # T44
        ("\u3164\u115f\u1160\uffa0\u2800\u034f", ""),
        ("ab\u200d", "ab"),
        ("\u200dab", "ab"),
        ("1\u200d2", "12"),
        ("+\u200d+", "++"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\N{MAN}\u200d\N{WOMAN}", "\N{MAN}\u200d\N{WOMAN}"),
        ("\u2764\ufe0f\u200d\U0001f525", "\u2764\ufe0f\u200d\U0001f525"),
        ("o" + "\u0315" * 2000, "o" + "\u0315" * 4),  # T45
        ("\u0301\u0301x", "x"),
        ("\x0304,12red\x03 \x02bold\x02 \x04ff0000x \x1fu\x16r\x1d\x1e\x11", "red bold x ur"),  # T48
        ("a\tb", "a b"),  # T16
        (" " * 4096, ""),
        ("\t" * 4096, ""),
        ("a\0b", "ab"),  # T9
        ("\ufffe\ufdd0\ue000\u0378", "\ufffd" * 4),  # T23
        ("x\U000e0041\U000e007f\U000e0100", "x"),
        ("\ud800", "\ufffd"),
        ("a\ufeffb", "ab"),  # T22
        ("e\u0301", "é"),
        ("\u1100\u1161", "가"),
        ("a\u2028b\u2029c", "a b c"),
        ("a\u3000b\xa0", "a\u3000b"),
    ],
)
def test_each_of_torture(sent: str, shown: str) -> None:
    """T9, T16, T22, T23, T35 to T48."""
    assert clean(sent) == shown


@pytest.mark.parametrize(
    "nothing", ["", " ", "\u3000", "\u200b", "\u3164\u2800", "\x02\x02", "\u0301", "\x0304", "\ufe0f", "\xad"]
)
def test_what_shows_nothing_is_no_message(nothing: str) -> None:
    """A message of invisibles only is refused as empty."""
    with pytest.raises(BadText, match="nothing to read"):
        spoken(nothing, 4096)


ATTACK = "\x1b[2J\x1b]0;x\x07\x9b31m\u202e\x03\b\x7f\r\0"


def unprintable(data: bytes) -> list[str]:
    """What may not be sent to a terminal."""
    text = TELNET_ECHO.sub(b"", data).decode()
    kinds = (unicodedata.category(char) for char in text)
    return [char for char, kind in zip(text, kinds, strict=True) if kind[0] == "C" and char not in "\r\n" + ZERO_WIDTH_JOINERS]


WAYS: list[Callable[[str], tuple[str, ...]]] = [
    lambda bad: (f"a{bad}b",),
    lambda bad: (f"/me a{bad}b",),
    lambda bad: (f"/topic a{bad}b", "/topic", "/rooms"),
    lambda bad: (f"/msg Bob a{bad}b",),
    lambda bad: (f"/away a{bad}b", "/away", f"/away {bad}"),
    lambda bad: (f"/nick a{bad}b",),
    lambda bad: (f"/join a{bad}b", f"/join tea {bad}", "/join tea", f"/room key {bad}x", "/room"),
    lambda bad: (f"/{bad}", f"/x{bad}y", f"/help {bad}", f"/set {bad} {bad}", f"/set fold {bad}"),
    lambda bad: (f"/whois {bad}", f"/msg {bad} x", f"/ignore {bad}", f"/ignore x{bad}", "/ignores", f"/unignore {bad}"),
    lambda bad: (f"/search {bad}", f"/search x from:{bad}", f"/search in:{bad} x", f"/search since:{bad} x"),
    lambda bad: (f"/history {bad}", f"/history since {bad}", f"/code {bad}", f"/resume {bad} {bad}", f"/invite {bad}"),
    lambda bad: (
        f"/kick Bob {bad}x",
        f"/ban Bob 1h a{bad}b",
        "/bans",
        f"/ban {bad}",
        f"/unban {bad}",
        f"/mute 192.0.2.9 {bad}x",
    ),
    lambda bad: (f"/op {bad}", f"/deop {bad}", f"/slow {bad}", f"/delete {bad}", f"/lockdown {bad}", "/audit", f"/audit {bad}"),
    lambda bad: (f"/announce a{bad}b", f"/motd a{bad}b", "/motd", f"/devices {bad}", f"/bell {bad}", f"/name {bad} {bad}"),
    lambda bad: (f"/quit a{bad}b",),
]


@pytest.mark.parametrize("way", range(len(WAYS)))
@pytest.mark.parametrize("kind", ["line", "json"])
def test_nothing_anybody_types_reaches_a_terminal_as_it_was(way: int, kind: str) -> None:
    """P3: whatever it is typed into, and whoever is then shown it, no control character arrives; nor a bug."""
    chat = Chat(Config(operator=("Ann",)))
    bob, ann = chat.enter("Bob"), chat.enter("Ann")
    ann.send("/register secret-secret", "/devices many")
    typing = ann if kind == "line" else chat.enter("Ann", kind, password="secret-secret")
    bob.send("/topic x", "hello")
    for line in WAYS[way](ATTACK):
        typing.send(line if kind == "line" else {"type": "line", "text": f"{line}\ud800"})
    bob.send("/who", "/rooms", "/history", "/search a", "/whois Ann")
    chat.turn()
    for client in (ann, bob):
        assert not unprintable(client.transport.received)
        assert b"not your fault" not in client.transport.received
    assert typing is ann or b"not your fault" not in typing.transport.received
