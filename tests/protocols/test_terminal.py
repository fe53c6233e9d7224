"""The line editor for other people's terminals: what is typed, and what an emulator of a terminal (pyte) shows of it."""

import re
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prompt_toolkit.input.ansi_escape_sequences import ANSI_SEQUENCES
from terminal_emulator import Expected, Person, complete

from twisted_chat.protocols.terminal.buffer import LONGEST
from twisted_chat.protocols.terminal.editor import EndOfInput, Entered, Interrupted, Terminal, colours
from twisted_chat.protocols.terminal.keys import LONGEST_SEQUENCE, KeyReader

FAMILY = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
HOME, END, DELETE, BACK = "\x1b[H", "\x1b[F", "\x1b[3~", "\x7f"
WORD_LEFT, WORD_RIGHT = "\x1b[1;5D", "\x1b[1;5C"

TEXTS = ["a", "word", " ", "x" * 30, "日本", "é", "e\u0301", "\N{GRINNING FACE}", FAMILY, "❤\ufe0f", "הי", "हिन्दी", "🇩🇪"]
KEYS = [UP, DOWN, RIGHT, LEFT, HOME, END, DELETE, BACK, WORD_LEFT, WORD_RIGHT, "\x1bb", "\x1bf", "\x1bd", "\x1b\x7f", "\x1b\r"]
KEYS += [
    *"\x01\x02\x05\x06\x0b\x0e\x10\x15\x17\x19",
    "\t",
    "\r",
    "\x03",
    "\x0c",
    "\x1b[200~one\r\n日本 two\x1b[201~",
    "\x1b[999~",
]
# What may be written: text, line ends, the bell, and these sequences.
ALLOWED = re.compile(
    r"(?:[^\x00-\x1f\x7f-\x9f]|\r\n|\r|\a|\x1b\[\d*[ACKJ]|\x1b\[(?:[01]|[39][0-7])m|\x1b\[H\x1b\[2J|\x1b\[\?2004[hl])*"
)
ALLOWED_WHEN_DUMB = re.compile(r"(?:[^\x00-\x1f\x7f-\x9f]|\r\n|\r|\a)*")


def line_shows(person: Person) -> bool:
    """Whether the line that is being typed stands in the window as it should, and the cursor in it, and nothing below."""
    line = person.terminal._line
    expected = Expected(line.text, line.cursor, person.window.columns)
    row, column = expected.cursor
    most = person.window.lines - 1
    first = max(0, row - most + 1)
    rows = expected.rows[first : first + most]
    top = person.window.cursor.y - (row - first)
    below = range(top + len(rows), person.window.lines)
    return (
        top >= 0
        and [person.window.cells(top + at) for at in range(len(rows))] == rows
        and not any("".join(person.window.cells(at)).strip() for at in below)
        and person.window.cursor.x == column
    )


@pytest.mark.parametrize(
    ("keys", "left", "right"),
    [
        ("hello", "hello", ""),
        ("hello" + LEFT * 2, "hel", "lo"),
        ("hello\x02\x02\x06", "hell", "o"),
        ("hello" + LEFT * 9 + RIGHT, "h", "ello"),
        ("hello" + HOME + "x", "x", "hello"),
        ("hello\x01\x05x", "hellox", ""),
        ("hello\x1bOH" + "x", "x", "hello"),
        ("hello\x1b[1~x\x1b[4~y", "xhelloy", ""),
        ("hello" + HOME + DELETE * 2, "", "llo"),
        ("hello\x01\x04", "", "ello"),
        ("hello\x7f\x08", "hel", ""),
        (f"a{FAMILY}b" + LEFT * 2, "a", f"{FAMILY}b"),
        (f"a{FAMILY}" + BACK, "a", ""),
        ("ae\u0301" + LEFT, "a", "e\u0301"),
        ("ae\u0301" + BACK, "a", ""),
        ("one two\x1bb", "one ", "two"),
        ("one, two" + WORD_LEFT * 2, "", "one, two"),
        ("one two\x01\x1bf", "one", " two"),
        ("one two\x01" + WORD_RIGHT * 2 + "x", "one twox", ""),
        ("über häuser\x1b[1;3D\x1b[1;3D", "", "über häuser"),
        ("हिन्दी भाषा\x1bb", "हिन्दी ", "भाषा"),
        ("one a/b\x17", "one ", ""),
        ("one a/b\x1b\x7f", "one a/", ""),
        ("one two\x01\x1bd", "", " two"),
        ("one two\x1bb\x0b", "one ", ""),
        ("one two\x1bb\x15", "", "two"),
        ("one two\x17\x17x\x19", "xone two", ""),
        ("one two\x17x\x17\x19", "one x", ""),
        ("one two\x01\x1bd\x1bd\x19\x19", "one twoone two", ""),
        ("one\x15two\x0b\x19", "twoone", ""),
        ("one\rtwo\r" + UP, "two", ""),
        ("one\rtwo\rthr" + UP * 5, "one", ""),
        ("one\rtwo\rthr" + UP * 2 + DOWN * 2, "thr", ""),
        ("one\rtwo\rthr\x10\x10\x0e", "two", ""),
        ("one\rone\rtwo" + UP * 2, "one", ""),
        ("one\r  \r" + UP, "one", ""),
        ("one\rtwo" + DOWN, "two", ""),
        ("one a\rtwo\rone b\rone\x12", "one b", ""),
        ("one a\rtwo\rone b\rone\x12\x12", "one a", ""),
        ("one a\rtwo\rone b\rone\x12\x12\x12" + DOWN, "two", ""),
        ("one a\rtwo\rone b\rb\x12 c", "one b c", ""),
        ("one\rtwo\x12", "two", ""),
    ],
)
def test_keys(keys: str, left: str, right: str) -> None:
    """Keys do what they do in Emacs and readline, by what people see as characters."""
    person = Person()
    person.type(keys)
    line = person.terminal._line
    assert (line.text[: line.cursor], line.text[line.cursor :]) == (left, right)
    assert line_shows(person)


def test_what_is_entered_is_told_in_order() -> None:
    """Lines, an interruption that gives the line up, and the end, which is one on an empty line only."""
    person = Person()
    assert person.type("one\rtw\x03three\r\r\x04") == [
        Entered("one"),
        Interrupted(),
        Entered("three"),
        Entered(""),
        EndOfInput(),
    ]
    assert person.type("x\x01\x04\x04") == [EndOfInput()]
    assert person.rows == [">"]


def test_a_paste_is_one_line() -> None:
    """However many lines are pasted, they come as one message; keys in them are text, or nothing."""
    person = Person(rows=30)
    pasted = "\r\n".join(f"line {number}\t\x1b[31m\x03" for number in range(20))
    assert person.paste(pasted) == []
    assert person.rows[:2] == ["> line 0 [31m", "  line 1 [31m"]
    assert line_shows(person)
    (entered,) = person.type("\r")
    assert entered == Entered("\n".join(f"line {number} [31m" for number in range(20)))


def test_up_and_down_within_a_paste() -> None:
    """In a line of several lines the cursor goes from one to the next; only beyond them is the past."""
    person = Person()
    person.type("before\r")
    person.paste("one\rtwo and three\r日本")
    person.type(UP + "x")
    assert person.terminal._line.text == "one\ntwxo and three\n日本"
    person.type(UP * 2)
    assert person.terminal._line.text == "before"
    person.type(DOWN)
    assert person.terminal._line.text == "one\ntwxo and three\n日本"
    assert line_shows(person)


def test_alt_enter_begins_a_line() -> None:
    """A message of several lines can be typed as well."""
    assert Person().type("one\x1b\rtwo\r") == [Entered("one\ntwo")]


@pytest.mark.parametrize(
    "sequence",
    [known for known in ANSI_SEQUENCES if not re.match(r"\x1b(?:\x1b|\[M|\[200~|\Z)|\x9b", known)],
)
def test_every_sequence_prompt_toolkit_knows_is_one_key(sequence: str) -> None:
    """What its table has for our client's keys is cut out whole, also between other keys."""
    assert list(KeyReader().read(f"a{sequence}b".encode())) == ["a", sequence, "b"]


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=12), st.sampled_from([*KEYS, *TEXTS]).map(str.encode)), max_size=20))
@example([b"\x1b[20", b"0~\r", b"\n\x1b[201~", b"\xe6\x97", b"\xa5\x1b", b"[", b"D"])
@example([b"\x1b[" + b"1" * 2 * LONGEST_SEQUENCE, b"A\x1b[[", b"Ax"])
def test_packets_make_no_difference(packets: list[bytes]) -> None:
    """Whatever comes, and however it is cut: the same is entered, and the line is the same."""
    whole, by_packet, by_byte = Person(), Person(), Person()
    sent = b"".join(packets)
    entered = whole.type(sent)
    assert [one for packet in packets for one in by_packet.type(packet)] == entered
    assert [one for byte in sent for one in by_byte.type(bytes([byte]))] == entered
    line = whole.terminal._line
    for other in (by_packet.terminal._line, by_byte.terminal._line):
        assert (other.text, other.cursor) == (line.text, line.cursor)
    assert line_shows(by_packet) and line_shows(by_byte)


class Moves:
    """What can happen at a terminal."""

    keys = st.lists(st.sampled_from([*KEYS, *TEXTS, *TEXTS]), max_size=8).map("".join)
    sizes = st.tuples(st.integers(20, 60), st.integers(2, 12))


@settings(max_examples=200, deadline=None)
@given(Moves.sizes, st.lists(st.one_of(Moves.keys, Moves.sizes, st.integers(1, 5)), max_size=12))
@example((20, 3), ["日本" * 30, 1, LEFT * 20, 2, (30, 4), "\r", 1])
@example((20, 12), [FAMILY * 9, (60, 12), LEFT * 4 + "x", (20, 2), 3])
def test_whatever_happens_the_line_is_shown(size: tuple[int, int], happens: list[str | tuple[int, int] | int]) -> None:
    """After keys, messages and another size alike: the line, the cursor in it, and nothing below."""
    person = Person(*size)
    for one in happens:
        if isinstance(one, str):
            person.type(one)
        elif isinstance(one, tuple):
            person.resize(*one)
        else:
            person.show(*(f"[12:0{number}] <Ann>" for number in range(one)))
        assert line_shows(person)
    assert ALLOWED.fullmatch(person.sent.decode())


@settings(deadline=None)
@given(st.lists(st.one_of(st.text(max_size=20), Moves.keys), max_size=12), st.booleans())
def test_what_is_written_is_of_our_own(happens: list[str], dumb: bool) -> None:
    """No control that is typed, pasted or shown goes out to the terminal; a dumb one is sent no sequence at all."""
    person = Person(term="dumb" if dumb else "xterm")
    for one in happens:
        person.type(one)
        person.paste(one)
        person.show(f"[12:01] <\x1b[91mAnn\x1b[0m> {one}")
    assert (ALLOWED_WHEN_DUMB if dumb else ALLOWED).fullmatch(person.sent.decode())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([*KEYS, "a", "word ", "日本", "x" * 30]), max_size=12), st.integers(20, 60))
@example(["日本" * 20, *[LEFT] * 7, "x", BACK, "\r"], 20)
def test_a_dumb_terminal_shows_the_row_with_the_cursor(keys: list[str], columns: int) -> None:
    """Without any sequences: the row of the line in which the cursor is, the cursor in it, and messages above."""
    person = Person(columns, 12, "dumb")
    for number, key in enumerate(keys):
        person.type(key)
        person.show(f"message {number}")
        line = person.terminal._line
        expected = Expected(line.text, line.cursor, columns)
        row, column = expected.cursor
        assert person.window.cells(person.window.cursor.y) == expected.rows[row]
        assert person.window.cursor.x == column
        assert person.rows[-2].startswith(f"message {number}")


def test_typing_while_messages_come() -> None:
    """At 50 messages a second, with a key between any two: each message stands whole above the line, in order."""
    person = Person(40, 12)
    typed = "This is a long line, with 日本語 and e\u0301 in it, that goes on over several rows of the terminal."
    for number, key in enumerate([*typed, *[LEFT] * 30, *"amid"]):
        list(person.terminal.feed(key.encode()))
        person.show(f"[12:01] <Ann> message {number}", f"[12:01] <Bob> 日本 {number}")
        assert line_shows(person)
    messages = [row for row in person.all_rows if row.startswith("[12:01]")]
    total = len(typed) + 34
    assert messages == [
        line for number in range(total) for line in (f"[12:01] <Ann> message {number}", f"[12:01] <Bob> 日本 {number}")
    ]
    assert person.type("\r") == [Entered(typed[:-30] + "amid" + typed[-30:])]


def test_one_write_and_only_what_changed() -> None:
    """A character at the end is written alone; a batch of messages is one write, with the line once."""
    person = Person()
    person.type("hell")
    assert list(person.terminal.feed(b"o")) == []
    assert person.look() == b"o"
    person.terminal.show(b"one\r\ntwo\r\n")
    person.terminal.show(b"three")
    assert person.look() == b"\r\x1b[Jone\r\ntwo\r\nthree\r\n> hello"
    assert person.look() == b""


def test_long_lines_are_shown_whole_above() -> None:
    """What is longer than a row is left to the terminal; the line stands below it all the same."""
    person = Person(20, 10)
    person.type("line")
    person.show("x" * 40, "y" * 20, "z" * 19)
    assert person.rows == ["x" * 20, "x" * 20, "y" * 20, "z" * 19, "> line"]


def test_completion() -> None:
    """One word is put in; what several have in common is; then all of them are shown above."""
    person = Person()
    person.type("an\t")
    assert person.rows == ["> Ann"]
    person.type("\t")
    assert person.rows == ["-> Ann  Anna", "> Ann"]
    person.type("a\tand bo\tx")
    assert person.rows[-1] == "> Anna and Bob x"
    person.type("\x15stra\t\x15/WHOI\t")
    assert person.rows[-1] == "> /whois"
    person.type("\x15nobody\t" + LEFT * 6 + "b\t")
    assert person.rows[-1] == "> Bob nobody"


def test_many_ways_to_complete() -> None:
    """Not more are shown than one can look through, folded like everything else."""
    terminal = Terminal(80, 24, "xterm", True, lambda text, cursor: [f"Ann{number}" for number in range(200)])
    terminal.take()
    list(terminal.feed(b"ann\t"))
    shown = terminal.take().decode()
    assert "Ann59  and 140 more" in shown
    assert max(map(len, shown.split("\r\n"))) <= 80


def test_what_had_no_room_is_not_sent_unseen() -> None:
    """The bell rings once; the first Enter says that the line was cut off, the second sends it."""
    person = Person(60, 100)
    person.type("x" * LONGEST)
    assert b"\a" not in person.sent
    person.type("y")
    person.type("z\r")
    assert person.sent.count(b"\a") == 1
    assert person.rows[0].startswith("-> Not all of that had room")
    assert line_shows(person)
    assert person.type("\r") == [Entered("x" * LONGEST)]
    person.paste("x" * LONGEST + "y")
    person.type(BACK)
    assert person.type("\r") == [Entered("x" * (LONGEST - 1))]
    assert person.sent.count(b"\a") == 2


def test_a_secret_is_neither_shown_nor_remembered() -> None:
    """What is typed while it is hidden comes in, and that is all."""
    person = Person()
    person.type("half a line")
    person.terminal.hide(True)
    assert person.type("se\x17secret\t\r") == [Entered("secret")]
    assert person.rows == [">"]
    person.terminal.hide(False)
    person.type("\x19" + UP + UP)
    assert person.rows == [">"]
    assert b"secret" not in person.sent


def test_a_secret_that_was_typed_ahead() -> None:
    """What is hidden when a line is entered is what comes behind it, also in the same packet."""
    person = Person()
    for typed in person.terminal.feed(b"/register\rsecret\r"):
        person.terminal.hide(typed == Entered("/register"))
    person.type(UP)
    assert person.rows == ["> /register"]
    person.type("\x15\x19" + UP * 3)
    assert person.rows == ["> /register"]


def test_another_size_after_a_message_in_one_turn() -> None:
    """The rows are taken away before the message is shown."""
    person = Person(30, 10)
    person.type("x" * 70)
    person.window.become(60, 10)
    person.terminal.show(b"message")
    person.terminal.resize(60, 10)
    person.look()
    assert person.rows[0] == "message"
    assert line_shows(person)


def test_a_new_top() -> None:
    """Control-L clears the window, and leaves the line."""
    person = Person()
    person.show("one", "two")
    person.type("line\x0c")
    assert person.rows == ["> line"]


@pytest.mark.parametrize(
    ("term", "many", "shown"),
    [
        ("xterm-256color", 16, "\x1b[91mAnn\x1b[0m"),
        ("linux", 8, "\x1b[31mAnn\x1b[0m"),
        ("vt100", 0, "Ann"),
        ("xterm-mono", 0, "Ann"),
        ("dumb", 0, "Ann"),
        ("", 0, "Ann"),
    ],
)
def test_colours_by_what_a_terminal_can(term: str, many: int, shown: str) -> None:
    """A terminal is sent the colours it has, or none."""
    assert colours(term) == many
    terminal = Terminal(80, 24, term, True, complete)
    terminal.show(b"<\x1b[91mAnn\x1b[0m> hi")
    assert f"<{shown}> hi" in terminal.take().decode()


def test_no_colour() -> None:
    """Who wants none has none, whatever the terminal can."""
    terminal = Terminal(80, 24, "xterm-256color", False, complete)
    terminal.show(b"<\x1b[91mAnn\x1b[0m> hi")
    assert "<Ann> hi" in terminal.take().decode()


def test_the_end() -> None:
    """The terminal is left without a line, the cursor below what was shown, and pastes as they were."""
    person = Person()
    person.type("half a line")
    person.show("Goodbye.")
    person.terminal.close()
    assert person.look().endswith(b"\x1b[?2004l")
    assert person.rows == ["Goodbye.", ""]
    assert person.look() == b""


def test_bounds() -> None:
    """A line, what can be called back, a sequence and a paste without an end: none takes more than its share."""
    terminal = Terminal(80, 24, "xterm", True, complete)
    tracemalloc.start()
    for _ in range(300):
        list(terminal.feed(b"x" * 100 + b"\r"))
    list(terminal.feed(b"\x1b[200~"))
    for _ in range(200):
        list(terminal.feed(b"\x1b[<" + b"1" * 1000))
    assert terminal._line.text and len(terminal._line.text) == LONGEST
    list(terminal.feed(b"\x1b[201~\x1b["))
    for _ in range(200):
        list(terminal.feed(b"1" * 1000))
    assert tracemalloc.get_traced_memory()[0] < 64 * 1024
    tracemalloc.stop()
    assert b"\a" in terminal.take()
