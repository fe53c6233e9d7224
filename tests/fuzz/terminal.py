"""Fuzz target: whatever comes from a terminal, only text and sequences of our own go out, and packets make no difference."""

import re

from fuzz import pieces
from twisted_chat.protocols.terminal.buffer import LONGEST
from twisted_chat.protocols.terminal.editor import Terminal

WORDS = ("Ann", "Anna", "日本", "#lobby", "/who")
TEXT = r"[^\x00-\x1f\x7f-\x9f]|\r\n|\r|\a"
OURS = {
    "xterm": re.compile(rf"(?:{TEXT}|\x1b\[\d*[ACKJ]|\x1b\[(?:[01]|[39][0-7])m|\x1b\[H\x1b\[2J|\x1b\[\?2004[hl])*"),
    "dumb": re.compile(rf"(?:{TEXT})*"),
}


def complete(text: str, cursor: int) -> list[str]:
    """The words that begin as the text before the cursor ends."""
    return [word for word in WORDS if word.startswith(text[:cursor].split(" ")[-1])]


def outcome(cut: list[bytes], term: str) -> tuple[object, ...]:
    """What is entered, and how the line stands then, of a terminal that is shown something after each packet."""
    terminal = Terminal(30, 5, term, True, complete)
    entered: list[object] = []
    for packet in cut:
        entered += terminal.feed(packet)
        terminal.show(packet.decode("utf-8", "replace").encode())
        assert OURS[term].fullmatch(terminal.take().decode())
        assert terminal.take() == b""
    line = terminal._line
    assert 0 <= line.cursor <= len(line.text) <= LONGEST
    assert all(char.isprintable() or char in "\n\u200c\u200d\u3000\xa0" or char.isspace() for char in line.text)
    return entered, line.text, line.cursor


def check(data: bytes) -> None:
    """Raises if a control gets through, or if the outcome depends on the cuts."""
    whole = outcome([data], "xterm")
    for term in OURS:
        assert outcome(list(pieces(data)), term) == whole
        assert outcome([data[at : at + 1] for at in range(len(data))], term) == whole
