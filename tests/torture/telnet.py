"""Telnet's commands, right, wrong and far too many. What is no telnet at all is a matter of `framing`."""

from torture.arena import Arena, megabytes
from torture.case import DROPPED, IGNORED, NO_TELNET, ORDINARY, case, expect
from torture.doors import Door
from torture.framing import flood
from torture.network import fresh_name

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240


def subnegotiation(option: int, content: bytes) -> bytes:
    """IAC SB ... IAC SE."""
    return bytes([IAC, SB, option]) + content + bytes([IAC, SE])


@case("T26", "a million DO and WILL, from a client that does not read", "ID", not_on=NO_TELNET)
def options_without_end(arena: Arena, door: Door) -> str:
    person = arena.connect(door, receive_buffer=4096, listens=False)
    person.name = fresh_name()
    options = [option for option in range(240) if option != 6]  # a timing mark is asked for again and again
    every = b"".join(bytes([IAC, verb, option]) for option in options for verb in (DO, WILL))
    flood(person, every * 10, 3_000_000)
    person.send(door.hello(person.name) + door.say("after all that"))
    person.listen()
    expect(person.until(lambda: person.closed or b"after all that" in person.received), "the next message did not come through")
    answers = person.received.count(bytes([IAC]))
    expect(answers <= 2 * 256 + 20, f"{answers} answers to 256 options")
    return DROPPED if person.closed else IGNORED


@case("T27", "a subnegotiation of 100 MiB", "D", not_on=NO_TELNET)
def endless_subnegotiation(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    heard = len(person.heard)
    person.send(bytes([IAC, SB, 31]))
    sent = flood(person, b"x" * 65536, megabytes(100))
    expect(person.until(lambda: person.closed, 6), f"it is still open after {sent} bytes")
    return DROPPED if len(person.heard) > heard else "d"


@case("T28", "IP, BRK, AO, EL, DM; and AYT, which is answered", "I", not_on=NO_TELNET)
def commands(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    outcome = arena.outcome(person, bytes([IAC, 244, IAC, 243, IAC, 245, IAC, 248, IAC, 242, IAC, 249, IAC, 241]))
    person.send(bytes([IAC, 246]))
    expect(person.until(lambda: b"[yes]" in person.received), "AYT was not answered")
    return outcome


@case("T29", "a doubled IAC is the byte 255, which is no text", "K", not_on=NO_TELNET)
def doubled_iac(arena: Arena, door: Door) -> str:
    return arena.outcome(arena.enter(door), b"a\xff\xffb\n")


@case("T31", "half a command at the end of a packet, and at the end of all", "O", not_on=NO_TELNET)
def half_commands(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    for piece in (b"ha", b"\xff", b"\xf1l", b"\xff\xfd", b"\x01f\n"):
        person.send(piece)
    arena.shown(person.name, "half")
    person.send(b"\xff")
    person.end_input()
    expect(person.until(lambda: person.closed), "it was not closed")
    return ORDINARY


@case("T32", "impossible window sizes, and a thousand of them", "I", not_on=NO_TELNET)
def window_sizes(arena: Arena, door: Door) -> str:
    sizes = [b"\0\0\0\0", b"\xff\xff" * 4, b"\xff\xff\xff\xff\0\1", b"\0", b"\0\x50\0", b"\0\x50\0\x18\0"]
    sizes.append(b"\0\x50\0\x18" + bytes([IAC, SE]) + (bytes([IAC, SB, 31]) + b"\0\x50\0\x18" + bytes([IAC, SE])) * 1000)
    return arena.each(sizes, "I", lambda size: arena.outcome(arena.enter(door), subnegotiation(31, size)))


@case("T33", "terminal types and environments with evil in them are neither used nor shown", "I", not_on=NO_TELNET)
def terminal_types(arena: Arena, door: Door) -> str:
    evil = [
        subnegotiation(24, b"\0\x1b]0;evil\x07"),
        subnegotiation(24, b"\0" + b"x" * 4000),
        subnegotiation(24, b"\0../../evil"),
        subnegotiation(39, b"\0\0USER\1-f root\0LD_PRELOAD\1/tmp/evil.so"),
    ]

    def attack(data: bytes) -> str:
        person = arena.enter(door)
        outcome = arena.outcome(person, bytes([IAC, WILL, 24]) + data)
        person.command(f"/whois {person.name}")
        person.wait_for("silent for")
        expect(b"evil" not in person.received, "it was shown")
        return outcome

    outcome = arena.each(evil, "I", attack)
    expect(b"evil" not in arena.victim.output[arena.begun.log :], "it stands in the log")
    return outcome
