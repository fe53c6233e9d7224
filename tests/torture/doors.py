"""The doors: one class a protocol, which says how a client of it speaks and what it hears. A new protocol is one more.

What a case says through a door is the same for all; only these classes know how it looks on the wire.
"""

import itertools
import json
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torture.encryption import Encryption
from torture.frames import Frames
from torture.ssh import SecureShell

# Telnet's commands, which are not text: negotiation, subnegotiation, and those of two bytes. The server's own request to
# hide a password ends in a CR.
TELNET = re.compile(rb"\xff[\xfb\xfc]\x01\r?|\xff[\xfb-\xfe].|\xff\xfa.*?\xff\xf0|\xff[\xf0-\xf9]", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Heard:
    """One line that a client was sent, understood. ``kind`` is said, emoted, told, receipt, lost, error, welcome or other."""

    kind: str
    text: str = ""
    author: str = ""
    room: str = ""
    seq: int = 0
    id: str = ""


class Door:
    """A protocol, as a client speaks it."""

    name: str
    dialect: str  # the door whose words it has: its own name, but inside TLS
    encryption: Callable[[socket.socket], Any] | None = None  # what a connection is inside of
    half_closes = True  # who has no more to say may still be answered
    longest: int  # of a message, in bytes of text
    most: int  # without an end of line, in bytes
    naming = 1  # how many lines of `hello` give the name
    opening: bytes = b""  # what an endless line begins with, so that this door is the one that is reached
    at_once: int  # messages that may be through within three seconds, if flood control works

    def hello(self, name: str, password: str | None = None, room: str | None = None, client: str = "") -> bytes:
        """Come in under a name."""
        raise NotImplementedError

    def say(self, text: str, message_id: str = "") -> bytes:
        """Say this text, as a well-behaved client would send it."""
        raise NotImplementedError

    def say_bytes(self, text: bytes) -> bytes:
        """Say these bytes, whatever they are: in the place where the text stands."""
        raise NotImplementedError

    def command(self, line: str) -> bytes:
        """Do what a person does who types this."""
        raise NotImplementedError

    def hear(self, line: bytes) -> Heard:
        """Understand one line, without its end."""
        raise NotImplementedError

    def texts(self, received: bytes) -> Iterator[str]:
        """All that came, as text: what a client may show. Raises `UnicodeDecodeError` or `ValueError`."""
        raise NotImplementedError

    def lines(self, received: bytes) -> list[bytes]:
        """The whole lines among what came, without their ends."""
        return received.split(b"\n")[:-1]


class Line(Door):
    """Telnet, nc and the like."""

    name = dialect = "line"
    longest = 4096
    most = 16 * 1024
    at_once = 80

    said = re.compile(r"\[\d\d:\d\d\] (?:(#\S+) )?<([^ >]+)> (.*)", re.DOTALL)
    emoted = re.compile(r"\[\d\d:\d\d\] (?:(#\S+) )?\* (\S+) (.*)", re.DOTALL)
    told = re.compile(r"\[\d\d:\d\d\] <(\S+) -> \S+> (.*)", re.DOTALL)
    receipt = re.compile(r"Server: I received your message - '(.*)'", re.DOTALL)
    lost = re.compile(r"-> Your message was shown, but not kept: '(.*)'", re.DOTALL)

    def hello(self, name: str, password: str | None = None, room: str | None = None, client: str = "") -> bytes:
        lines = [name] if password is None else [name, password]
        return "".join(f"{line}\n" for line in lines).encode() + (self.command(f"/join {room}") if room else b"")

    def say(self, text: str, message_id: str = "") -> bytes:
        return self.say_bytes(text.encode("utf-8", "surrogatepass"))

    def say_bytes(self, text: bytes) -> bytes:
        return text.replace(b"\xff", b"\xff\xff") + b"\n"

    def command(self, line: str) -> bytes:
        return self.say(line)

    def hear(self, line: bytes) -> Heard:
        text = TELNET.sub(b"", line).removesuffix(b"\r").decode("utf-8", "replace")
        if found := self.said.fullmatch(text):
            return Heard("said", found[3], found[2], found[1] or "")
        if found := self.emoted.fullmatch(text):
            return Heard("emoted", found[3], found[2], found[1] or "")
        if found := self.told.fullmatch(text):
            return Heard("told", found[2], found[1])
        if found := self.receipt.fullmatch(text):
            return Heard("receipt", found[1])
        if found := self.lost.fullmatch(text):
            return Heard("lost", found[1])
        if text.startswith("Hello ") and text.endswith(", you are now connected!"):
            return Heard("welcome", text)
        altered = text.startswith("-> Characters that cannot be shown were left out or replaced.")  # it is shown all the same
        return Heard("error" if text.startswith("-> ") and not altered else "other", text)

    def texts(self, received: bytes) -> Iterator[str]:
        yield from TELNET.sub(b"", received).decode().split("\r\n")


class LineInTls(Line):
    """Telnet inside TLS, `openssl s_client` and the like."""

    name = "tls"
    encryption = Encryption
    half_closes = False


class LineInSsh(Line):
    """A session of SSH without a terminal. The name is given in it: see `ssh`."""

    name = "ssh"
    encryption = SecureShell

    def say_bytes(self, text: bytes) -> bytes:
        return text + b"\n"

    def texts(self, received: bytes) -> Iterator[str]:
        yield from re.split("\r?\n", received.decode())  # who is turned away before there is SSH is told so as everybody is


class Json(Door):
    """Programs: one JSON object a line."""

    name = dialect = "json"
    longest = 4096
    most = 32 * 1024
    opening = b'{"type":"say","text":"'
    at_once = 400

    ids = itertools.count(1)  # the log keeps one message an id

    def hello(self, name: str, password: str | None = None, room: str | None = None, client: str = "") -> bytes:
        request: dict[str, Any] = {"type": "hello", "id": "hello", "name": name, "rooms": {room or "#lobby": None}}
        return self._line(request | ({"password": password} if password else {}) | ({"client": client} if client else {}))

    def say(self, text: str, message_id: str = "") -> bytes:
        return self._line({"type": "say", "text": text, "id": message_id or str(next(self.ids))})

    def say_bytes(self, text: bytes) -> bytes:
        return b'{"type":"say","id":"%d","text":"' % next(self.ids) + text + b'"}\n'

    def command(self, line: str) -> bytes:
        return self._line({"type": "line", "text": line})

    def hear(self, line: bytes) -> Heard:
        if not line.startswith(b"{"):  # who is refused or greeted before it is known what they speak is spoken to as a person
            return DOORS["line"].hear(line)
        event = json.loads(line)
        kind = event["type"]
        if kind == "receipt":
            kind = "receipt" if event["kept"] else "lost"
        elif kind in ("whispered", "told"):
            kind = "told"
        elif kind not in ("said", "emoted", "error", "welcome"):
            kind = "other"
        return Heard(
            kind,
            event.get("text", ""),
            event.get("author", ""),
            event.get("room", ""),
            event.get("seq") or 0,
            event.get("id") or "",
        )

    def texts(self, received: bytes) -> Iterator[str]:
        for line in self.lines(received):
            yield line.decode().removesuffix("\r")
            if line.startswith(b"{"):
                yield from strings(json.loads(line))

    def _line(self, request: dict[str, Any]) -> bytes:
        return json.dumps(request).encode() + b"\n"


CAPS = ("CAP REQ :batch draft/chathistory echo-message labeled-response message-tags server-time", "CAP END")


class Web(Json):
    """The web page: what programs say, in the messages of a WebSocket."""

    name = "web"
    most = 16 * 1024
    encryption = Frames  # which hides nothing, and is one more layer all the same
    half_closes = False


class Irc(Door):
    """IRC clients, who have asked for their own messages back: that is their receipt, and is told by its label."""

    name = dialect = "irc"
    longest = 380  # what surely fits a line for others, with anybody's source before it
    most = 16 * 1024
    opening = b"PRIVMSG #torture :"
    at_once = 80
    naming = 2

    line = re.compile(r"(?:@\S+ )?:(\S+) (\S+) ?(.*)", re.DOTALL)
    lost = re.compile(r"NOT_KEPT :Your message was shown, but not kept: '(.*)'", re.DOTALL)

    def __init__(self) -> None:
        self.room = "#lobby"

    def hello(self, name: str, password: str | None = None, room: str | None = None, client: str = "") -> bytes:
        self.room = room or "#lobby"
        lines = [f"NICK {name}", "USER user 0 * :Somebody", *CAPS, f"JOIN {self.room}"]
        return "".join(f"{line}\r\n" for line in ([f"PASS :{password}"] if password else []) + lines).encode()

    def say(self, text: str, message_id: str = "") -> bytes:
        return self.say_bytes(text.encode("utf-8", "surrogatepass"))

    def say_bytes(self, text: bytes) -> bytes:
        return f"@label=said PRIVMSG {self.room} :".encode() + text + b"\r\n"

    def command(self, line: str) -> bytes:
        if line.startswith("/join #"):
            self.room = line.removeprefix("/join ")  # what is said next is said there
        typed = line.encode("utf-8", "surrogatepass")[:500]  # what fits a line
        if len(typed) == 500:
            typed = typed.decode("utf-8", "ignore").encode()  # between two characters
        return b"CHAT :" + typed + b"\r\n"

    def hear(self, line: bytes) -> Heard:
        text = line.removesuffix(b"\r").decode("utf-8", "replace")
        found = self.line.fullmatch(text)
        if found is None:
            return Heard("error", text) if text.startswith("ERROR ") else DOORS["line"].hear(line)
        source, command, rest = found.groups()
        author = source.partition("!")[0]
        to, _, said = rest.partition(" :")
        if command == "PRIVMSG":
            tags = text.partition(" ")[0]
            seq = re.search(r"[@;]msgid=(\d+)", tags)
            acted = said.startswith("\x01ACTION ")
            said = said.removeprefix("\x01ACTION ").removesuffix("\x01")
            kind = ("emoted" if acted else "said") if to.startswith("#") else "told"
            return Heard("receipt" if "label=" in tags else kind, said, author, to, int(seq[1]) if seq else 0)
        if command == "001":
            return Heard("welcome", text)
        if found := self.lost.search(rest):
            return Heard("lost", found[1])
        refused = command in ("FAIL", "ERROR") or (
            command.isdigit() and (command >= "400" or command == "263") and command != "422"
        )
        return Heard("error" if refused else "other", text)

    def texts(self, received: bytes) -> Iterator[str]:
        for line in received.decode().split("\r\n"):
            yield line.replace("\x01", "")  # /me, as IRC has it


def strings(value: Any) -> Iterator[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


DOORS: dict[str, Door] = {door.name: door for door in (Line(), Json(), Irc(), LineInTls(), LineInSsh(), Web())}
