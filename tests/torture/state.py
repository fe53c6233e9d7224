"""Things said at the wrong time: before a name, at the end of the input, to a room one has left."""

from torture.arena import ROOM, Arena
from torture.case import DROPPED, IGNORED, KEPT, NOT_IRC, ORDINARY, case, expect
from torture.doors import Door
from torture.framing import TLS_HELLO
from torture.network import PATIENCE, fresh_address, fresh_name

NO_HALF_CLOSE = dict.fromkeys(("tls", "web"), "there is no half close there: who ends it has ended both ways")
BEFORE_A_DOOR = dict.fromkeys(("json", "tls", "ssh", "web"), "nothing is known yet of who it is")


@case("T64", "a message before a name", "K")
def nameless(arena: Arena, door: Door) -> str:
    def attack(line: bytes) -> str:
        person = arena.connect(door)
        person.send(line)
        person.wait_for("", "error")
        person.send(door.hello(fresh_name()))
        person.wait_for("", "welcome")
        return KEPT

    lines = [door.command(line) for line in ("/say nameless", "/me nameless", f"/msg {arena.witnesses[0].name} nameless")]
    outcome = arena.each(lines + ([door.say("nameless")] if door.dialect != "line" else []), "K", attack)
    for witness in arena.witnesses:
        expect(b"nameless" not in witness.received, f"{witness.name} was shown a message of somebody without a name")
    return outcome


@case("T66", "a last line without an end, and then the end of the input", "OI")
def unended_line(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    text = fresh_name("last")
    person.send(door.say(text)[:-1])
    person.end_input()
    expect(person.until(lambda: person.closed), "it was not closed")
    if not door.half_closes:  # there is no half close inside TLS: what came after the last whole line is gone with its end
        expect(text not in arena.shown(person.name), "it was shown")
        return IGNORED
    arena.shown(person.name, text)
    return ORDINARY


@case("T67", "name, message and the end of the input at once: the receipt comes back", "O", not_on=NO_HALF_CLOSE)
def all_at_once(arena: Arena, door: Door) -> str:
    person = arena.connect(door)
    person.name = fresh_name()
    person.send(door.hello(person.name) + door.say("hi"))
    person.end_input()
    expect(person.until(lambda: person.closed), "it was not closed")
    expect(any(one.kind == "receipt" for one in person.heard), f"there was no receipt: {person.tail()}")
    return ORDINARY


@case("T69", "100 connections that end within TLS's handshake, or before anything is known of them", "I", not_on=BEFORE_A_DOOR)
def gone_while_shaking_hands(arena: Arena, door: Door) -> str:
    for number in range(100):
        person = arena.connect(door, listens=False)
        person.send(TLS_HELLO[: 2 * number])
        if number % 2:
            person.reset()
        else:
            person.close()
    arena.people.clear()
    return IGNORED


@case("T70", "200 connections that say nothing", "D", long=True)
def silent_connections(arena: Arena, door: Door) -> str:
    people = [arena.connect(door) for _ in range(200)]
    if door.opening:
        for person in people:
            person.send(door.opening[:1])
    first = people[0]
    expect(first.until(lambda: all(person.closed for person in people), 75), "after 75 s some are still open")
    expect(all(any(one.kind == "error" for one in person.heard) for person in people), f"without a reason: {first.tail()}")
    return DROPPED


@case("T71", "clients that are gone while they are sent a history of 1 MiB", "I")
def gone_while_reading(arena: Arena, door: Door) -> str:
    room, program = fresh_name("#long"), next(iter(arena.witnesses[1:]), arena.witnesses[0]).door
    for _ in range(10):
        writer = arena.enter(program, room=room)
        for _ in range(25):
            writer.say("x" * 4000 + fresh_name())
        writer.say(done := fresh_name("done"))
        writer.wait_for(done, "said", "receipt")
    for _ in range(20):
        reader = arena.connect(door, receive_buffer=4096, listens=False)
        reader.send(door.hello(fresh_name(), room=room) + door.command(f"/history {room} 250"))
        while len(reader.received) < 8192:
            expect(reader.take(4096), "it was closed")
        reader.reset()
    for person in arena.people:
        person.received.clear()  # what was cut off is no whole line
    return IGNORED


@case("T73", "a message to a room one has just left", "K")
def left_room(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    before = len(arena.shown(person.name))
    person.send(door.command("/leave #lobby") + door.command("/leave") + door.say("too late"))
    person.wait_for("", "error")
    expect("too late" not in arena.shown(person.name)[before:], "it was shown all the same")
    person.command(f"/join {ROOM}")
    person.say("back")
    arena.shown(person.name, "back")
    return KEPT


@case("T73a", "a hundred rooms, and no more", "K", not_on=NOT_IRC)
def many_rooms(arena: Arena, door: Door) -> str:
    person = arena.connect(door, fresh_address())
    stem = fresh_name("#many")
    person.send(door.hello(fresh_name(), room=stem))
    person.wait_for("", "welcome")
    for number in range(102):
        person.command(f"/join {stem}{number}")
    person.wait_for("You are in 100 rooms", "error", seconds=PATIENCE * 2)
    person.say("still here")
    person.wait_for("still here", "receipt", "said")
    return KEPT
