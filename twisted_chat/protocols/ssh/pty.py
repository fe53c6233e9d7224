"""The terminal that an SSH client asks for (RFC 4254, 6.2 and 6.7)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from twisted.conch.ssh.common import getNS

# Maximum length of a terminal's type; default columns and rows.
LONGEST_TERM, USUAL = 64, (80, 24)


@dataclass(frozen=True, slots=True)
class Pty:
    """The terminal that a client requests."""

    term: str
    width: int  # in columns
    height: int  # in rows
    colour: bool = True  # False if the client has sent NO_COLOR

    @classmethod
    def from_request(cls, data: bytes) -> Pty:
        """Return the terminal of a ``pty-req`` (RFC 4254, 6.2). Its pixels and modes are ignored."""
        term, rest = getNS(data)
        return cls(term[:LONGEST_TERM].decode("ascii", "replace"), *size(rest))


def size(data: bytes) -> tuple[int, int]:
    """Return the columns and rows of a ``window-change`` (RFC 4254, 6.7). Unknown ones get the default."""
    width, height = struct.unpack(">2L", data[:8])
    return width or USUAL[0], height or USUAL[1]
