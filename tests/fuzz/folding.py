"""Fuzz target: a line's rows fit the terminal, lose nothing, and where no width is known no row looks like a line of ours.

The first byte is the terminal's width.
"""

import re
from unicodedata import category

from wcwidth import wcwidth

from twisted_chat.core.text.sanitize import clean
from twisted_chat.protocols.terminal.wrapping import BEGINNING, ENDLESS, GUTTER, LEAST, NARROWEST, UNKNOWN, rows


def check(data: bytes) -> None:
    """Raises if a row is too wide, something is lost, or a text could be wrapped into a line of ours."""
    if not data:
        return
    line = clean(f"[12:01] <Ann> {data[1:].decode('utf-8', 'replace')}")
    assert rows(line, ENDLESS) == [line]
    columns = LEAST + data[0]
    for width in (columns, UNKNOWN):
        cut = rows(line, width)
        assert re.sub(r"\s", "", "".join(cut)) == re.sub(r"\s", "", line)
        assert all(row == row.strip() and row for row in cut[1:])
        sent = [cut[0], *(GUTTER + row for row in cut[1:])]
        assert width == UNKNOWN or all(_columns(row) <= columns for row in sent)
        if width == UNKNOWN and line.isascii():
            assert not [row for row in sent if BEGINNING.search(row, NARROWEST)]
    assert not any(category(row[0])[0] == "M" for row in rows(line, columns))


def _columns(row: str) -> int:
    return sum(max(0, wcwidth(char)) for char in row)
