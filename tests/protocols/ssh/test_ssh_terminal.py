"""SSH at a terminal, in memory: what is typed and shown, what is hidden, and what waits."""

from ssh_clients import SshClient

from twisted_chat.protocols.ssh.channel import WINDOW
from twisted_chat.testing import Chat


def test_what_comes_is_shown_above_the_line_that_is_typed() -> None:
    """And what was entered is shown as everybody else sees it."""
    chat = Chat()
    ann, ben = SshClient(chat, "Ann", term="xterm-256color", colour=False), chat.enter("Ben")
    ann.send_bytes(b"half a li")
    ann.bytes()
    ben.send("hello")
    shown = ann.bytes()
    assert b"<Ben> hello\r\n" in shown
    assert shown.index(b"hello") < shown.index(b"half a li"), "the line is drawn again below"
    ann.send_bytes(b"ne\r")
    assert b"[12:01] <Ann> half a line\r\n" in ann.bytes()
    assert "[12:01] <Ann> half a line" in ben.lines()


def test_a_name_that_is_taken_is_asked_for_again_in_the_terminal() -> None:
    """As everywhere."""
    chat = Chat()
    chat.enter("Ann")
    other = SshClient(chat, "Ann", term="xterm")
    assert b"The name Ann is taken." in other.bytes()
    other.send_bytes(b"Anna\r")
    assert b"Hello Anna, you are now connected!" in other.bytes()


def test_a_password_is_not_shown() -> None:
    """It is asked for by a command, typed, and stands nowhere in what is written to the terminal."""
    chat = Chat()
    ann = SshClient(chat, "Ann", term="xterm")
    ann.send_bytes(b"/register\r")
    ann.send_bytes(b"secret12")
    ann.send_bytes(b"\r")
    shown = ann.bytes()
    assert b"Ann is yours now." in shown
    assert b"secret" not in shown
    ann.send_bytes(b"seen again")
    assert b"seen again" in ann.bytes()


def test_colours_by_what_the_terminal_can_and_its_owner_wants() -> None:
    """Names are coloured on a terminal with colours, unless NO_COLOR is set."""
    for term, colour, coloured in (
        ("xterm", True, True),
        ("xterm", False, False),
        ("dumb", True, False),
        ("vt100", True, False),
    ):
        chat = Chat()
        ann = SshClient(chat, "Ann", term=term, colour=bool(colour))
        chat.enter("Ben").send("hello")
        shown = ann.bytes()
        assert b"hello" in shown
        assert (b"\x1b[3" in shown or b"\x1b[9" in shown) is coloured, (term, colour)


def test_lines_are_folded_at_the_width_of_the_window() -> None:
    """Also after it has changed."""
    chat = Chat()
    ann, ben = SshClient(chat, "Ann", term="xterm", width=100, colour=False), chat.enter("Ben")
    ben.send("x " * 40)
    assert b"  | " not in ann.bytes()
    ann.resize(60, 20)
    ben.send("x " * 40)
    assert b"\r\n  | " in ann.bytes()


def test_what_is_pasted_is_said_line_by_line_and_once() -> None:
    """Twenty lines between the marks of a paste wait until they are entered."""
    chat = Chat()
    ann, ben = SshClient(chat, "Ann", term="xterm"), chat.enter("Ben")
    ben.lines()
    pasted = "\r".join(f"line {number}" for number in range(20))
    ann.send_bytes(f"\x1b[200~{pasted}\x1b[201~".encode())
    assert ben.lines() == []
    ann.send_bytes(b"\r")
    assert ben.lines() == [f"[12:01] <Ann> line {number}" for number in range(20)]


def test_control_d_leaves_and_the_terminal_is_left_as_it_was() -> None:
    """With status 0; pasting is marked no more, and nothing stands on the last row."""
    chat = Chat()
    for leave in (b"\x04", b"exit\r"):
        ann = SshClient(chat, "Ann", term="xterm")
        ann.send_bytes(b"given up\x03")
        ann.bytes()
        ann.send_bytes(leave)
        assert ann.session.status == 0
        assert ann.bytes().endswith(b"\x1b[?2004l")


def test_tab_completes_names() -> None:
    """Of people, rooms and commands, as they are seen by whoever types."""
    chat = Chat()
    ann = SshClient(chat, "Ann", term="xterm", colour=False)
    chat.enter("Benedict")
    ann.send_bytes(b"hi bene\t\r")
    assert b"<Ann> hi Benedict" in ann.bytes()


def test_keys_wait_while_nothing_can_be_written() -> None:
    """Somebody leans on a key while their window is shut: no more is held than the session has room for, and none is lost."""
    chat = Chat()
    ann = SshClient(chat, "Ann", term="xterm", window=400)
    ann.reads = False
    ben = chat.enter("Ben")
    for number in range(20):
        ben.send(f"message {number}")
    (person,) = [one for one in chat.connections if one.session.name == "Ann"]
    assert person.full
    before = person.unsent()
    ann.send_bytes(b"\t" * (2 * WINDOW))
    assert len(ann.session.buf) >= WINDOW, "the rest stays with the client"
    assert person.unsent() == before
    ann.reads = True
    ann.connection.adjustWindow(ann.session, 100_000_000)
    ann.flush()
    ann.send_bytes(b"there\r")
    assert "[12:01] <Ann> there" in ben.lines()
