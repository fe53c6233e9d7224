"""Bytes that are no text, and text that is hardly any."""

from torture.arena import ROOM, Arena
from torture.case import ENDED_BY_BYTES, ORDINARY, case, expect, sends
from torture.doors import Door
from torture.network import fresh_name

NOT_UTF8 = (b"\xff\xfe\xfd", b"a\x80", b"a\xc3", b"\xed\xa0\x80")
NO_CHARACTERS = ("\ufffe", "\ufdd0", "\ue000", "\u0378", "\U000e0041\U000e0042", "\U0001ffff")

sends("T17", "bytes that are not UTF-8", "K", *NOT_UTF8, not_on=ENDED_BY_BYTES)
sends("T18", "overlong forms", "K", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xc0\x80", not_on=ENDED_BY_BYTES)
sends("T21", "Latin-1", "K", "caf\xe9".encode("latin-1"), not_on=ENDED_BY_BYTES)


@case("T20", "UTF-16 with a byte order mark", "KD")
def utf16(arena: Arena, door: Door) -> str:
    texts = [mark + "hello\n".encode(codec) for mark, codec in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))]
    return arena.each(texts, "KD", lambda data: arena.outcome(arena.enter(door), data + b"\n"))


@case("T22", "a byte order mark at the beginning, and in a message", "O", not_on={"web": "no pipe makes messages"})
def byte_order_marks(arena: Arena, door: Door) -> str:
    person = arena.connect(door)
    person.name = fresh_name()
    person.send(b"\xef\xbb\xbf" + door.hello(person.name, room=ROOM))
    person.wait_for("", "welcome")
    person.say("a\ufeffb")
    arena.shown(person.name, "ab")
    return ORDINARY


@case("T23", "code points that are no characters", "KO")
def no_characters(arena: Arena, door: Door) -> str:
    outcome = arena.each((f"a{one}b" for one in NO_CHARACTERS), "KO", lambda text: arena.outcome_of_saying(door, text))
    for witness in arena.witnesses:
        for text in witness.door.texts(bytes(witness.received)):
            expect(not set(text) & set("".join(NO_CHARACTERS)), f"shown was {text!r}")
    seeker = arena.enter(door)
    seeker.command("/search a" + NO_CHARACTERS[0])
    expect(arena.outcome(seeker, b"") in "KI", "search was shown to others")
    return outcome


@case("T25", "bytes that are not UTF-8 as a name, a room and a password", "K", not_on=ENDED_BY_BYTES)
def bytes_in_names(arena: Arena, door: Door) -> str:
    outcome = arena.each((b"a\x80b", b"\xc3"), "K", lambda name: arena.outcome_of_naming(door, name))
    for command in ("/join #\x01", "/register \x01", "/nick \x01"):
        attack = door.command(command).replace(b"\\u0001", b"\x01").replace(b"\x01", b"a\x80b")
        arena.each([attack], "K", lambda data: arena.outcome(arena.enter(door), data))
    return outcome
