"""How bytes are cut into lines: endless ones, slow ones, very many, and what is no chat at all."""

import time

from torture.arena import Arena, megabytes
from torture.case import DROPPED, DROPPED_SILENTLY, FIRST_WORDS, IGNORED, NOT_IRC, ORDINARY, USUAL, Setup, case, expect, sends
from torture.doors import Door
from torture.network import Person, fresh_name

# What other programs say first.
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(194)
FOREIGN = {
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "PROXY 1": b"PROXY TCP4 192.0.2.66 192.0.2.1 1234 5555\r\nMallory\r\nevil words\r\n",
    "PROXY 2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
    + bytes([192, 0, 2, 66, 192, 0, 2, 1, 4, 210, 21, 179])
    + b"Mallory\nevil words\n",
    "RDP": bytes.fromhex("0300002f2ae00000000000") + b"Cookie: mstshash=admin\r\n\1\0\x08\0\3\0\0\0",
    "SMB": b"\0\0\0\x45\xffSMBr\0\0\0\0\x18\x01\x28" + b"\0" * 40 + b"\x02NT LM 0.12\0",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
}

HTTP_BODY = b"Mallory\r\n/join #torture\r\nevil words\r\n"
HTTP = (
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(HTTP_BODY) + HTTP_BODY,
)

CHAT_ONLY = Setup(options=(*USUAL.options, "--protocols=line,json,irc,tls"), closed_doors=("ssh", "web"))
NO_TLS = Setup(options=(*USUAL.options, "--tls=off"), closed_doors=("tls",))


def flood(person: Person, piece: bytes, total: int) -> int:
    """Send a piece again and again, until so many bytes are sent or the other end has closed. How many were sent."""
    sent = 0
    while sent < total and not person.closed and person.send(piece):
        sent += len(piece)
    return sent


def endless(arena: Arena, door: Door, total: int) -> str:
    """Send bytes without a line end."""
    person = arena.enter(door)
    heard, begun = len(person.heard), time.monotonic()
    person.send(door.opening)
    sent = flood(person, b"a" * 65536, total)
    expect(person.until(lambda: person.closed, 6), f"{sent} bytes without a line end, and it is still open")
    return arena.outcome_of_end(person, heard, begun)


@case("T1", "64 MiB without a line end", "D")
def endless_line(arena: Arena, door: Door) -> str:
    return endless(arena, door, megabytes(64))


@case("T1a", "1 GiB without a line end", "D", long=True)
def endless_gigabyte(arena: Arena, door: Door) -> str:
    return endless(arena, door, megabytes(1024))


@case("T2", "a message as long as allowed, one byte longer, and with a character across the limit", "KO", not_on=NOT_IRC)
def longest_message(arena: Arena, door: Door) -> str:
    whole, emoji = "a" * door.longest, "a" * (door.longest - 4) + "\N{GRINNING FACE}"
    across = "a" * (door.longest - 3) + "\N{GRINNING FACE}"
    for text in (whole, emoji):
        person = arena.enter(door)
        expect(arena.outcome(person, door.say(text)) == "O", f"{len(text.encode())} bytes were not let through")
        expect(text in arena.shown(person.name), "the message was cut")
    return arena.each([whole + "a", across], "K", lambda text: arena.outcome_of_saying(door, text)) + "O"


@case("T4", "a line that takes 70 s, a byte at a time, from somebody who has a name", "O", long=True)
def slow_line(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    text = "slowly-" * 10
    line = door.say(text)
    for byte in line:
        expect(person.send(bytes([byte])), "it was closed")
        time.sleep(70 / len(line))
    arena.shown(person.name, text)
    return ORDINARY


@case("T4a", "a name that never comes, a byte at a time", "D", long=True)
def slow_name(arena: Arena, door: Door) -> str:
    person = arena.connect(door)
    begun = time.monotonic()
    person.send(door.opening or b"a")
    while not person.closed and time.monotonic() - begun < 75:
        person.send(b"a")
        person.until(lambda: person.closed, 0.5)
    expect(person.closed, "after 75 s without a name it is still open")
    expect(55 < person.closed - begun < 65, f"it was closed after {person.closed - begun:.0f} s")
    return DROPPED if any(one.kind == "error" for one in person.heard) else "d"


@case("T5", "a byte every 20 s, never a line end, from somebody who has a name", "O", long=True)
def slowest_line(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    for byte in door.say("abc")[:4]:
        person.send(bytes([byte]))
        expect(not person.until(lambda: person.closed, 20), "it was closed")
    return ORDINARY


@case("T6", "CR alone is no line end, and is shown to nobody", "KO")
def carriage_returns(arena: Arena, door: Door) -> str:
    return arena.each([b"a\rb\r", b"me: ok\radmin: ok"], "KO", lambda text: arena.outcome_of_saying(door, text))


@case("T7", "LF, CR LF, LF CR, CR CR LF, mixed", "O")
def line_ends(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    before = len(arena.shown(person.name))
    texts = ["one", "two", "three", "four", "five"]
    ends = [b"\n", b"\r\n", b"\n\r", b"\r\r\n", b"\n"]
    person.send(b"".join(door.say(text)[:-1] + end for text, end in zip(texts, ends, strict=True)))
    arena.shown(person.name, "five")
    shown = arena.shown(person.name)[before:]
    expect(shown == texts, f"shown was {shown}")
    return ORDINARY


sends("T9", "NUL in a line, and a line of NULs", "KOI", b"a\0b", b"\0\0\0", "a\0b", "\0\0\0")


@case(
    "T10",
    "100,000 empty lines at once: they count as lines, and are nothing else",
    "I",
    not_on={"web": "an empty message costs as much as any"},
    worst=0.1,
)
def empty_lines(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    heard, shown = len(person.heard), len(arena.shown(person.name))
    person.send(b"\n" * 100_000)
    expect(not person.until(lambda: person.closed, 1.0), "it was closed")
    expect(len(person.heard) == heard, f"something was said about it: {person.heard[heard:][:2]}")
    expect(len(arena.shown(person.name)) == shown, "others were shown something")
    return IGNORED


@case("T11", "100,000 lines at once are slowed down, and keep their order", "OD")
def many_lines(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    before = len(arena.shown(person.name))
    person.socket.settimeout(2.0)
    person.send(b"".join(door.say(f"line {number}") for number in range(100_000)))
    arena.witnesses[0].until(lambda: person.closed, 1.0)
    shown = arena.shown(person.name)[before:]
    expect(shown, "nothing was shown")
    expect(shown == [f"line {number}" for number in range(len(shown))], f"the order was not kept: {shown[:9]}")
    expect(len(shown) <= door.at_once, f"{len(shown)} lines came through in 3 s")
    return DROPPED if person.closed else ORDINARY


@case(
    "T11a",
    "a paste of 100 lines gets through in less than a minute",
    "O",
    not_on=dict.fromkeys(("json", "web"), "people paste, programs do not"),
    long=True,
)
def paste(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    begun = time.monotonic()
    person.say(*(f"line {number}" for number in range(100)))
    person.wait_for("line 99", "receipt", "said", seconds=70)
    expect(time.monotonic() - begun < 60, f"it took {time.monotonic() - begun:.0f} s")
    return ORDINARY


def first_bytes(arena: Arena, door: Door, data: bytes) -> str:
    """What becomes of it when a connection begins with these bytes."""
    person = arena.connect(door)
    begun = time.monotonic()
    person.send(data)
    closed = person.until(lambda: person.closed, 3)
    not_run(arena, data)
    expect(closed, f"{data[:30]!r} is still connected: {person.tail()}")
    expect(person.closed - begun < 1.0, f"it was closed, but after {person.closed - begun:.1f} s")
    reason = bytes(person.received)
    person.received.clear()  # it is told so in its own protocol's words, which are not for a terminal
    return DROPPED if reason else DROPPED_SILENTLY


def not_run(arena: Arena, data: bytes) -> None:
    """Nobody has been shown what these bytes would say, were they taken for a person's words."""
    evil = [one for witness in arena.witnesses for one in witness.heard if "evil" in one.text or "Mallory" in one.text]
    expect(not evil, f"what followed {data[:30]!r} was run: {evil[0] if evil else ''}")


@case(
    "T13", "HTTP requests with chat commands as their body, where there are no pages", "D", not_on=FIRST_WORDS, setup=CHAT_ONLY
)
def http_requests(arena: Arena, door: Door) -> str:
    return arena.each(HTTP, "D", lambda data: first_bytes(arena, door, data))


@case("T13a", "the same where there are pages: requests are answered, and their body is not chat", "O", not_on=FIRST_WORDS)
def http_answered(arena: Arena, door: Door) -> str:
    def answer(data: bytes) -> str:
        person = arena.connect(door)
        person.send(data)
        expect(person.until(lambda: b"\r\n\r\n" in person.received), f"{data[:30]!r} was not answered")
        not_run(arena, data)
        person.close()
        status = bytes(person.received[:8])
        person.received.clear()  # not for a terminal
        return ORDINARY if status == b"HTTP/1.1" else IGNORED

    return arena.each(HTTP, "O", answer)


@case("T14", "a TLS ClientHello where there is no TLS", "D", not_on=FIRST_WORDS | {"tls": "there is none"}, setup=NO_TLS)
def tls_hello(arena: Arena, door: Door) -> str:
    outcome = first_bytes(arena, door, TLS_HELLO)
    before = arena.victim.cpu
    arena.witnesses[0].until(lambda: False, 1.0)
    expect(arena.victim.cpu - before < 0.5, f"it took {arena.victim.cpu - before:.1f} s of CPU in the second after")
    return outcome


@case("T15", "SSH, PROXY, RDP, SMB and Redis, where they are not spoken", "D", not_on=FIRST_WORDS, setup=CHAT_ONLY)
def foreign_protocols(arena: Arena, door: Door) -> str:
    outcome = arena.each(FOREIGN.values(), "D", lambda data: first_bytes(arena, door, data))
    expect(b"192.0.2.66" not in arena.victim.output, "a PROXY header's address was believed")
    return outcome


sends("T16", "blanks alone, and round a text", "KIO", " " * 4096, "\t" * 4096, "  \t padded \t  ", f"{fresh_name()}   ")
