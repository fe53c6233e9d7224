"""Fuzz target: the line splitter gives the same lines however the bytes are cut, and loses none."""

from fuzz import pieces
from twisted_chat.protocols.framing import BYTE_ORDER_MARK, LineSplitter, NoLineEnd, TooLong

LONGEST, MOST = 24, 48


def split(cut: list[bytes]) -> list[bytes | None]:
    """The lines, and the rest if there is one. None stands for a line that is too long, or for no end of line at all."""
    splitter = LineSplitter(LONGEST, MOST)
    lines: list[bytes | None] = []
    for piece in cut:
        splitter.feed(piece)
        while True:
            try:
                line = splitter.next()
            except TooLong:
                lines.append(None)
                continue
            except NoLineEnd:
                return [*lines, None]
            if line is None:
                break
            assert len(line) <= LONGEST and b"\n" not in line
            lines.append(line)
    try:
        rest = splitter.rest()
    except TooLong:
        return [*lines, None]
    return lines if rest is None else [*lines, rest]


def expected(data: bytes) -> list[bytes | None]:
    """The same by the rules of `protocols.framing`, at leisure."""
    lines: list[bytes | None] = []
    *whole, rest = data.split(b"\n")
    for at, line in enumerate([*whole, rest]):
        last = at == len(whole)
        if len(line) > MOST:
            return [*lines, None]
        if last and not line:
            break
        if not last:
            line = line.removesuffix(b"\r")
        if at == 0:
            line = line.removeprefix(BYTE_ORDER_MARK)
        lines.append(line if len(line) <= LONGEST else None)
    return lines


def check(data: bytes) -> None:
    """Raises if lines are other than the rules say."""
    lines = expected(data)
    assert split([data]) == lines
    assert split(list(pieces(data))) == lines
    assert split([data[at : at + 1] for at in range(len(data))]) == lines
