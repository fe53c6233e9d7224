"""OpenSSH in a pseudo-terminal, in which one sees what an emulator shows (pyte), at a real daemon."""

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable

import pyte
from daemons import PATIENCE, Daemon, Talker, program
from terminal_emulator import Expected, Window

# Asks nobody about the server's key, remembers none, and shows none of its own.
OPTIONS = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "PubkeyAuthentication=no"]
BACK_TO_THE_BEGINNING, LEFT = "\x01", "\x1b[D"


class Seat:
    """Somebody before a window in which OpenSSH runs."""

    def __init__(self, daemon: Daemon, name: str, columns: int = 60, rows: int = 15) -> None:
        options = [part for option in OPTIONS for part in ("-o", option)]
        command = [program("ssh"), "-F", "none", *options, "-p", str(daemon.port), f"{name}@127.0.0.1"]
        self.window = Window(columns, rows)
        self._stream = pyte.ByteStream(self.window)
        self._pid, self._terminal = pty.fork()
        if not self._pid:
            os.execvpe(command[0], command, os.environ | {"TERM": "xterm-256color"})
        self.resize(columns, rows)
        self.look_until(lambda: self.shows("you are now connected!"))

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._terminal, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Make the window another size."""
        self.window.become(columns, rows)
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def look_until(self, seen: Callable[[], bool]) -> None:
        """Look at the window until something is to be seen there."""
        deadline = time.monotonic() + PATIENCE
        while not seen():
            shown = "\n".join(self.rows)
            assert select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))[0], shown
            self._stream.feed(os.read(self._terminal, 65536))

    def status(self) -> int:
        """Wait for the end."""
        try:
            while data := os.read(self._terminal, 65536):
                self._stream.feed(data)
        except OSError:  # Linux says so that the program has gone
            pass
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    @property
    def rows(self) -> list[str]:
        """What has been shown so far, also what has gone out at the top, without the rows below the cursor."""
        gone = ["".join(row[column].data for column in range(self.window.columns)) for row in self.window.history.top]
        return [row.rstrip() for row in [*gone, *self.window.display[: self.window.cursor.y + 1]]]

    def shows(self, text: str) -> bool:
        """Whether a row with this text has been shown."""
        return any(text in row for row in self.rows)

    def has(self, line: str, before: int | None = None) -> bool:
        """Whether the line stands at the bottom, with the cursor after so many characters, and nothing below it."""
        expected = Expected(line, len(line) if before is None else before, self.window.columns)
        row, column = expected.cursor
        top = self.window.cursor.y - row
        cells = [self.window.cells(at) for at in range(max(0, top), self.window.lines)]
        below = cells[len(expected.rows) :]
        return (
            top >= 0
            and cells[: len(expected.rows)] == expected.rows
            and self.window.cursor.x == column
            and not any("".join(row).strip() for row in below)
        )


def test_typing_while_messages_come(daemon: Daemon) -> None:
    """With a message between any two keys, the line is whole all the time, and each message is, in order."""
    seat, other = Seat(daemon, "Ann"), Talker(daemon.port, "Ben")
    seat.look_until(lambda: seat.shows("Ben joined"))
    text = (
        "A line of more than a row, with 日本語, 한국어, e\u0301 and \N{WAVING HAND SIGN} in it; it is typed while others talk."
    )
    for number, char in enumerate(text):
        other.say(f"message {number}.")
        seat.type(char)
        seat.look_until(lambda at=number: seat.shows(f"message {at}.") and seat.has(text[: at + 1]))
    seat.type(LEFT * 5)
    seat.look_until(lambda: seat.has(text, len(text) - 5))
    other.say("the last one")
    seat.look_until(lambda: seat.shows("the last one") and seat.has(text, len(text) - 5))
    messages = [row.partition("<Ben> ")[2] for row in seat.rows if "<Ben> message" in row]
    assert messages == [f"message {number}." for number in range(len(text))]
    seat.type("\r")
    other.until(f"<Ann> {text}".replace("e\u0301", "é"))
    seat.look_until(lambda: seat.has(""))
    seat.type("exit\r")
    assert seat.status() == 0


def test_another_size(daemon: Daemon) -> None:
    """The line is folded anew, and so is what comes."""
    seat, other = Seat(daemon, "Cy", 100, 20), Talker(daemon.port, "Dan")
    text = "word " * 15 + "日本語" * 5
    seat.type(text)
    seat.look_until(lambda: seat.has(text))
    for columns, rows in ((40, 12), (25, 20), (90, 8), (20, 24)):
        seat.resize(columns, rows)
        seat.look_until(lambda: seat.has(text))
        other.say(f"now {columns} " + "x" * 60)
        seat.look_until(lambda at=columns: seat.shows(f"now {at}") and seat.has(text))
    assert seat.shows("  | xxxx")
    seat.type("\x15")
    seat.look_until(lambda: seat.has(""))
    seat.type("exit\r")
    assert seat.status() == 0


def test_a_paste_of_twenty_lines(daemon: Daemon) -> None:
    """Nothing is sent until it is entered; then all of it is, in order, whatever else it holds."""
    seat, other = Seat(daemon, "Eve", 60, 40), Talker(daemon.port, "Fay")
    pasted = [f"line {number} /quit 日本 \N{GRINNING FACE}" for number in range(20)]
    seat.type("\x1b[200~" + "\r".join(pasted) + "\x1b[201~")
    seat.look_until(lambda: seat.has("\n".join(pasted)))
    other.say("still here?")
    seat.look_until(lambda: seat.shows("still here?") and seat.has("\n".join(pasted)))
    assert not any("<Eve>" in row for row in seat.rows)
    seat.type("\r")
    for line in pasted:
        other.until(line)
    seat.look_until(lambda: seat.shows("line 19 /quit") and seat.has(""))
    seat.type("\x04")
    assert seat.status() == 0


def test_completion_and_what_was_said_before(daemon: Daemon) -> None:
    """Names, rooms and commands become whole; a line that was entered comes back."""
    seat, _ = Seat(daemon, "Gil"), Talker(daemon.port, "Hildegard")
    seat.look_until(lambda: seat.shows("Hildegard joined"))
    seat.type("/ms\t hil\t")
    seat.look_until(lambda: seat.has("/msg Hildegard "))
    seat.type("\x15/who #lob\t\r")
    seat.look_until(lambda: seat.shows("-> In #lobby: ") and seat.has(""))
    seat.type("\x1b[A")
    seat.look_until(lambda: seat.has("/who #lobby "))
    seat.type(BACK_TO_THE_BEGINNING + "\x0bexit\r")
    assert seat.status() == 0
