"""Passwords tried and broken, names stolen, and what only operators may do."""

from torture.arena import ROOM, Arena
from torture.case import KEPT, ORDINARY, case, expect
from torture.doors import DOORS, Door
from torture.network import Person, fresh_address, fresh_name

PASSWORD = "a-long-password"
# What only operators and owners may do: all of it, with words that would make sense.
DEEDS = (
    "/announce hi",
    "/audit",
    "/lockdown on",
    "/shutdown",
    "/ban {who} 1h",
    "/mute {who} 1h",
    "/unban {who}",
    "/kick {who}",
    "/bans",
    "/delete 1",
    "/slow 10",
    "/op {who}",
    "/deop {who}",
    "/motd evil",
    "/room private",
)


def registered(arena: Arena, door: Door) -> str:
    """A registered name whose owner has gone again."""
    owner = arena.enter(door, fresh_name("Owner"))
    owner.command(f"/register {PASSWORD}")
    owner.wait_for("is yours now")
    owner.command("/quit")
    owner.until(lambda: owner.closed)
    return owner.name


def comes_in(arena: Arena, door: Door, name: str, password: str | None, address: str | None = None) -> Person:
    """Somebody who gives this name and password, once that is answered."""
    person = arena.connect(door, address)
    person.send(door.hello(name, password, ROOM))
    asked = ("Password:", "password-needed")

    def answered() -> bool:
        answers = [one for one in person.heard if one.kind == "welcome" or (one.kind == "error" and asked[0] not in one.text)]
        return bool(answers or person.closed or (password is None and any(asked[0] in one.text for one in person.heard)))

    expect(person.until(answered), f"no answer: {person.tail()}")
    person.name = name if is_in(person) else ""
    return person


def is_in(person: Person) -> bool:
    """Whether they were welcomed."""
    return any(one.kind == "welcome" for one in person.heard)


@case("T99", "wrong passwords from one connection: ever slower; the owner can come in from elsewhere", "K")
def wrong_passwords(arena: Arena, door: Door) -> str:
    name = registered(arena, door)
    person = arena.connect(door)
    for number in range(30):
        person.send(
            door.hello(name, f"wrong-{number}-password")
            if door.dialect != "line" or not number
            else door.say(f"wrong-{number}")
        )
    person.wait_for("Too many wrong passwords", "error", seconds=30)
    expect(not is_in(person), "one of them was let in")
    expect(is_in(comes_in(arena, door, name, PASSWORD)), "the owner is shut out")
    return KEPT


@case("T99a", "wrong passwords from 12 addresses: the owner can still come in", "K")
def wrong_passwords_everywhere(arena: Arena, door: Door) -> str:
    name = registered(arena, door)
    for number in range(12):
        address = fresh_address()
        expect(not is_in(comes_in(arena, door, name, f"wrong-{number}-password", address)), "one of them was let in")
    expect(is_in(comes_in(arena, door, name, PASSWORD)), "the owner is shut out")
    return KEPT


@case("T101", "200 logins at once", "KO")
def many_logins(arena: Arena, door: Door) -> str:
    name = registered(arena, door)
    people = [arena.connect(door) for _ in range(200)]
    for number, person in enumerate(people):
        person.send(door.hello(name, f"wrong-{number}-password"))
    words = ("not the password", "Too many", "Many people")

    def answered(person: Person) -> bool:
        return bool(person.closed) or any(
            one.kind == "error" and any(word in one.text for word in words) for one in person.heard
        )

    expect(people[0].until(lambda: all(map(answered, people)), 60), "some were not answered")
    expect(not any(map(is_in, people)), "one of them was let in")
    return KEPT


@case("T102", "a registered name that is free just now, taken without its password", "K")
def stolen_name(arena: Arena, door: Door) -> str:
    name = registered(arena, door)
    for other in DOORS.values():
        expect(not is_in(comes_in(arena, other, name, None)), "it was had without the password")
    return KEPT


@case("T102a", "the name of a guest whose line has dropped a moment ago", "K")
def held_name(arena: Arena, door: Door) -> str:
    guest = arena.enter(door)
    guest.reset()
    arena.people.remove(guest)
    witness = arena.witnesses[0]
    expect(witness.until(lambda: f"{guest.name} left".encode() in witness.received), "nobody was told that they left")
    return arena.outcome_of_naming(door, guest.name)


@case("T104", "passwords that are none: too short, too long, with NUL", "K")
def bad_passwords(arena: Arena, door: Door) -> str:
    def attack(password: str) -> str:
        person = arena.enter(door)
        person.command(f"/register {password}")
        expect(
            person.until(lambda: any(one.kind == "error" for one in person.heard)),
            f"{password[:9]!r}... ({len(password)}): {person.tail()}",
        )
        expect(not any("is yours now" in one.text for one in person.heard), f"{password[:20]!r} was taken")
        expect(b"Traceback" not in arena.victim.output[arena.begun.log :], "it is a bug")
        return KEPT

    return arena.each(("x", "x" * 301, "x" * 3900, "x" * 1_000_000), "K", attack)


@case("T104a", "a password in its two Unicode forms is one; typed as a line it is not shown", "O")
def password_forms(arena: Arena, door: Door) -> str:
    person = arena.enter(door, fresh_name("Rene"))
    person.command("/register caf\u00e9-caf\u00e9-caf\u00e9")
    person.wait_for("is yours now")
    person.command("/quit")
    person.until(lambda: person.closed)
    expect(is_in(comes_in(arena, door, person.name, "cafe\u0301-cafe\u0301-cafe\u0301")), "the other form is refused")
    for witness in arena.witnesses:
        expect("café-".encode() not in witness.received, f"{witness.name} was shown it")
    expect("café-".encode() not in arena.victim.output, "it stands in the log")
    return ORDINARY


@case("T107", "what only operators may do, from a guest", "K")
def operators_words(arena: Arena, door: Door) -> str:
    lines = [line.format(who=arena.witnesses[0].name) for line in DEEDS]
    return arena.each(lines, "K", lambda line: arena.outcome(arena.enter(door), door.command(line)))
