"""Names that are not free, that look like others, or that are no names."""

from torture.arena import Arena
from torture.case import IGNORED, NOT_IRC, case, expect
from torture.doors import DOORS, Door
from torture.network import fresh_name

# Of each pair one is taken, and the other must not be had. {} stands for something that no other case uses.
SAME = (
    ("Ann{}", "ann{}"),
    ("Ann{}", "ANN{}"),
    ("Kim{}", "\u212aim{}"),
    ("Iris{}", "ıris{}"),
    ("Iris{}", "İris{}"),
    ("Strasse{}", "Straße{}"),
)
ALIKE = (
    ("Ann{}", "Аnn{}"),  # Cyrillic A
    ("evan{}", "еvan{}"),
    ("Bam{}", "Barn{}"),
    ("Bobo{}", "Bob0{}"),
    ("Bill{}", "BiII{}"),
    ("Bill{}", "Bi11{}"),
)
FORMS = (("ann{}", "ａｎｎ{}"), ("fin{}", "ﬁn{}"), ("Ann{}", "𝐀𝐧𝐧{}"), ("Ren\u00e9{}", "Rene\u0301{}"))
NO_NAMES = (".", "..", "-", "*", "@", "#x", "~x", "/x", ":x", "12345", "a b", "a" * 33, "a" * 10_000)
RESERVED = ("server", "admin", "root", "system", "all", "here", "NickServ", "ChanServ", "you", "nobody", "null", "None")


def refused(arena: Arena, door: Door, pairs: tuple[tuple[str, str], ...]) -> str:
    """Let one of each pair come in, and another try the other name."""

    def attack(pair: tuple[str, str]) -> str:
        stem = fresh_name("")
        arena.enter(door, pair[0].format(stem))
        return arena.outcome_of_naming(door, pair[1].format(stem))

    return arena.each(pairs, "K", attack)


@case("T52", "another case, another sign for the same letter", "K")
def same_names(arena: Arena, door: Door) -> str:
    return refused(arena, door, SAME)


@case("T52a", "the two forms of the Greek s", "K")
def final_sigma(arena: Arena, door: Door) -> str:
    digit = 2 + list(DOORS).index(door.name)
    arena.enter(door, f"νικος{digit}")
    return arena.outcome_of_naming(door, f"ΝΙΚΟΣ{digit}")


@case("T53", "letters that look like others, in somebody's name and in reserved ones", "K")
def alike_names(arena: Arena, door: Door) -> str:
    arena.each(("аdmin", "ChɑnServ", "rооt", "Adrnin"), "K", lambda name: arena.outcome_of_naming(door, name))
    return refused(arena, door, ALIKE)


@case("T54", "full width, ligatures, mathematical letters, decomposed ones", "K")
def other_forms(arena: Arena, door: Door) -> str:
    return refused(arena, door, FORMS)


@case("T55", "what is no name", "K", not_on=NOT_IRC)
def no_names(arena: Arena, door: Door) -> str:
    return arena.each(NO_NAMES, "K", lambda name: arena.outcome_of_naming(door, name))


@case("T55a", "nothing, and blanks, as a name", "KI")
def empty_names(arena: Arena, door: Door) -> str:
    if door.dialect != "line":
        return arena.each(("", " ", "   "), "K", lambda name: arena.outcome_of_naming(door, name))
    person = arena.connect(door)
    person.send(b"\n   \n\r\n" + door.hello(fresh_name()))
    person.wait_for("", "welcome")
    return IGNORED


@case("T56", "a name of 32 characters, and of 128 bytes", "O")
def longest_names(arena: Arena, door: Door) -> str:
    digit = str(2 + list(DOORS).index(door.name))
    return arena.each([f"{'a' * 31}{digit}", f"{'𐐨' * 31}{digit}"], "O", lambda name: arena.outcome_of_naming(door, name))


@case("T57", "reserved names, in any case", "K")
def reserved_names(arena: Arena, door: Door) -> str:
    names = [form for name in RESERVED for form in (name, name.upper())]
    return arena.each(names, "K", lambda name: arena.outcome_of_naming(door, name))


@case("T58", "names that are commands", "K")
def command_names(arena: Arena, door: Door) -> str:
    attacks = [f"/nick {name}" for name in ("quit", "help", "name", "/quit", "exit", "Who")]
    return arena.each(attacks, "K", lambda line: arena.outcome(arena.enter(door), door.command(line)))


@case(
    "T59",
    "line ends, tabs, NUL and text direction in a name",
    "K",
    not_on=dict.fromkeys(("line", "tls", "ssh"), "none of it can stand in a line, but as what other cases send"),
)
def broken_names(arena: Arena, door: Door) -> str:
    names = ["a\nb", "a\tb", "a\0b", "a\u202eb", "a b", "a\r\nb", "a\x1b[2Jb"]
    if door.dialect == "irc":
        del names[4], names[2]  # there a blank ends the name, and a zero is dropped where it comes in
    return arena.each(names, "K", lambda name: arena.outcome_of_naming(door, name))


@case("T61", "two scripts in a name; and names in one script, whichever", "KO")
def scripts(arena: Arena, door: Door) -> str:
    expect(arena.each(("Annа", "Борис-b", "пaul"), "K", lambda name: arena.outcome_of_naming(door, name)), "")
    digit = str(2 + list(DOORS).index(door.name))
    names = [f"{name}{digit}" for name in ("Борис", "さくら", "東京タロウ", "דוד")]
    return arena.each(names, "O", lambda name: arena.outcome_of_naming(door, name)) + "K"
