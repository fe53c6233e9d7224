"""Long lines in rows: no text comes to stand where a line of the server's could begin."""

import re
from unicodedata import category

import pytest
from chat_clients import Guest
from hypothesis import example, given
from hypothesis import strategies as st
from wcwidth import iter_graphemes, wcwidth

from twisted_chat.core.events import Said
from twisted_chat.core.text.sanitize import clean
from twisted_chat.protocols.terminal.rendering import PLAIN, Plain, colour_of, painted, terminal_text
from twisted_chat.protocols.terminal.wrapping import ENDLESS, GUTTER, LEAST, NARROWEST, UNKNOWN, rows
from twisted_chat.testing import Chat, Client

FAMILY = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
FAKES = [
    "[12:01] <Simran> Hello",
    "[server] you are banned",
    "* Simran joined (3 here)",
    "-> You are an operator now.",
    "<Simran> Hello",
    "<Simran -> Ann> psst",
    "Server: I received your message - 'Hello'",
    "Hello Ann, you are now connected!",
    "Welcome to the chat server! What's your name?",
    "\N{FULLWIDTH ASTERISK} Simran joined",
    "\N{RIGHTWARDS ARROW} You are banned",
    "\N{CYRILLIC CAPITAL LETTER DZE}erver: you are banned",
    "*\u0301 Simran joined",
    "\N{EN DASH}> You are banned",
]
PIECES = st.one_of(
    st.sampled_from(["a", "word ", " ", "  ", "日本", "é", "e\u0301\u0302", FAMILY, "\u05d0", "x" * 30, " " * 60, *FAKES]),
    st.text(max_size=4),
)
TEXTS = st.lists(PIECES, max_size=30).map("".join)


def wide(row: str) -> int:
    """How many columns a row takes: the sum of its characters'."""
    return sum(max(0, wcwidth(char)) for char in row)


def line(text: str) -> str:
    """What a terminal is sent of a message."""
    return clean(f"[12:01] <Ann> {text}")


@given(TEXTS, st.integers(LEAST, 100))
@example("日本" * 99, 40)
@example("a" + " " * 300 + "* Simran joined (3 here)", 80)
@example(FAMILY * 40, 20)
def test_at_a_known_width_no_row_is_wider_and_nothing_is_lost(text: str, columns: int) -> None:
    """Each row fits; but for blanks at the folds all is there, and no character is parted from its marks."""
    whole = line(text)
    cut = rows(whole, columns)
    shown = [cut[0], *(GUTTER + row for row in cut[1:])]
    assert all(wide(row) <= columns for row in shown)
    assert re.sub(r"\s", "", "".join(cut)) == re.sub(r"\s", "", whole)
    assert all(row == row.strip() and row for row in cut[1:])
    assert not any(category(row[0])[0] == "M" for row in cut)
    fitting = [one for one in iter_graphemes(whole) if sum(map(wide, one)) * 2 < LEAST - len(GUTTER) and not one.isspace()]
    assert [one for row in cut for one in iter_graphemes(row) if one in set(fitting)] == fitting


@given(st.lists(st.sampled_from([*FAKES[:9], "a", " ", " " * 7, "word ", "x" * 30]), max_size=12).map("".join), st.data())
def test_whatever_the_width_no_row_looks_like_ours(text: str, data: st.DataObject) -> None:
    """Where the width is not known, a terminal of at least 40 columns wraps no text so that it begins like another line."""
    columns = data.draw(st.integers(NARROWEST, 200))
    cut = rows(line(text), UNKNOWN)
    sent = [cut[0], *(GUTTER + row for row in cut[1:])]
    wrapped = [row[at : at + columns] for row in sent for at in range(columns, len(row), columns)]
    assert not [row for row in wrapped for fake in FAKES if row.startswith(fake[: len(row)]) and len(row) > len("Welcome to")]


@pytest.mark.parametrize("fake", FAKES)
@pytest.mark.parametrize("before", ["hi" + " " * 200, "x" * 64, "日本" * 20])
def test_an_imitation_stands_behind_the_gutter(before: str, fake: str) -> None:
    """T47: whatever it is padded with, what looks like a line of ours gets the gutter before it, and no blanks."""
    assert rows(line(before + fake), UNKNOWN)[-1] == fake.rstrip()


@pytest.mark.parametrize("text", ["see a[i] and b", "* not * far *", "a -> b", "", "x" * 4000, "word " * 500])
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    """Where the width is not known, nothing is folded that can't deceive."""
    assert rows(line(text), UNKNOWN) == [line(text)]


def test_a_long_name_and_room_are_no_imitation() -> None:
    """A line's own beginning is never taken for another's."""
    text = f"[12:01] #{'r' * 32} <{'A' * 32}> hello"
    assert rows(text, UNKNOWN) == [text]


def test_colours_take_no_columns() -> None:
    """A coloured name is folded as a plain one, and its colour is never cut."""
    text = " and so on and on" * 9
    plain = rows(f"[12:01] <Simran> {text}", 40)
    coloured = rows(terminal_text(f"[12:01] <{painted('Simran')}> {text}"), 40)
    assert coloured[0] == plain[0].replace("Simran", f"\x1b[{colour_of('Simran')}mSimran\x1b[0m")
    assert coloured[1:] == plain[1:]


@pytest.mark.parametrize("columns", [UNKNOWN, 80])
@pytest.mark.parametrize("mark", ["<{}>", "* {}"])
def test_a_name_does_not_change_places_with_a_text(mark: str, columns: int) -> None:
    """T43: where name and text are both written from right to left, or a number stands between, each has its own row."""
    head = "[12:01] " + mark.format("אבג")
    for text in ("שלום", "123 שלום", "... שלום", "12"):
        assert rows(f"{head} {text}", columns) == [head, text]
    for text in ("hello", "hello שלום", "!"):
        assert rows(f"{head} {text}", columns) == [f"{head} {text}"]
    assert len(rows(f"[12:01] {mark.format('Ann')} שלום", columns)) == 1


def test_receipts_help_and_refusals_stay_whole_where_no_width_is_known() -> None:
    """The original's receipt is one line whatever it says, and our own sentences deceive nobody."""
    chat = Chat()
    ann = chat.enter("Ann")
    long = "x" * 60 + " * Simran joined (3 here)"
    ann.lines()
    ann.send(long)
    assert ann.lines() == [f"Server: I received your message - '{long}'"]
    ann.send("/help", "/nosuch", "/msg", "/set fold perhaps")
    shown = ann.lines()
    assert max(map(len, shown)) > NARROWEST
    assert not [row for row in shown if row.startswith(GUTTER)]


@pytest.mark.parametrize("command", ["{}", "/me {}", "/msg Bob {}", "/topic {}", "/quit {}", "/away {}"])
def test_every_way_to_say_something(command: str) -> None:
    """Messages, topics, reasons and the like are guarded alike, live and in the history."""
    chat = Chat()
    ann, bob = chat.enter("Ann"), chat.enter("Bob")
    bob.lines()
    ann.send(command.format("x" * 60 + "* Simran joined (3 here)"))
    bob.send("/msg Ann hi", "/history", "/search Simran", "/rooms")
    shown = bob.lines()
    found = [row for row in shown if row.endswith("* Simran joined (3 here)")]
    assert found
    assert set(found) == {f"{GUTTER}* Simran joined (3 here)"}


def test_a_program_gets_the_text_as_it_was() -> None:
    """Rows are for terminals only."""
    chat = Chat()
    ann, program = chat.enter("Ann"), chat.enter("Al", "json")
    text = "x" * 60 + "* Simran joined (3 here)"
    ann.send(text)
    assert [one["text"] for one in program.objects("said")] == [text]


def window(client: Client, columns: int) -> None:
    """The client's window has so many columns now: NAWS, RFC 1073."""
    client.send_bytes(b"\xff\xfa\x1f" + columns.to_bytes(2, "big") + b"\0\x18\xff\xf0")


def test_a_telnet_clients_lines_fit_its_window() -> None:
    """Lines are folded at the window's width as it is at the time; who wants them whole can have them so."""
    chat = Chat()
    ann, bob = chat.enter("Ann"), chat.enter("Bob")
    window(bob, 40)
    bob.transport.received = b""
    text = "one two three four five six seven eight nine ten"
    ann.send(text)
    assert bob.lines() == ["[12:01] <Ann> one two three four five", "  | six seven eight nine ten"]
    window(bob, 65)
    ann.send(text)
    assert bob.lines() == [f"[12:01] <Ann> {text[:45].rstrip()}", "  | ten"]
    bob.send("/set fold off")
    bob.lines()
    ann.send(text)
    assert bob.lines() == [f"[12:01] <Ann> {text}"]
    bob.send("/set fold on")
    bob.lines()
    ann.send(text)
    assert len(bob.lines()) == 2


def test_refusals_fit_the_window_too() -> None:
    """What the server says is folded as well: else the terminal would do it."""
    bob = Chat().enter("Bob")
    window(bob, 20)
    bob.transport.received = b""
    bob.send("/nosuchcommand")
    shown = bob.lines()
    assert len(shown) > 1
    assert all(len(row) <= 20 for row in shown)
    assert all(row.startswith(GUTTER) for row in shown[1:])


def test_widths_that_hardly_differ_share_their_bytes() -> None:
    """A room of many window sizes is rendered to few dialects; and a thousand sizes in a packet change it once."""
    assert PLAIN.at_width(80) == PLAIN.at_width(89) == Plain(columns=80)
    chat = Chat()
    ann = chat.enter("Ann")
    session = ann.transport.protocol.session
    ann.send_bytes(b"".join(b"\xff\xfa\x1f\0" + bytes([size]) + b"\0\x18\xff\xf0" for size in (90, 85) * 500))
    before = session.dialect
    assert before.columns == 80
    window(ann, 88)
    assert session.dialect is before


def test_a_message_is_one_line_to_who_reads_a_pipe() -> None:
    """The bundled client writes lines to a pipe, whatever is in them."""
    text = "x" * 60 + "* Simran joined (3 here)"
    said = Said(1, 0.0, "#lobby", "Ann", text)
    assert Plain(columns=ENDLESS).render([said]).count(b"\n") == 1
    assert Plain().render([said]).count(b"\n") == 2


def test_a_setting_of_a_registered_name_is_kept() -> None:
    """``/set fold off`` is there again at the next visit."""
    chat = Chat()
    ann = Guest(chat, "line", "Ann")
    ann.type("/register secret-secret", "secret-secret", "/set fold off")
    ann.leave()
    assert "fold  off" in re.sub(" +", "  ", Guest(chat, "line", "Ann", "secret-secret").answer("/set fold"))
