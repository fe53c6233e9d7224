"""What goes out to one IRC client, under the label of the command that it answers (IRCv3 ``labeled-response``).

1. Without a label every line goes out at once.
2. With one, replies are collected until the command is done, and all else that is written meanwhile waits behind them.
3. No reply is ACK, one carries the label, several are a batch with it.
4. Of what waits, no more than `MOST_BEHIND_LABEL` and a write is held: then the connection counts as full.
5. What a command is answered at once, and what the core tells at once, is one write, however many lines it has.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence

from twisted_chat.protocols.irc.rendering import Line
from twisted_chat.protocols.irc.wire.message import format_body, format_tags

LONGEST_LABEL = 64  # bytes, as the specification has it
MOST_BEHIND_LABEL = 64 * 1024  # bytes, as a transport holds them before it is full


class Replies:
    """Lines on their way out."""

    def __init__(self, server: str, write: Callable[[bytes], None], hold_back: Callable[[bool], None]) -> None:
        """``hold_back`` is called with True when too much waits behind a label, and with False when that is over."""
        self._server = server
        self._write = write
        self._hold_back = hold_back
        self._behind = 0  # how many bytes wait
        self.overfull = False
        self._label = ""
        self._collected: list[Line] = []
        self._waiting: list[bytes] = []
        self._held: list[bytes] = []
        self._holds = 0

    @property
    def labeled(self) -> bool:
        """Whether a command with a label is worked off."""
        return bool(self._label)

    def begin(self, label: str) -> None:
        """A command is worked off; its label may be empty."""
        self._label = label if len(label.encode()) <= LONGEST_LABEL else ""

    def emit(self, lines: Iterable[Line]) -> None:
        """Reply."""
        if self._label:
            self._collected += lines
        else:
            self._send(b"".join(format_tags(tags) + body for tags, body in lines))

    def write(self, data: bytes) -> None:
        """Hand over what is no reply."""
        if self._label:
            self._waiting.append(data)
            self._behind += len(data)
            if self._behind > MOST_BEHIND_LABEL and not self.overfull:
                self.overfull = True
                self._hold_back(True)
        else:
            self._send(data)

    def hold(self) -> None:
        """Gather what is written from now on."""
        self._holds += 1

    def release(self) -> None:
        """Let it go, if nobody gathers any more."""
        self._holds -= 1
        if not self._holds:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered so far."""
        held, self._held = self._held, []
        if held:
            self._write(b"".join(held))

    def last(self, data: bytes) -> None:
        """Write all that waits, and then this: nothing follows."""
        self.end()
        self._send(data)
        self.flush()

    def _send(self, data: bytes) -> None:
        if self._holds:
            self._held.append(data)
        else:
            self._write(data)

    def end(self) -> None:
        """The command is done."""
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
        """Lines as a batch, whose beginning has these tags. Lines that are in another batch stay there."""
        name = secrets.token_hex(4)
        begin = format_body(self._server, "BATCH", (f"+{name}", kind, *params))
        end = format_body(self._server, "BATCH", (f"-{name}",))
        return [(tags, begin), *(({"batch": name} | dict(own), body) for own, body in lines), ({}, end)]
