"""Text that would take over a terminal: in a message, a name, a room, a topic, and wherever else a person's words are shown.

What a case checks is what anybody is sent, by `Arena.check`: no byte of it steers a terminal. Here is only how it gets there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from unicodedata import category

from torture.arena import ROOM, Arena
from torture.case import ENDED_BY_BYTES, KEPT, ORDINARY, Setup, case, expect
from torture.doors import Door
from torture.network import Person, fresh_name
from twisted_chat.daemon.claim_desk import FILE

ESC = "\x1b"
ESCAPES = (
    f"{ESC}[2J{ESC}c",
    f"{ESC}]0;title\x07",
    f"{ESC}P1$r0m{ESC}\\",
    f"{ESC}_apc{ESC}\\",
    f"{ESC}^pm{ESC}\\",
    f"{ESC}Xsos{ESC}\\",
    f"the last is {ESC}",
)
REPORTS = (
    f"{ESC}]52;c;ZXZpbA==\x07",
    f"{ESC}]52;c;?\x07",
    f"{ESC}]8;;http://evil.example/{ESC}\\link{ESC}]8;;{ESC}\\",
    f"{ESC}]50;evil\x07",
    f"{ESC}]1337;File=inline=1:AAAA\x07",
    f"{ESC}[21t",
    f"{ESC}P$q\x22p{ESC}\\",
    f"{ESC}[6n",
)
# What a row that goes on where the last one ended begins with: nothing that anybody types stands at the left.
GUTTER = "  | "
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\xad\u180e\u034f\u115f\u1160\u3164\uffa0\u2800"


def everywhere(arena: Arena, door: Door, text: str) -> str:
    """Put a text wherever a person's words are shown, and let everybody look there. What became of it as a message."""
    person = arena.enter(door)
    outcome = arena.outcome(person, door.say(text))
    witness = arena.witnesses[0]
    for line in (
        "/me {}",
        "/topic {}",
        "/away {}",
        "/msg {who} {}",
        "/{} x",
        "/join #{}",
        "/nick {}",
        "/search {}",
        "/whois {}",
    ):
        person.command(line.format(text, who=witness.name))
    stranger = arena.connect(door)
    stranger.send(door.hello(text.replace("\n", "")).split(b"\n")[0] + b"\n")
    reader = arena.enter(door, room=fresh_name("#room"))
    for line in (f"/join {ROOM}", f"/whois {person.name}", f"/msg {person.name} hello", "/rooms", "/who", "/history"):
        reader.command(line)
    reader.say(done := fresh_name("done"))
    arena.shown(reader.name, done)
    person.say(done := fresh_name("done"))
    person.wait_for(done, "receipt", "said")
    person.command(f"/quit {text}")
    expect(person.until(lambda: person.closed), f"/quit {text!r} did not end the connection")
    return outcome


def shown_everywhere(number: str, what: str, *texts: str, expected: str = "KO") -> None:
    """Declare a case that puts each of these texts everywhere."""

    def run(arena: Arena, door: Door) -> str:
        return arena.each(texts, expected, lambda text: everywhere(arena, door, text))

    run.__module__ = __name__
    case(number, what, expected)(run)


shown_everywhere("T35", "escape sequences", *ESCAPES)
shown_everywhere("T36", "C1 controls, as UTF-8", "\x9b2J", "\x9d0;x\x9c", "\x90q\x9c")
shown_everywhere("T37", "what makes a terminal type, or write to the clipboard", *REPORTS)
shown_everywhere("T40", "4,000 bells", "\x07" * 2000 + "x", "x" + "\x07" * 2000)
shown_everywhere("T41", "backspace, DEL and CR, that overwrite", "hi\b\b", "hi\x7f\x7f", "me: ok\radmin: ok")
shown_everywhere("T42", "other character sets", "\x0eqqq\x0f", f"{ESC}(0qqq")
shown_everywhere("T43", "text direction", *(f"a{chr(one)}b" for one in (0x202A, 0x202E, 0x2066, 0x2069, 0x200E, 0x200F, 0x61C)))
shown_everywhere("T48", "colour codes", "\x0304red\x03", "\x02bold\x02", "\x1funder\x1f", "\x16rev", f"{ESC}[31mred")


@case("T36a", "the C1 control CSI as a raw byte", "K", not_on=ENDED_BY_BYTES)
def raw_csi(arena: Arena, door: Door) -> str:
    return arena.outcome_of_saying(door, b"\x9b2J")


@case("T43a", "right-to-left text is let through as it is", "O")
def natural_direction(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    text = "שלום, שמי דוד 123"
    outcome = arena.outcome(person, door.say(text))
    shown = arena.shown(person.name)
    expect(any(re.sub("[\u2066-\u2069]", "", one) == text for one in shown), f"shown was {shown}")
    return outcome


@case("T44", "invisible characters: alone they are nothing, and no name has them", "K")
def invisible(arena: Arena, door: Door) -> str:
    outcome = arena.each([*INVISIBLE, INVISIBLE], "K", lambda text: arena.outcome_of_saying(door, text))
    arena.each((f"Sam{one}my" for one in INVISIBLE), "K", lambda name: arena.outcome_of_naming(door, name))
    return outcome


@case("T44a", "joiners are kept where scripts and emoji need them, and only there", "O")
def joiners(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    family, persian = "\N{WOMAN}\u200d\N{GIRL}", "می\u200cخواهم"
    for text, wanted in ((family, family), (persian, persian), ("1\u200d 2", "1 2")):
        person.say(text)
        arena.shown(person.name, wanted)
    return ORDINARY


@case("T45", "one letter with 2,000 marks on it, or as many as fit", "O")
def marks(arena: Arena, door: Door) -> str:
    person = arena.enter(door)
    outcome = arena.outcome(person, door.say("z" + "\u0335" * min(2000, door.longest // 2 - 1)))
    longest = max(sum(category(one)[0] == "M" for one in text) for text in arena.shown(person.name))
    expect(longest <= 4, f"{longest} marks were shown on one letter")
    return outcome


@case("T47", "lines that look like the server's, or like somebody else's", "KO")
def imitations(arena: Arena, door: Door) -> str:
    fakes = ("[server] you are banned", "* Ann left (0 here)", "-> You are banned.", "[12:00] <admin> hi")

    def attack(fake: str) -> str:
        person = arena.enter(door)
        outcome = arena.outcome(person, door.say(fake))
        arena.outcome(person, door.say("hi" + " " * 200 + fake))
        for witness in arena.witnesses:
            lines = [text for text in witness.door.texts(bytes(witness.received)) if fake in text and not text.startswith("{")]
            for line in lines:
                if witness.door.dialect == "line":
                    begins = line.startswith(GUTTER) or f"<{person.name}> " in line.split(fake)[0]
                    expect(begins, f"this row begins neither with its author nor with the gutter: {line!r}")
                    expect(" " * 20 not in line, f"blanks may push the end of a line to where a line begins: {line!r}")
        return outcome

    return arena.each(fakes, "KO", attack)


@case("T49", "HTML and JavaScript are text like any other", "O")
def html(arena: Arena, door: Door) -> str:
    texts = (
        "<img src=x onerror=alert(1)>",
        "</script><script>alert(1)</script>",
        "javascript:alert(1)",
        "__proto__ constructor",
    )

    def attack(text: str) -> str:
        person = arena.enter(door)
        outcome = arena.outcome(person, door.say(text))
        expect(text in arena.shown(person.name), "it was changed")
        return outcome

    outcome = arena.each(texts, "O", attack)
    expect(arena.outcome_of_naming(door, "__proto__") == KEPT, "somebody may be called __proto__")
    return outcome


@case("T51", "lines of IRC in a text, and CTCP", "KO")
def irc_in_text(arena: Arena, door: Door) -> str:
    texts = ["\x01DCC SEND x 1 2 3\x01", ":server 001 x :y", "@tag=x hi"] + (
        ["hi\r\nPRIVMSG x :y"] if door.dialect == "json" else []
    )

    def attack(text: str) -> str:
        person = arena.enter(door)
        before = len(arena.shown(person.name))
        outcome = arena.outcome(person, door.say(text))
        expect(len(arena.shown(person.name)) - before <= 2, "it became more than one message")
        return outcome

    return arena.each(texts, "KO", attack)


# Everybody's words go to this daemon's log; and there is somebody with an operator's view.
OPERATED = Setup(options=("--receipts=always", "--log-messages", "--operator=Warden"))


def warden(arena: Arena, door: Door) -> Person:
    """The operator of the server, who has claimed the name."""
    person = arena.enter(door)
    (code,) = [line.split()[1] for line in (arena.state / FILE).read_text("utf-8").splitlines()]
    person.command(f"/claim Warden {code} a-long-password")
    person.wait_for("is yours now")
    person.name = "Warden"
    return person


@case("T50", "the operator's own view: the log, lists, the audit", "KO", setup=OPERATED, checks="ABCEFGH")
def operators_view(arena: Arena, door: Door) -> str:
    operator = warden(arena, door)
    outcomes = set()
    for text in (*ESCAPES, *REPORTS[:2], "\x9b2J", "a\u202eb", "line\u2028two", "x\x85y"):
        outcomes.add(everywhere(arena, door, text))
        name = fresh_name("Bad")
        for line in (
            f"/ban {name} 1h {text}",
            "/bans",
            f"/unban {name}",
            f"/announce {text}",
            f"/kick {name} {text}",
            f"/motd {text}",
        ):
            operator.command(line)
    for line in ("/audit 50", "/motd", f"/room {text}"):
        operator.command(line)
    operator.say(done := fresh_name("done"))
    operator.wait_for(done, "receipt", "said", seconds=60)
    written = arena.victim.output[arena.begun.log :].decode("utf-8", "surrogateescape")
    for line in written.split("\n"):
        bad = [one for one in line if category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
        expect(not bad, f"the log has {bad} in {line[:150]!r}")
    return "".join(sorted(outcomes))


Check = Callable[[Arena, Door], str]
