"""From bytes to lines to a conversation: in linear time, and however the bytes are cut."""

from typing import SupportsIndex

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twisted_chat.protocols.connection import LineConnection
from twisted_chat.protocols.framing import AT_ONCE, LineSplitter, NoLineEnd
from twisted_chat.testing import Chat

LONGEST, MOST = 4096, 16 * 1024


class Counting(bytearray):
    """A buffer that counts the bytes that are looked at and copied. Taking from its beginning moves none (CPython)."""

    touched = 0

    def __getitem__(self, at: SupportsIndex | slice) -> bytearray:  # type: ignore[override]
        """Copy."""
        assert isinstance(at, slice)
        piece = super().__getitem__(at)
        self.touched += len(piece)
        return piece

    def find(self, what: bytes, start: int) -> int:  # type: ignore[override]
        """Look."""
        end = super().find(what, start)
        self.touched += (end if end >= 0 else len(self)) - start
        return end

    def rfind(self, what: bytes, start: int, stop: int) -> int:  # type: ignore[override]
        """Look back."""
        at = super().rfind(what, start, stop)
        self.touched += max(0, min(stop, len(self)) - max(at, start))
        return at


def touched(pieces: list[bytes]) -> int:
    """How many bytes are looked at or copied to split these."""
    splitter = LineSplitter(LONGEST, MOST)
    splitter._buffer = buffer = Counting()
    for piece in pieces:
        splitter.feed(piece)
        try:
            while splitter.next() is not None:
                pass
        except NoLineEnd:
            break
    assert splitter._buffer is buffer
    return buffer.touched


@pytest.mark.parametrize("line", [b"\n", b"a\n", b"\r\n", b"x" * 4000 + b"\n", b"a"])
@pytest.mark.parametrize("size", [1, 100, 65536])
def test_each_byte_is_looked_at_twice_and_copied_once_at_most(line: bytes, size: int) -> None:
    """64 KiB of line ends, of short lines, of long ones or of none: the work grows with the bytes, however they come."""
    data = line * (65536 // len(line))
    assert touched([data[at : at + size] for at in range(0, len(data), size)]) <= 3 * len(data)


def test_what_waits_is_not_moved_when_more_comes() -> None:
    """A person who is ahead of their rate, and sends single bytes, costs no more for what waits already."""
    splitter = LineSplitter(LONGEST, MOST)
    splitter._buffer = buffer = Counting()
    splitter.feed(b"a\n" * 32768)
    for _ in range(1000):
        assert splitter.next() == b"a"
        splitter.feed(b"b")
    assert splitter._buffer is buffer
    assert buffer.touched <= 2 * AT_ONCE


def words(client: str, data: bytes) -> list[str]:
    """What somebody alone at a terminal is answered to these bytes after their name."""
    chat = Chat()
    ann = chat.enter(client)
    ann.lines()
    ann.send_bytes(data)
    chat.clock.advance(0)
    chat.turn()
    return ann.lines()


def receipt(text: str) -> str:
    """The original's answer."""
    return f"Server: I received your message - '{text}'"


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (b"x" * 4096 + b"\n", [receipt("x" * 4096)]),  # T2
        (b"x" * 4097 + b"\nhi\n", ["-> That line is too long: 4097 bytes, 4096 are allowed.", receipt("hi")]),
        (b"x" * 4092 + "\N{MAN}".encode() + b"\n", [receipt("x" * 4092 + "\N{MAN}")]),
        (b"a\rb\n", ["-> A message is one line, and that has several. Send each by itself."]),  # T6
        (b"a\n", [receipt("a")]),  # T7
        (b"a\r\n", [receipt("a")]),
        (b"a\n\r", [receipt("a")]),
        (b"a\r\r\n", [receipt("a")]),
        (b"\n\r\n\r\n\n", []),
        (b"a\0b\n\0\0\0\n", [f"-> That is not UTF-8: byte {at} of the line is zero." for at in (1, 0)]),  # T9
        (b"\n" * 100_000, []),  # T10
        (b" " * 4096 + b"\n", []),  # T16
        (b"  a  \n", [receipt("  a")]),
        (b"\xff\xff\n", ["-> That is not UTF-8: byte 0 of the line is wrong."]),
        (b"caf\xe9\n", ["-> That is not UTF-8: byte 3 of the line is wrong."]),  # T21
        (b"a\xc0\x80\n", ["-> That is not UTF-8: byte 1 of the line is wrong."]),  # T18
        (
            b"\xef\xbb\xbfa\xef\xbb\xbfb\n",
            ["-> Characters that cannot be shown were left out or replaced. It reads: ab", receipt("ab")],
        ),  # T22
    ],
)
def test_lines_as_torture_has_them(sent: bytes, answers: list[str]) -> None:
    """T2, T6, T7, T9, T10, T16 to T22: what is taken, and what is answered."""
    assert words("Ann", sent) == answers


def test_no_end_of_line_at_all() -> None:
    """T1: at 16 KiB without a line end the connection is closed, with a word; nothing more is taken in."""
    chat = Chat()
    ann = chat.enter("Ann")
    ann.lines()
    for _ in range(17):
        ann.send_bytes(b"a" * 1024)
    assert ann.lines() == ["-> A line has at most 4096 bytes. Goodbye."]
    assert ann.closed
    protocol = ann.transport.protocol
    assert isinstance(protocol, LineConnection)
    before = len(protocol._splitter)
    ann.send_bytes(b"a" * 100_000)
    assert len(protocol._splitter) == before


PERSON = [
    b"hello\n",
    b"hello\r\0",
    b"/who\r\n",
    b"/nick Bea\n",
    b"/join tea\n",
    b"/topic tea and more of it, until the line is longer than forty columns\n",
    b"/msg Bob hi\n",
    b"/history\n",
    b"/set fold off\n",
    b"/register secret-secret\n",
    b"/nosuch\n",
    b"\n",
    b"\r",
    b"\0",
    b"caf\xe9\n",
    b"\xe6\x97\xa5\n",
    b"x" * 4097 + b"\n",
    b"exit\n",
    b"\xff\xf6",  # AYT
    b"\xff\xf1",
    b"\xff\xfb\x1f",  # WILL NAWS
    b"\xff\xfa\x1f\0\x28\0\x18\xff\xf0",
    b"\xff\xfa\x1f\0\x50\0\x18\xff\xf0",
    b"\xff\xfd\x01",  # DO and DONT ECHO
    b"\xff\xfe\x01",
    b"\xff\xff\n",
    b"\xff\xfa\x18\0xterm",
    b"partial",
]
PROGRAM = [
    b'{"type":"say","text":"hello","id":"1"}\n',
    b'{"type":"say","text":"\xe6\x97\xa5"}\r\n',
    b'{"type":"line","text":"/who"}\n',
    b'{"type":"do","command":"join","arguments":["tea"]}\n',
    b'{"type":"do","command":"nick","arguments":["Bea"],"id":"2"}\n',
    b'{"type":"ping"}\n',
    b'{"type":"line","text":"/history"}\n',
    b'{"type":"hello","name":"Al"}\n',
    b"\n",
    b"{}\n",
    b"[1]\n",
    b"\xff\n",
    b"no json\n",
    b'{"type":"say",',
]


def conversation(kind: str, pieces: list[bytes], ends: bool) -> list[bytes]:
    """All that is sent to somebody whose bytes come in these pieces, to a person beside them and to a program."""
    chat = Chat()
    bob, program = chat.enter("Bob"), chat.enter("Bot", "json")
    client = chat.connect(kind)
    for piece in pieces:
        client.send_bytes(piece)
    if ends:
        client.transport.protocol.readConnectionLost()
    chat.turn()
    for _ in range(6):
        chat.clock.advance(1)
    return [one.transport.received.replace(chat.log.id.encode(), b"LOG") for one in (client, bob, program)]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(["line", "json", "detect person", "detect program"]), st.booleans())
def test_however_the_bytes_are_cut_the_conversation_is_the_same(data: st.DataObject, kind: str, ends: bool) -> None:
    """The same bytes in other pieces are answered with the same bytes, and so is everybody else: telnet and all.

    But for a password in one piece with what asks for it: that is past hiding, so telnet is not asked to hide it.
    """
    person = kind in ("line", "detect person")
    first = b"Ann\n" if person else b'{"type":"hello","name":"Ann"}\n'
    whole = first + b"".join(data.draw(st.lists(st.sampled_from(PERSON if person else PROGRAM), max_size=12)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    kind = kind.split()[0]
    once = conversation(kind, [whole], ends)
    assert conversation(kind, pieces, ends) == once
    if len(whole) < 300:
        assert conversation(kind, [whole[at : at + 1] for at in range(len(whole))], ends) == once
