"""What hostile browsers, and clients that break the rules of HTTP and of WebSockets, send."""

import os
import struct
import zlib
from collections.abc import Mapping

from torture.arena import Arena
from torture.case import DROPPED, KEPT, case, expect
from torture.doors import DOORS, Door
from torture.frames import HANDSHAKE
from torture.network import PATIENCE, Person, fresh_name

WEB_ALONE: Mapping[str, str] = {name: "it has no frames" for name in DOORS if name != "web"}
TEXT, CONTINUATION, CLOSE, PING = 1, 0, 8, 9


def frame(kind: int, payload: bytes, *, final: bool = True, mask: int = 1, says: int | None = None, bits: int = 0) -> bytes:
    """A frame as a client sends it, or as none should; ``says`` is the length that stands in it."""
    size = len(payload) if says is None else says
    short, length = size, b""
    if size >= 126:
        short, length = (126, struct.pack(">H", size)) if size < 65536 else (127, struct.pack(">Q", size))
    key = os.urandom(4) if mask else b""
    masked = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload)) if mask else payload
    return bytes([final << 7 | bits << 4 | kind, mask << 7 | short]) + length + key + masked


ENDS = (
    frame(TEXT, b'{"type":"say","text":"unmasked"}', mask=0),
    frame(TEXT, zlib.compress(b"x" * 10**7), bits=4),  # a compressed bomb
    frame(TEXT, b"x" * 100_000, says=1 << 30),
    frame(TEXT, b"", final=False) + frame(CONTINUATION, b"", final=False) * 50_000,
    frame(TEXT, b"", final=False) + frame(CONTINUATION, b"x" * 100, final=False) * 5_000,
    frame(CONTINUATION, b"x"),
    frame(PING, b"x" * 126),
    frame(TEXT, b"x", final=False) + frame(TEXT, b"x"),
)


@case("T106", "frames that are none, endless, compressed, of a gigabyte, or not masked", "D", not_on=WEB_ALONE)
def frames_that_are_none(arena: Arena, door: Door) -> str:
    def attack(data: bytes) -> str:
        person = arena.enter(door)
        heard = len(person.heard)
        send_raw(person, data)
        expect(person.until(lambda: person.closed), f"{data[:20]!r} did not end the connection")
        expect(any(one.kind == "error" for one in person.heard[heard:]), f"{data[:20]!r} ended it without a word")
        return DROPPED

    return arena.each(ENDS, "D", attack)


@case("T106a", "a message after the end, and a flood of pings", "D", not_on=WEB_ALONE)
def after_the_end(arena: Arena, door: Door) -> str:
    flooder, person = arena.enter(door), arena.enter(door)
    send_raw(flooder, frame(PING, b"x") * 20_000)
    send_raw(person, frame(CLOSE, struct.pack(">H", 1000)) + frame(TEXT, door.say("after the end").rstrip()))
    expect(person.until(lambda: person.closed), "it was not closed")
    arena.enter(door).say("still here")
    for witness in arena.witnesses:
        expect(not any("after the end" in one.text for one in witness.heard), "what came after the end was said")
    return DROPPED


@case("T106b", "pages of other sites, and names that are not ours", "K", not_on=WEB_ALONE)
def other_sites(arena: Arena, door: Door) -> str:
    program = DOORS["json"]
    for old, new in (
        (b"Upgrade: websocket\r\n", b"Upgrade: websocket\r\nOrigin: http://evil.example\r\n"),
        (b"Upgrade: websocket\r\n", b"Upgrade: websocket\r\nOrigin: null\r\n"),
        (b"Host: localhost", b"Origin: http://evil.example\r\nHost: evil.example"),
    ):
        person = arena.connect(program)
        person.send(HANDSHAKE.replace(old, new))
        expect(person.until(lambda p=person: b"not-allowed" in p.received), f"{new!r} was answered {person.tail()}")
        expect(person.received.startswith(b"HTTP/1.1 403 "), person.tail())
    return KEPT


@case("T107a", "tokens that are guessed, or stand in the address", "K", not_on=WEB_ALONE)
def guessed_tokens(arena: Arena, door: Door) -> str:
    secret = fresh_name("secret")
    guesser = arena.connect(DOORS["json"])
    for number in range(5):
        path = f"/rooms/torture?token={secret}" if number == 4 else "/rooms/torture"
        shown = "" if number == 4 else f"Authorization: Bearer {secret}{number}\r\n"
        guesser.send(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{shown}Content-Length: 5\r\n\r\nhello".encode())
    answered = guesser.until(lambda: guesser.received.count(b"HTTP/1.1 ") == 5, PATIENCE)
    expect(answered, guesser.tail())
    statuses = [part[:3] for part in bytes(guesser.received).split(b"HTTP/1.1 ")[1:]]
    expect(statuses == [b"401", b"401", b"401", b"429", b"401"], f"the answers were {statuses}")
    expect(secret.encode() not in arena.victim.output, "the log has a token")
    for witness in arena.witnesses:
        expect(not any(one.text == "hello" for one in witness.heard), "it was said all the same")
    return KEPT


def send_raw(person: Person, data: bytes) -> None:
    """Send bytes that are frames already. The other end may have closed before it has them all."""
    try:
        person.socket.sendall(data)
    except OSError:
        expect(person.until(lambda: person.closed), "it takes no more, and has not closed")
