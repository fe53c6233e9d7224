"""Telnet: what is taken out, what is answered, and that nothing a client sends does any harm."""

from collections import deque

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twisted_chat.protocols.line.telnet import AGAIN, LONGEST_SUBNEGOTIATION, YES, Telnet
from twisted_chat.testing import Chat

IAC, DONT, DO, WONT, WILL, SB, AYT, SE = (bytes([code]) for code in (255, 254, 253, 252, 251, 250, 246, 240))
ECHO, SGA, TIMING_MARK, TTYPE, NAWS, LINEMODE, NEW_ENVIRON, CHARSET = (bytes([code]) for code in (1, 3, 6, 24, 31, 34, 39, 42))
QUESTIONS = IAC + DO + NAWS + IAC + DO + TTYPE
ASK_TYPE = IAC + SB + TTYPE + b"\x01" + IAC + SE
# The most that is ever answered, whatever comes: each option on each side, what is answered again, and the two
# subnegotiations that are.
MOST = 256 * 2 * 3 + AGAIN * len(YES) + len(ASK_TYPE) + 20


def sub(content: bytes) -> bytes:
    """A subnegotiation. RFC 855: a data byte of 255 is doubled."""
    return IAC + SB + content.replace(IAC, IAC + IAC) + IAC + SE


def spoken() -> Telnet:
    """A connection whose client has spoken telnet, and whose first answers are read."""
    telnet = Telnet()
    telnet.receive(IAC + b"\xf1")
    telnet.replies()
    return telnet


def test_plain_text_passes_as_the_same_object() -> None:
    """Where there is no IAC, nothing is copied, nothing is answered, and nobody is taken for a telnet client."""
    telnet = Telnet()
    data = "caf\u00e9 \u65e5\u672c\r\n".encode() * 100
    assert telnet.receive(data) is data
    assert not telnet.spoken
    assert telnet.replies() == b""


def test_the_first_command_makes_the_server_ask() -> None:
    """A client that speaks telnet is asked for its window and its terminal, once; SGA and line mode are left as they are."""
    telnet = Telnet()
    assert telnet.receive(b"a" + IAC + b"\xf1b") == b"ab"
    assert telnet.spoken
    assert telnet.replies() == QUESTIONS
    telnet.receive(IAC + b"\xf1" + IAC + WILL + NAWS)
    assert telnet.replies() == b""


@pytest.mark.parametrize(("verb", "refusal"), [(DO, WONT), (WILL, DONT)])
@pytest.mark.parametrize("option", [ECHO, SGA, LINEMODE, NEW_ENVIRON, b"\x00", b"\xff"])
def test_what_is_not_known_is_refused_once(verb: bytes, refusal: bytes, option: bytes) -> None:
    """RFC 855: "a party ... should respond in the negative" to an option it does not know; and does so only once."""
    telnet = spoken()
    telnet.receive((IAC + verb + option) * 1000)
    assert telnet.replies() == IAC + refusal + option


def test_refusals_are_not_answered() -> None:
    """RFC 854: an acknowledgement is not acknowledged, so there are no loops."""
    telnet = spoken()
    telnet.receive(b"".join(IAC + verb + bytes([option]) for verb in (DONT, WONT) for option in range(256)))
    assert telnet.replies() == b""


def test_a_million_requests_are_answered_once_each() -> None:
    """However much is asked for, 512 answers are all there are; but for TIMING-MARK, which may be asked again."""
    telnet = Telnet()
    every = b"".join(IAC + verb + bytes([option]) for verb in (DO, WILL) for option in range(256) if option != 6)
    for _ in range(2000):
        assert telnet.receive(every) == b""
    assert len(telnet.replies()) == 255 * 2 * 3 + len(ASK_TYPE)
    telnet.receive((IAC + DO + TIMING_MARK + IAC + AYT) * 100_000)
    assert len(telnet.replies()) < MOST


def test_each_timing_mark_is_answered() -> None:
    """RFC 860: BSD's telnet sends DO TIMING-MARK at each Ctrl-C, and shows nothing more until it is answered."""
    telnet = spoken()
    for _ in range(3):
        telnet.receive(IAC + b"\xf4" + IAC + DO + TIMING_MARK)
        assert telnet.replies() == IAC + WONT + TIMING_MARK


def test_are_you_there() -> None:
    """RFC 854: AYT is answered with "some visible (e.g., printable) evidence that the AYT was received"."""
    telnet = spoken()
    assert telnet.receive(b"he" + IAC + AYT + b"llo") == b"hello"
    assert telnet.replies() == b"\r\n[yes]\r\n"


@pytest.mark.parametrize("code", [code for code in range(236, 250) if code != 246])
def test_other_commands_are_passed_over(code: int) -> None:
    """NOP, DM, BRK, IP, AO, EC, EL, GA, EOR and a stray SE leave no trace."""
    telnet = spoken()
    assert telnet.receive(b"a" + IAC + bytes([code]) + b"b") == b"ab"
    assert telnet.replies() == b""


def test_what_is_no_command_is_no_telnet() -> None:
    """255 before a byte that is no command is somebody's Latin-1: it stays, so that it is refused, not lost."""
    telnet = Telnet()
    assert telnet.receive("L\u2019Ha\u00ff-les-Roses\r\n".encode("cp1252")) == b"L\x92Ha\xff-les-Roses\r\n"
    assert not telnet.spoken


def test_a_doubled_iac_is_the_byte_255() -> None:
    """RFC 854: "the need to double the IAC" to send it as data. It is no command."""
    telnet = Telnet()
    assert telnet.receive(b"a" + IAC + IAC + b"b") == b"a\xffb"
    assert not telnet.spoken


def test_a_lone_iac_waits() -> None:
    """At a packet's end IAC waits for the next; at the end of input nothing becomes of it."""
    telnet = Telnet()
    assert telnet.receive(b"a" + IAC) == b"a"
    assert telnet.receive(b"") == b""
    assert telnet.receive(DO) == b""
    assert telnet.receive(SGA + b"b") == b"b"
    assert telnet.replies() == QUESTIONS + IAC + WONT + SGA


@pytest.mark.parametrize("pieces", [[b"a\r\0b\r\0\0"], [b"a\r", b"\0b\r", b"\0", b"\0"], [b"a\r", IAC + b"\xf1", b"\0b\r\0\0"]])
def test_cr_nul_ends_a_line(pieces: list[bytes]) -> None:
    """RFC 1123, 3.3.1: "CR LF and CR NUL MUST have the same effect". A NUL elsewhere stays for others to judge."""
    telnet = Telnet()
    assert b"".join(map(telnet.receive, pieces)) == b"a\r\nb\r\n\0"


@pytest.mark.parametrize(
    ("told", "size"),
    [
        (b"\0\x50\0\x18", (80, 24)),
        (b"\xff\xff\xff\xff", (500, 300)),
        (b"\0\x01\0\x01", (20, 5)),
        (b"\0\xff\0\xff", (255, 255)),
        (b"\0\0\0\x32", (80, 50)),
        (b"\0\0\0\0", (80, 24)),
        (b"", None),
        (b"\0\x50\0", None),
        (b"\0\x50\0\x18\0", None),
    ],
)
def test_the_size_of_the_window(told: bytes, size: tuple[int, int] | None) -> None:
    """RFC 1073: two numbers of 16 bits, 255 doubled, 0 for "unspecified". What is not sensible is clamped or ignored."""
    telnet = Telnet()
    telnet.receive(sub(NAWS + told))
    assert telnet.size == size


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (b"\0XTERM-256COLOR", "xterm-256color"),
        (b"\0" + b"x" * 40, "x" * 40),
        (b"\0" + b"x" * 41, ""),
        (b"\0../../x", ""),
        (b"\0vt100\x1b[2J", ""),
        (b"\0vt100\n", ""),
        (b"\0", ""),
        (b"\x01xterm", ""),
        (b"", ""),
    ],
)
def test_the_terminal_is_a_name_or_nothing(told: bytes, name: str) -> None:
    """RFC 1091: IS and a name. One with other characters than names have, or too many, is ignored."""
    telnet = Telnet()
    telnet.receive(sub(TTYPE + told))
    assert telnet.terminal == name


def test_the_terminal_is_asked_for_once() -> None:
    """RFC 1091: after WILL, SEND; asking again would make the client name its next type."""
    telnet = spoken()
    telnet.receive((IAC + WILL + TTYPE) * 9)
    assert telnet.replies() == ASK_TYPE


@pytest.mark.parametrize(
    ("offered", "answer"),
    [
        (b";UTF-8", b"\x02UTF-8"),
        (b" ISO-8859-1 utf-8", b"\x02utf-8"),
        (b"[TTABLE]\x01;UTF-8", b"\x02UTF-8"),
        (b";ISO-8859-1;KOI8-R", b"\x03"),
        (b"UTF-8", b"\x03"),  # the first byte separates
        (b"[TTABLE]", b"\x03"),
        (b"", b"\x03"),
    ],
)
def test_the_character_set_is_utf_8(offered: bytes, answer: bytes) -> None:
    """RFC 2066: of the sets that are offered UTF-8 is taken as it was written, else all are rejected. Once."""
    telnet = spoken()
    telnet.receive(IAC + WILL + CHARSET + sub(CHARSET + b"\x01" + offered) * 2)
    assert telnet.replies() == IAC + DO + CHARSET + sub(CHARSET + answer)


def test_the_environment_is_not_looked_at() -> None:
    """NEW-ENVIRON is refused, and what it carries is dropped (CVE-2026-24061 is what comes of using it)."""
    telnet = spoken()
    assert telnet.receive(IAC + WILL + NEW_ENVIRON + sub(NEW_ENVIRON + b"\0\0USER\x01-f root\0LD_PRELOAD\x01x")) == b""
    assert telnet.replies() == IAC + DONT + NEW_ENVIRON


def test_an_endless_subnegotiation_is_abuse() -> None:
    """Beyond 4 KiB nothing is gathered any more, and no more text comes out; up to that it is passed over."""
    telnet = Telnet()
    assert telnet.receive(b"a" + sub(b"x" * LONGEST_SUBNEGOTIATION) + b"b") == b"ab"
    assert not telnet.abused
    assert telnet.receive(b"c" + sub(b"x" * (LONGEST_SUBNEGOTIATION + 1)) + b"d") == b"c"
    assert telnet.abused
    assert telnet.receive(b"hello" + IAC + AYT) == b""
    assert telnet.replies() == QUESTIONS


def test_a_lost_end_does_not_swallow_the_rest() -> None:
    """Another command within a subnegotiation breaks it off, unused."""
    telnet = spoken()
    assert telnet.receive(IAC + SB + NAWS + b"\0\x50\0\x18" + IAC + AYT + b"hello") == b"hello"
    assert telnet.size is None
    assert telnet.replies() == YES


def test_typing_is_hidden_and_shown_and_hidden_again() -> None:
    """RFC 857: WILL ECHO asks the client to stop its own echo. Its DO is the answer, and is not answered."""
    telnet = Telnet()
    for _ in range(3):
        assert telnet.hide_typing() == IAC + WILL + ECHO
        assert telnet.hide_typing() == b""
        assert not telnet.hidden
        telnet.receive(IAC + DO + ECHO)
        assert telnet.hidden
        assert telnet.show_typing() == IAC + WONT + ECHO
        assert not telnet.hidden
        telnet.receive(IAC + DONT + ECHO)
    assert telnet.replies() == QUESTIONS


def test_a_client_may_refuse_to_hide() -> None:
    """DONT ECHO leaves the typing visible; a later password may be asked for in the same way."""
    telnet = spoken()
    telnet.hide_typing()
    telnet.receive(IAC + DONT + ECHO)
    assert not telnet.hidden
    assert telnet.show_typing() == b""
    assert telnet.hide_typing() == IAC + WILL + ECHO


def test_a_client_may_show_its_typing_again_by_itself() -> None:
    """RFC 854: a request to disable an option must be agreed to."""
    telnet = spoken()
    telnet.hide_typing()
    telnet.receive((IAC + DO + ECHO) * 2 + (IAC + DONT + ECHO) * 2)
    assert not telnet.hidden
    assert telnet.replies() == IAC + WONT + ECHO


def test_who_never_answers_is_asked_once() -> None:
    """nc sees three odd bytes at the first password, and none after it."""
    telnet = Telnet()
    asked = [telnet.hide_typing() + telnet.show_typing() for _ in range(5)]
    assert asked == [IAC + WILL + ECHO, b"", b"", b"", b""]


def test_a_late_agreement_is_taken_back() -> None:
    """If the password is over when the client agrees, its echo is given back at once."""
    telnet = spoken()
    telnet.hide_typing()
    telnet.show_typing()
    telnet.receive(IAC + DO + ECHO)
    assert telnet.replies() == IAC + WONT + ECHO


def test_a_client_that_wants_an_echo_can_still_hide_its_typing() -> None:
    """PuTTY begins with DO ECHO, is told no, and then agrees to a WILL ECHO."""
    telnet = Telnet()
    telnet.receive(IAC + DO + ECHO)
    assert telnet.replies() == QUESTIONS + IAC + WONT + ECHO
    assert telnet.hide_typing() == IAC + WILL + ECHO
    telnet.receive(IAC + DO + ECHO)
    assert telnet.hidden
    assert telnet.replies() == b""


@given(st.lists(st.sampled_from(["hide", "show", "to server", "to client", "flip"])), st.booleans())
@example(["hide", "show", "to client", "hide", "to server", "show"], True)
def test_both_sides_agree_in_the_end(steps: list[str], agrees: bool) -> None:
    """RFC 1143: whatever crosses on the way, negotiation ends, with both ends of one mind. The client changes its mind, too."""
    telnet = spoken()
    to_client: deque[bytes] = deque()
    to_server: deque[bytes] = deque()
    silent = False  # the client's own echo is off

    def to_the_client(data: bytes) -> None:
        to_client.extend(data[at : at + 3] for at in range(0, len(data), 3))

    def deliver(way: str) -> None:
        nonlocal silent
        if way == "to server" and to_server:
            telnet.receive(to_server.popleft())
            to_the_client(telnet.replies())
        elif way == "to client" and to_client:
            match to_client.popleft():
                case b"\xff\xfb\x01" if not silent:
                    silent = agrees
                    to_server.append(IAC + (DO if agrees else DONT) + ECHO)
                case b"\xff\xfc\x01" if silent:
                    silent = False
                    to_server.append(IAC + DONT + ECHO)

    wanted = False
    for step in steps:
        match step:
            case "hide":
                wanted = True
                to_the_client(telnet.hide_typing())
            case "show":
                wanted = False
                to_the_client(telnet.show_typing())
            case "flip":
                agrees = not agrees
            case way:
                deliver(way)
    for _ in range(20):
        deliver("to client")
        deliver("to server")
    assert not to_client
    assert not to_server
    assert telnet.hidden is silent
    if not wanted:
        assert not silent


PARTS = st.one_of(
    st.binary(max_size=6),
    st.sampled_from([IAC, IAC + IAC, IAC + SB, IAC + SE, IAC + AYT, b"\r", b"\0", b"\n", b"abc", IAC + SB + b"x" * 2000]),
    st.builds(
        lambda verb, option: IAC + verb + option, st.sampled_from([DO, DONT, WILL, WONT]), st.binary(min_size=1, max_size=1)
    ),
    st.builds(lambda option, rest: sub(option + rest), st.sampled_from([NAWS, TTYPE, CHARSET]), st.binary(max_size=8)),
)


def outcome(pieces: list[bytes], hides: bool) -> tuple[object, ...]:
    """All that can be seen of a connection on which these pieces came."""
    telnet = Telnet()
    if hides:
        telnet.hide_typing()
    text = b"".join(map(telnet.receive, pieces))
    assert len(text) <= sum(map(len, pieces))
    replies = telnet.replies()
    assert len(replies) <= MOST
    return text, replies, telnet.spoken, telnet.abused, telnet.size, telnet.terminal, telnet.hidden


@given(st.lists(PARTS), st.data(), st.booleans())
def test_however_bytes_are_cut_the_outcome_is_the_same(parts: list[bytes], data: st.DataObject, hides: bool) -> None:
    """Any bytes are taken without an error, and any re-chunking of them gives the same text, answers and facts."""
    whole = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert outcome(pieces, hides) == outcome([whole], hides)
    assert outcome([whole[at : at + 1] for at in range(len(whole))], hides) == outcome([whole], hides)


@given(st.lists(st.tuples(st.binary(max_size=8).filter(lambda text: b"\0" not in text), st.sampled_from(range(241, 250)))))
def test_what_a_client_escapes_comes_out_as_it_was(parts: list[tuple[bytes, int]]) -> None:
    """Text with its 255s doubled, and commands strewn in, comes out as the text."""
    sent = b"".join(text.replace(IAC, IAC + IAC) + IAC + bytes([command]) for text, command in parts)
    assert Telnet().receive(sent) == b"".join(text for text, _ in parts)


@pytest.mark.parametrize("kind", ["detect", "line"])
def test_a_telnet_client_comes_in_and_talks(kind: str) -> None:
    """What PuTTY begins with makes it a person, is answered, and never gets into the conversation."""
    chat = Chat()
    ann = chat.connect(kind)
    ann.send_bytes(IAC + WILL + NAWS + IAC + WILL + TTYPE + IAC + WILL + NEW_ENVIRON + IAC + DO + ECHO + IAC + DO + SGA)
    answers = QUESTIONS + ASK_TYPE + IAC + DONT + NEW_ENVIRON + IAC + WONT + ECHO + IAC + WONT + SGA
    assert answers in ann.transport.received
    ann.transport.received = b""
    ann.send_bytes(sub(NAWS + b"\0\x50\0\x18") + b"A" + IAC + AYT + b"nn\r\0hel" + IAC)
    ann.send_bytes(b"\xf4lo\r\n")
    chat.turn()
    assert ann.lines() == ["", "[yes]", "Hello Ann, you are now connected!", "Server: I received your message - 'hello'"]


def test_a_literal_255_is_refused_and_the_connection_kept() -> None:
    """IAC IAC gives a byte that is no UTF-8."""
    ann = Chat().enter("Ann")
    ann.lines()
    ann.send_bytes(b"a" + IAC + IAC + b"\r\n")
    assert ["byte 1 " in line for line in ann.lines()] == [True]
    assert not ann.closed


def test_a_plain_client_is_sent_no_telnet() -> None:
    """Who does not speak it never sees a byte of it."""
    ann = Chat().enter("Ann")
    ann.send("hello")
    assert IAC not in ann.transport.received


def test_abuse_ends_the_connection_with_a_word() -> None:
    """A hundred megabytes after IAC SB are not waited for; what came before is said."""
    chat = Chat()
    ann = chat.enter("Ann")
    ann.lines()
    ann.send_bytes(b"hello\n" + IAC + SB + b"x" * 5000)
    chat.turn()
    assert ann.transport.received.count(QUESTIONS) == 1
    ann.transport.received = ann.transport.received.replace(QUESTIONS, b"")
    assert ann.lines() == ["Server: I received your message - 'hello'", "-> That is not telnet. Goodbye."]
    assert ann.closed
    ann.send_bytes(b"more" * 1000)


def test_half_a_command_at_the_end_is_no_text() -> None:
    """T31: an IAC that nothing follows any more is passed over; what was typed before it is said."""
    chat = Chat()
    bob, ann = chat.enter("Bob"), chat.enter("Ann")
    bob.lines()
    ann.send_bytes(b"hello" + IAC)
    ann.end_input()
    assert bob.lines() == ["[12:01] <Ann> hello"]
    assert ann.closed


def test_a_flood_of_requests_is_hardly_answered_and_harms_nobody() -> None:
    """T26, T27: a megabyte of options, sizes and environments from who reads nothing costs no memory, and no one's time."""
    chat = Chat()
    bob, ann = chat.enter("Bob"), chat.enter("Ann")
    ann.transport.stop_reading()
    hostile = IAC + DO + SGA + IAC + WILL + TTYPE + sub(NAWS + b"\0\x50\0\x18") + sub(TTYPE + b"\0\x1b[2J")
    for _ in range(64):
        ann.send_bytes((hostile + sub(NEW_ENVIRON + b"\0\0LD_PRELOAD\1x") + IAC + AYT) * 300)
    assert len(ann.transport.value()) < MOST
    assert not ann.closed
    assert ann.transport.protocol.telnet.terminal == ""
    ann.send("still here")
    assert bob.lines()[-1] == "[12:01] <Ann> still here"


def test_an_answer_stands_in_its_place() -> None:
    """What a command is answered comes after the answers to the lines before it, also when all come in one packet."""
    ann = Chat().enter("Ann")
    ann.lines()
    ann.send_bytes(b"/topic\n" + IAC + AYT + b"/nosuch\r\0" + IAC + AYT)
    assert ann.transport.received.replace(QUESTIONS, b"").decode().split("\r\n") == [
        "-> There is no topic.",
        "",
        "[yes]",
        "-> Unknown command /nosuch. Try /help",
        "",
        "[yes]",
        "",
    ]
