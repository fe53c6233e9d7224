"""Output to one IRC client, with the label of the command that it answers (IRCv3 ``labeled-response``).

1. Without a label, every line is sent at once.
2. With a label, replies are collected until the command is done. All other output waits behind them.
3. No reply becomes ACK, one reply carries the label, and several replies are a batch with the label.
4. At most `MOST_BEHIND_LABEL` bytes and one write wait behind a label; then the connection counts as full.
5. The immediate replies to a command are one write, however many lines they have. So is all that the core hands over in one
   call.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence

from twisted_chat.protocols.irc.rendering import Line
from twisted_chat.protocols.irc.wire.message import format_body, format_tags

LONGEST_LABEL = 64  # bytes, by the specification
MOST_BEHIND_LABEL = 64 * 1024  # bytes, the same as a transport holds before it is full


class Replies:
    """The outgoing lines of one client."""

    def __init__(self, server: str, write: Callable[[bytes], None], hold_back: Callable[[bool], None]) -> None:
        """Call ``hold_back`` with True when too much waits behind a label, and with False when that is over."""
        self._server = server
        self._write = write
        self._hold_back = hold_back
        self._behind = 0  # bytes waiting behind the label
        self.overfull = False
        self._label = ""
        self._collected: list[Line] = []
        self._waiting: list[bytes] = []
        self._held: list[bytes] = []
        self._holds = 0

    @property
    def labeled(self) -> bool:
        """True if a command with a label is running."""
        return bool(self._label)

    def begin(self, label: str) -> None:
        """Begin a command; its label may be empty."""
        self._label = label if len(label.encode()) <= LONGEST_LABEL else ""

    def emit(self, lines: Iterable[Line]) -> None:
        """Send replies; collect them if there is a label."""
        if self._label:
            self._collected += lines
        else:
            self._send(b"".join(format_tags(tags) + body for tags, body in lines))

    def write(self, data: bytes) -> None:
        """Write data that is not a reply; it waits if there is a label."""
        if self._label:
            self._waiting.append(data)
            self._behind += len(data)
            if self._behind > MOST_BEHIND_LABEL and not self.overfull:
                self.overfull = True
                self._hold_back(True)
        else:
            self._send(data)

    def hold(self) -> None:
        """Buffer all output from now on."""
        self._holds += 1

    def release(self) -> None:
        """End one `hold`, and write the buffered output if it was the last."""
        self._holds -= 1
        if not self._holds:
            self.flush()

    def flush(self) -> None:
        """Write the output buffered so far."""
        held, self._held = self._held, []
        if held:
            self._write(b"".join(held))

    def last(self, data: bytes) -> None:
        """Write all waiting output, then ``data``, as the end of the output."""
        self.end()
        self._send(data)
        self.flush()

    def _send(self, data: bytes) -> None:
        if self._holds:
            self._held.append(data)
        else:
            self._write(data)

    def end(self) -> None:
        """End the command: send its replies, then the output that waited behind them."""
        label, self._label = self._label, ""
        if not label:
            return
        lines, self._collected = self._collected, []
        match lines:
            case []:
                self.emit([({"label": label}, format_body(self._server, "ACK", ()))])
            case [(tags, body)]:
                self.emit([({"label": label} | dict(tags), body)])
            case _:
                self.emit(self.batch("labeled-response", lines, (), {"label": label}))
        waiting, self._waiting, self._behind = self._waiting, [], 0
        self._send(b"".join(waiting))
        if self.overfull:
            self.overfull = False
            self._hold_back(False)

    def batch(self, kind: str, lines: Sequence[Line], params: Sequence[str], tags: Mapping[str, str]) -> list[Line]:
        """Return lines as a batch, whose first line has these tags. Lines of another batch stay in it."""
        name = secrets.token_hex(4)
        begin = format_body(self._server, "BATCH", (f"+{name}", kind, *params))
        end = format_body(self._server, "BATCH", (f"-{name}",))
        return [(tags, begin), *(({"batch": name} | dict(own), body) for own, body in lines), ({}, end)]
