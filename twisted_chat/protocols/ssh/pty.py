"""The terminal that an SSH client asks for (RFC 4254, 6.2 and 6.7)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from twisted.conch.ssh.common import getNS

# What a terminal calls itself is this long at the most; and how many columns and rows it has as a rule.
LONGEST_TERM, USUAL = 64, (80, 24)


@dataclass(frozen=True, slots=True)
class Pty:
    """The terminal that a client asks for."""

    term: str
    width: int  # in columns
    height: int  # in rows
    colour: bool = True  # whether its owner wants colours

    @classmethod
    def from_request(cls, data: bytes) -> Pty:
        """As ``pty-req`` names it (RFC 4254, 6.2). Its pixels and modes don't concern us."""
        term, rest = getNS(data)
        return cls(term[:LONGEST_TERM].decode("ascii", "replace"), *size(rest))


def size(data: bytes) -> tuple[int, int]:
    """Columns and rows, as ``window-change`` has them (RFC 4254, 6.7); those that are not known are the usual ones."""
    width, height = struct.unpack(">2L", data[:8])
    return width or USUAL[0], height or USUAL[1]
