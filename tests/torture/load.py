"""Very many: connections, messages, questions. And readers that don't read."""

import time

from torture.arena import Arena
from torture.case import DROPPED, KEPT, ORDINARY, Setup, case, expect
from torture.checker import Life, check
from torture.doors import DOORS, Door
from torture.network import Person, fresh_address, fresh_name
from torture.rounds import message_of

PROGRAM = DOORS["json"]
UNLIMITED = Setup(options=("--receipts=always", "--limits=off"))


def crowd(arena: Arena, door: Door, connections: int, seconds: float) -> str:
    """Connect so often from one address, in so many seconds. Who is let in, and what the others are told."""
    address, people = fresh_address(), []
    begun = time.monotonic()
    for number in range(connections):
        people.append(arena.connect(door, address))
        time.sleep(max(0.0, begun + number * seconds / connections - time.monotonic()))
    expect(people[0].until(lambda: sum(not one.closed for one in people) <= 16), "more than 16 are let in")
    inside = [one for one in people if not one.closed]
    expect(len(inside) == 16, f"{len(inside)} are let in")
    without = sum(not any(one.kind == "error" for one in person.heard) for person in people if person.closed)
    expect(not without, f"{without} were refused without a word")
    return DROPPED


@case(
    "T74",
    "500 connections from one address",
    "D",
    not_on=dict.fromkeys(("json", "web"), "who is turned away is told so before it is known what they speak"),
)
def one_address(arena: Arena, door: Door) -> str:
    return crowd(arena, door, 500, 1.0)


@case(
    "T74a",
    "10,000 connections in 5 s from one address",
    "D",
    not_on=dict.fromkeys(("json", "web"), "who is turned away is told so before it is known what they speak"),
    long=True,
)
def ten_thousand(arena: Arena, door: Door) -> str:
    return crowd(arena, door, 10_000, 5.0)


@case("T75", "5,000 idle connections", "O", long=True, checks="ABDEFGH")
def idle(arena: Arena, door: Door) -> str:
    people = []
    for number in range(5000):
        person = arena.connect(door)
        person.name = fresh_name("Idler")
        person.send(door.hello(person.name, room=f"#idle{number // 10}"))
        people.append(person)
        if number % 100 == 99:
            for one in people[-100:]:
                one.wait_for("", "welcome")
    each = (arena.victim.memory - arena.begun.memory) * 1024 / len(people)
    before = arena.victim.cpu
    arena.witnesses[0].until(lambda: False, 10.0)
    busy = (arena.victim.cpu - before) / 10
    print(f"      {each:.1f} KiB a connection, {busy:.1%} of a core (with the canary)", flush=True)
    expect(each < 30, f"{each:.1f} KiB a connection")
    expect(busy < 0.05, f"{busy:.1%} of a core")
    return ORDINARY


@case("T76", "a reader that takes nothing, in a busy room: nobody notices, and it reads on from where it was", "O")
def stalled_reader(arena: Arena, door: Door) -> str:
    room, size = fresh_name("#busy"), min(900, door.longest - 20)  # one line each, on every door
    reader = arena.enter(door, room=room)
    stalled = arena.connect(door, receive_buffer=4096, listens=False)
    stalled.name = fresh_name("Slow")
    stalled.send(door.hello(stalled.name, room=room))
    expect(reader.until(lambda: stalled.name.encode() in reader.received), "the slow reader did not come in")
    writers = [arena.enter(PROGRAM, room=room) for _ in range(10)]
    texts = [f"{number} " + "x" * size for number in range(1000)]
    for number, text in enumerate(texts):
        writers[number % 10].say(text)

    def shown(person: Person) -> list[str]:
        return [one.text for one in person.heard if one.kind == "said" and "xxx" in one.text]

    reader.until(lambda: len(shown(reader)) >= len(texts), 60)
    memory = arena.victim.memory
    stalled.listen()
    stalled.until(lambda: len(shown(stalled)) >= len(texts), 60)
    for person in (reader, stalled):
        got = shown(person)
        expect(sorted(got) == sorted(texts), f"{person.name} was shown {len(got)} of {len(texts)} messages")
    expect(shown(reader) == shown(stalled), "the slow reader was shown another order")
    expect(memory - arena.begun.memory < 30, f"memory rose by {memory - arena.begun.memory:.0f} MiB for one slow reader")
    return ORDINARY


def come_and_go(arena: Arena, door: Door, times: int) -> str:
    """Connect and close so many times, in turn without a word, with a few bytes, and with a name."""
    middle = 0.0
    for number in range(times):
        one = Person(door, arena.victim.port, listens=False)
        arena.connections += 1
        if number % 3 == 1:
            one.send(door.opening + b"a")
        elif number % 3 == 2:
            one.send(door.hello(fresh_name("Fly"), room="#flies"))
        one.socket.close()
        if number == times // 2:
            middle = arena.victim.memory
    expect(arena.victim.memory - middle < 10, f"memory rose by {arena.victim.memory - middle:.1f} MiB in the second half")
    return ORDINARY


@case("T78", "3,000 times connecting and closing, with a name and without", "O")
def flies(arena: Arena, door: Door) -> str:
    return come_and_go(arena, door, 3000)


@case("T78a", "100,000 times connecting and closing, with a name and without", "O", long=True)
def many_flies(arena: Arena, door: Door) -> str:
    return come_and_go(arena, door, 100_000)


def choir(arena: Arena, door: Door, singers: int, each: int) -> str:
    """So many people say so many messages at once; all they were told is checked against the history."""
    room = fresh_name("#choir")
    people = [arena.enter(door, room=room) for _ in range(singers)]
    readers = [arena.enter(one, room=room) for one in DOORS.values()]
    life = Life(sent=[(person.name, number) for person in people for number in range(each)])
    for number in range(each):
        for person in people:
            person.say(f"{person.name}:{number}")

    def told(person: Person) -> int:
        return sum(one.kind in ("receipt", "lost") for one in person.heard) - 1  # one for the mark it came in with

    expect(people[0].until(lambda: all(told(one) >= each for one in people), 120), "some were not told what became of theirs")
    for person in people:
        words = [one for one in person.heard if one.kind in ("receipt", "lost")][1:]
        for number, one in enumerate(words):
            if one.kind == "receipt":
                life.receipts.append(((person.name, number), one.seq))
            else:
                life.lost.append((person.name, number))
    life.settled = {person.name for person in people}
    everything = singers * each
    for reader in readers:

        def shown(reader: Person = reader) -> list[tuple[tuple[str, int], int]]:
            return [(message, one.seq) for one in reader.heard if one.kind == "said" and (message := message_of(one.text))]

        reader.until(lambda: len(shown()) >= everything, 60)
        life.shown[reader.name] = shown()
    life.stayed = set(life.shown)
    rows = arena.victim.kept(arena.begun.seq)
    history = [(seq, message) for seq, where, _, text in rows if where == room and (message := message_of(text))]
    breaches = check([life], history)
    expect(not breaches, "; ".join(breaches[:5]))
    return ORDINARY


@case("T80", "40 people say 25 messages each at once", "O")
def small_choir(arena: Arena, door: Door) -> str:
    return choir(arena, door, 40, 25)


@case("T80a", "1,000 people say 5 messages each at once", "O", long=True, checks="ABDEFGH")
def great_choir(arena: Arena, door: Door) -> str:
    return choir(arena, door, 1000, 5)


@case("T81", "50 clients ask for history, searches and lists as fast as they can", "K")
def lookups(arena: Arena, door: Door) -> str:
    people = [arena.enter(door) for _ in range(50)]
    for _ in range(35):
        for person in people:
            for line in ("/history", "/search mark", "/who"):
                person.command(line)
    answered = people[0].until(lambda: all(any("too often" in one.text.lower() for one in p.heard) for p in people), 45)
    expect(answered, "some may ask as often as they like")
    return KEPT


@case("T83", "the longest messages, as fast as they are taken: the write-ahead log stays bounded", "O")
def longest_messages(arena: Arena, door: Door) -> str:
    people = [arena.enter(PROGRAM) for _ in range(20)]
    for _ in range(35):
        for person in people:
            person.say("x" * 4000 + fresh_name())
    for person in people:
        person.say(done := fresh_name("done"))
        person.wait_for(done, "said", seconds=60)
    size = (arena.state / "chat.db-wal").stat().st_size / 2**20
    expect(size < 64, f"the write-ahead log has {size:.0f} MiB")
    return ORDINARY


@case("T83a", "the same for five minutes, without limits", "O", long=True, setup=UNLIMITED, checks="BDEFGH")
def many_longest(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    most, until = 0, time.monotonic() + 300
    while time.monotonic() < until:
        person.say(*("x" * 4000 for _ in range(50)), done := fresh_name("done"))
        person.wait_for(done, "said", "receipt", seconds=60)
        person.forget()
        for witness in arena.witnesses:
            witness.forget()
        most = max(most, (arena.state / "chat.db-wal").stat().st_size)
    expect(most < 64 * 2**20, f"the write-ahead log had {most / 2**20:.0f} MiB")
    return ORDINARY
