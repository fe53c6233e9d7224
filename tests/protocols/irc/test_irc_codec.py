"""IRC as the specifications have it, as far as it is pure. Each test quotes the rule it holds."""

import base64
import re
import time
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_chat.core.errors import BadText
from twisted_chat.core.text.hostmask import fold_mask, full_mask, matches
from twisted_chat.core.text.sanitize import INVISIBLE, ZERO_WIDTH_JOINERS
from twisted_chat.protocols.irc.wire import isupport
from twisted_chat.protocols.irc.wire.capabilities import Negotiation, Payload, SaslFailed, plain
from twisted_chat.protocols.irc.wire.message import (
    CLIENT_TAGS,
    LONGEST,
    LONGEST_WITH_TAGS,
    BadLine,
    LineTooLong,
    Message,
    NotUtf8,
    action,
    clipped,
    ctcp,
    format_body,
    format_tags,
    parse,
    pieces,
    space_for_text,
    unformatted,
)
from twisted_chat.protocols.irc.wire.modes import Change, Kinds, format_modes, in_lines, parse_modes
from twisted_chat.protocols.irc.wire.numerics import Numeric
from twisted_chat.protocols.irc.wire.parameters import (
    BadQuery,
    Selector,
    format_time,
    milliseconds,
    parse_history,
    parse_list,
    parse_marker,
    parse_time,
    parse_whox,
)

SERVER = "irc.example.org"


def format_line(message: Message) -> bytes:
    """A message as a line with its CR LF."""
    return format_tags(message.tags) + format_body(message.source, message.command, message.params)


PLACEABLE = st.characters(
    categories=["L", "N", "P", "S", "Zs"], include_characters="\x01", exclude_characters=[*map(chr, INVISIBLE)]
)
TEXT = st.text(PLACEABLE, max_size=60)
MIDDLE = st.text(PLACEABLE.filter(lambda char: char != " "), min_size=1, max_size=20).filter(lambda word: word[0] != ":")
KEY = st.from_regex(r"\A\+?([a-z0-9.-]{1,8}/)?[A-Za-z0-9-]{1,8}\Z")
TAGS = st.dictionaries(KEY, st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20), max_size=4)
MESSAGES = st.builds(
    lambda command, middles, last, source, tags: Message(command, (*middles, *last), source, tags),
    st.from_regex(r"\A([A-Z]{1,12}|[0-9]{3})\Z"),
    st.lists(MIDDLE, max_size=4),
    st.lists(TEXT, max_size=1),
    st.one_of(st.just(""), MIDDLE),
    TAGS,
)
ODD_BYTES = st.lists(
    st.one_of(
        st.binary(max_size=9), st.sampled_from([b"@", b";", b"=", b" ", b" :", b":", b"\\", b"\r", b"\0", b"PRIVMSG", b"\xff"])
    )
).map(b"".join)


# Lines


@given(MESSAGES)
def test_what_is_formatted_is_parsed_the_same(message: Message) -> None:
    """“[@tags] [:source] <command> <parameters>” (modern, Messages): a line that fits comes back as it was."""
    line = format_line(message)
    assert line.endswith(b"\r\n")
    body = format_body(message.source, message.command, message.params)
    if len(body) < LONGEST + 2:
        assert parse(line[:-2]) == message


@given(ODD_BYTES)
def test_nothing_but_a_bad_line_is_raised(line: bytes) -> None:
    """Whatever comes, it is a message, nothing, or a `BadLine`; and what it is goes out as one line that fits."""
    try:
        message = parse(line)
    except BadLine as error:
        assert isinstance(error, BadText)
        assert isinstance(error.command, str)
        return
    if message is None:
        assert not line.strip(b"\0\r ")
        return
    out = format_body(message.source, message.command, message.params)
    assert out.count(b"\n") == 1
    assert b"\r" not in out[:-2]
    assert b"\0" not in out


@given(
    st.text(max_size=200), st.lists(st.text(max_size=200), max_size=20), st.dictionaries(KEY, st.text(max_size=40), max_size=4)
)
def test_whatever_goes_out_is_one_line_of_512_bytes(source: str, params: list[str], tags: dict[str, str]) -> None:
    """“Most IRC servers limit messages to 512 bytes in length, including the trailing CR-LF” (modern, Messages)."""
    body = format_body(source, "PRIVMSG", params)
    assert len(body) <= 512
    body.decode()
    line = format_tags(tags) + body
    assert line.endswith(b"\r\n")
    assert not set(line[:-2]) & set(b"\0\r\n")
    assert (format_tags(tags).count(b" ") == 1) is bool(tags)
    for char in body.removesuffix(b"\r\n").decode():
        assert category(char)[0] in "LMNPS" or category(char) == "Zs" or char in ZERO_WIDTH_JOINERS + "\x01"


@pytest.mark.parametrize(
    ("line", "params"),
    [
        (b":irc.example.com CAP * LIST :", ("*", "LIST", "")),
        (b"CAP * LS :multi-prefix sasl", ("*", "LS", "multi-prefix sasl")),
        (b"CAP REQ :sasl message-tags foo", ("REQ", "sasl message-tags foo")),
        (b":dan!d@localhost PRIVMSG #chan :Hey!", ("#chan", "Hey!")),
        (b":dan!d@localhost PRIVMSG #chan Hey!", ("#chan", "Hey!")),
        (b"PRIVMSG  #chan   ::-) :)  ", ("#chan", ":-) :)  ")),
        (b"MODE #chan +k a:b ", ("#chan", "+k", "a:b")),
        (b"nick bar\r", ("bar",)),
        ("PRIVMSG #chan :日本 \N{NO-BREAK SPACE}é".encode(), ("#chan", "日本 \N{NO-BREAK SPACE}é")),
    ],
)
def test_parameters_are_split_at_spaces_and_the_last_may_have_them(line: bytes, params: tuple[str, ...]) -> None:
    """“Parameters are a series of values separated by one or more ASCII SPACE characters” (modern, Parameters)."""
    message = parse(line)
    assert message is not None
    assert message.params == params
    assert message.command.isupper()


@pytest.mark.parametrize("line", [b"", b"\r", b"   ", b"\r\r", b"\0"])
def test_an_empty_line_is_nothing(line: bytes) -> None:
    """“If you encounter an empty message, silently ignore it” (modern, Messages)."""
    assert parse(line) is None


def test_a_lone_cr_ends_no_line_and_goes_nowhere() -> None:
    """A CR or NUL inside a line is neither an end nor passed on."""
    assert parse(b"PRIVMSG bob :a\rQUIT\0") == Message("PRIVMSG", ("bob", "aQUIT"))
    assert format_body("s", "PRIVMSG", ("bob", "hi\r\nPRIVMSG x :y")) == b":s PRIVMSG bob :hi  PRIVMSG x :y\r\n"


def test_510_bytes_pass_and_511_do_not() -> None:
    """“ERR_INPUTTOOLONG: a given line does not follow the specified size limits (512 bytes for the main section)” (modern)."""
    assert parse(b"PING " + b"x" * 505) == Message("PING", ("x" * 505,))
    with pytest.raises(LineTooLong) as caught:
        parse(b"@label=l PING " + b"x" * 506)
    assert (caught.value.command, caught.value.tags) == ("PING", {"label": "l"})


def test_4094_bytes_of_tags_pass_and_4095_do_not() -> None:
    """“Clients MUST NOT send messages with tag data exceeding 4094 bytes” (IRCv3 message-tags, Size limit)."""
    line = b"@foo=bar;+baz=" + b"a" * 4081 + b" PRIVMSG #test " + b"b" * 496
    assert len(line) == 4096 + 510 == LONGEST_WITH_TAGS
    message = parse(line)
    assert message is not None
    assert len(message.tags["+baz"]) == 4081
    with pytest.raises(LineTooLong):
        parse(b"@foo=bar;+baz=" + b"a" * 4082 + b" TAGMSG #test")
    assert CLIENT_TAGS == 4094


def test_what_is_not_utf8_names_its_command_and_label() -> None:
    """“FAIL PRIVMSG INVALID_UTF8”; “if unable to parse the sent command it MAY send FAIL with *” (IRCv3 utf8-only)."""
    with pytest.raises(NotUtf8) as caught:
        parse(b"@label=xyz PRIVMSG #qux hi\xaa")
    assert (caught.value.command, caught.value.tags) == ("PRIVMSG", {"label": "xyz"})
    with pytest.raises(NotUtf8) as caught:
        parse(b"\xff\xfe hi")
    assert caught.value.command == "*"


@pytest.mark.parametrize(
    ("data", "tags"),
    [
        (b"id=123AB;rose", {"id": "123AB", "rose": ""}),
        (b"url=;netsplit=tur,ty", {"url": "", "netsplit": "tur,ty"}),
        (rb"+example=raw+:=,escaped\:\s\\", {"+example": "raw+:=,escaped; \\"}),
        (rb"a=test\ ".strip(), {"a": "test"}),
        (rb"a=\b\r\n", {"a": "b\r\n"}),
        (b"a=1;a=2", {"a": "2"}),
        (b";;=x;\xc3\xa9=1;ok", {"ok": ""}),
        (b"+draft/reply=1;example.com/ddd=eee", {"+draft/reply": "1", "example.com/ddd": "eee"}),
    ],
)
def test_tags_are_unescaped(data: bytes, tags: dict[str, str]) -> None:
    """“If a lone \\ exists at the end of an escaped value there SHOULD be no output character”; “all but the final
    occurrence” of a key are discarded (IRCv3 message-tags)."""
    message = parse(b"@" + data + b" TAGMSG x")
    assert message is not None
    assert message.tags == tags


def test_a_parameter_that_cannot_stand_is_a_star() -> None:
    """“unless it would be an invalid parameter, in which case it MUST be `*`” (modern, HELP)."""
    assert format_body("s", "696", ("bar", "#chan", "k", "a key", "no")) == b":s 696 bar #chan k * no\r\n"
    assert format_body("s", "401", ("", ":x", "no nick")) == b":s 401 * * :no nick\r\n"


def test_what_a_reply_repeats_turns_no_text_round_and_hides_none() -> None:
    """Direction and what shows nothing is left out; where nothing is left, or a colon comes to the front, it is a star."""
    assert format_body("s", "432", ("ann", "a\u202eb", "no\u2066 name")) == b":s 432 ann ab :no name\r\n"
    assert format_body("s", "432", ("ann", "\u202e", "\u200e:x", "no")) == b":s 432 ann * * no\r\n"
    assert format_body("s", "NOTICE", ("ann", action("a\u202eb\x1bc"))) == b":s NOTICE ann :\x01ACTION ab c\x01\r\n"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 100))
def test_cut_text_ends_between_characters(text: str, most: int) -> None:
    """“Implementations must ensure that if they truncate messages ... not in the middle of a codepoint” (IRCv3 utf8-only)."""
    data = clipped(text.encode(), most)
    assert text.startswith(data.decode())
    assert most - 3 <= len(data) <= most or len(data) == len(text.encode())


@given(st.text(st.one_of(st.characters(), st.sampled_from(" e\u0301\u200d👩日"))), st.integers(4, 40))
def test_pieces_fit_and_are_the_text(text: str, most: int) -> None:
    """Nothing is lost, no piece is longer than allowed, and every piece but an only one says something."""
    parts = pieces(text, most)
    assert "".join(parts) == text
    assert all(len(part.encode("utf-8", "replace")) <= most for part in parts)
    assert all(parts[1:])


def test_pieces_are_cut_at_spaces_and_not_before_marks() -> None:
    """A word stays whole where it can, and so does a letter with its accent."""
    assert pieces("hello big world", 12) == ["hello big ", "world"]
    assert pieces("aaae\u0301", 4) == ["aaa", "e\u0301"]


def test_space_for_text_is_what_is_left() -> None:
    """A text of that size fills a line to 512 bytes, and is not cut."""
    space = space_for_text("ann!ann@host", "PRIVMSG", "#lobby")
    line = format_body("ann!ann@host", "PRIVMSG", ("#lobby", "x" * space))
    assert len(line) == 512
    assert line.endswith(b"x" * space + b"\r\n")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\x01ACTION waves\x01", ("ACTION", "waves")),
        ("\x01action waves", ("ACTION", "waves")),
        ("\x01VERSION\x01", ("VERSION", "")),
        ("\x01\x01", ("", "")),
        ("hello \x01x\x01", None),
        ("", None),
    ],
)
def test_ctcp(text: str, found: tuple[str, str] | None) -> None:
    """“The final <delim> MUST be sent, but parsers SHOULD accept incoming messages which lack it” (modern, CTCP)."""
    assert ctcp(text) == found
    assert ctcp(action("waves")) == ("ACTION", "waves")


def test_formatting_is_taken_away_with_its_numbers() -> None:
    """“\\x03[<foreground>[,<background>]]”, “\\x04[<hex>]”, “\\x02 bold” ... (modern, formatting)."""
    assert unformatted("\x02bold\x0f \x0304,12red\x03 \x033,plain 5 \x04ff00aa\x1dx\x16\x1f\x1e\x11") == "bold red ,plain 5 x"


# Numerics


def test_every_numeric_is_told_from_every_other_and_fits_its_layout() -> None:
    """Each number stands once, each layout takes the values it names, and its line begins with server, number, client."""
    assert len({numeric.number for numeric in Numeric}) == len(Numeric)
    for numeric in Numeric:
        assert re.fullmatch(r"\d{3}", numeric.number)
        assert numeric.name.startswith("ERR_" if "400" <= numeric.number < "600" else ("RPL_", "ERR_"))
        names = list(dict.fromkeys(re.findall(r"<(\w+)", numeric.layout)))
        line = numeric.line(SERVER, "ann", *range(len(names)))
        message = parse(line[:-2])
        assert message is not None
        assert (message.source, message.command, message.params[0]) == (SERVER, numeric.number, "ann")
        assert "<" not in line.decode()


def test_numerics_are_laid_out_as_the_specification_has_them() -> None:
    """“<client> <nick> <username> <host> * :<realname>”, “<client> <u> <m> :Current local users <u>, max <m>” (modern)."""
    assert Numeric.RPL_WHOISUSER.params("bob", "b", "h", "Bob {} <nick>") == ("bob", "b", "h", "*", "Bob {} <nick>")
    assert Numeric.RPL_LOCALUSERS.params(2, 3) == ("2", "3", "Current local users 2, max 3")
    assert Numeric.RPL_CHANNELMODEIS.params("#c", "+kl", "key", 5) == ("#c", "+kl", "key", "5")
    assert Numeric.RPL_CHANNELMODEIS.params("#c", "+") == ("#c", "+")
    assert Numeric.RPL_TOPIC.line(SERVER, "ann", "#c", "x") == b":irc.example.org 332 ann #c :x\r\n"
    assert Numeric.ERR_NICKNAMEINUSE.params("bob", text="Taken.") == ("bob", "Taken.")


@pytest.mark.parametrize("values", [(), ("a",), ("a", "b", "c", "d", "e")])
def test_a_numeric_with_other_values_is_a_bug(values: tuple[str, ...]) -> None:
    """Too few or too many values fail at once."""
    with pytest.raises(TypeError):
        Numeric.RPL_WHOISUSER.params(*values)


def test_isupport_has_13_tokens_a_line_and_fits() -> None:
    """“the maximum number of RPL_ISUPPORT tokens that can be advertised is 13”; “\\x3D for the equal character” (modern)."""
    tokens = {f"TOKEN{number}": "v" * (number * 3) for number in range(60)}
    tokens |= {"NETWORK": "Café = \\", "UTF8ONLY": None}
    lines = list(isupport.lines(tokens, SERVER, "ann"))
    assert [one for line in lines for one in line] == [isupport.token(*pair) for pair in tokens.items()]
    for line in lines:
        assert 1 <= len(line) <= 13
        message = parse(Numeric.RPL_ISUPPORT.line(SERVER, "ann", *line)[:-2])
        assert message is not None
        assert message.params == ("ann", *line, "are supported by this server")
    assert isupport.token("NETWORK", "Café = \\") == r"NETWORK=Caf\xC3\xA9\x20\x3D\x20\x5C"
    assert isupport.CASEMAPPING == {"CASEMAPPING": "ascii", "UTF8MAPPING": "rfc8265"}


# Modes and masks

KINDS = Kinds(lists="beI", always="k", setting="l", flags="imnst", prefixes=(("o", "@"), ("v", "+")))


def test_kinds_are_what_isupport_tells() -> None:
    """“CHANMODES=A,B,C,D”; “PREFIX=(ov)@+”: modes of PREFIX are not listed in CHANMODES (modern, RPL_ISUPPORT)."""
    assert (KINDS.chanmodes, KINDS.prefix) == ("beI,k,l,imnst", "(ov)@+")


@pytest.mark.parametrize(
    ("params", "changes"),
    [
        (["+o-v+k", "ann", "bob", "key"], [Change(True, "o", "ann"), Change(False, "v", "bob"), Change(True, "k", "key")]),
        (["imn"], [Change(True, "i"), Change(True, "m"), Change(True, "n")]),
        (["+b"], [Change(True, "b")]),
        (["-l+l", "5"], [Change(False, "l"), Change(True, "l", "5")]),
        (["-k"], [Change(False, "k")]),
        (["-k", "key"], [Change(False, "k", "key")]),
        (["+o", "ann", "-v", "bob"], [Change(True, "o", "ann"), Change(False, "v", "bob")]),
        (["+k", ""], [Change(True, "k", "")]),
        (["+b", ""], [Change(True, "b")]),
        ([], []),
    ],
)
def test_mode_strings(params: list[str], changes: list[Change]) -> None:
    """Type B “MUST always have a parameter”, type C “when being set”, type D “MUST NOT have a parameter” (modern, MODE)."""
    assert list(parse_modes(KINDS, params).changes) == changes


def test_unknown_and_incomplete_letters_are_reported() -> None:
    """ERR_UNKNOWNMODE “indicates that a mode character is not recognized”: once for each; the others are done (modern)."""
    parsed = parse_modes(KINDS, ["+xiyx+l-o"])
    assert (parsed.changes, parsed.unknown, parsed.missing) == ((Change(True, "i"),), ("x", "y"), ("l", "o"))


@given(st.lists(st.text("+-biklmovxé ", max_size=8), max_size=6))
def test_modes_never_raise_and_format_back(params: list[str]) -> None:
    """What was understood is said in the same order, with its words, and understood again."""
    changes = parse_modes(KINDS, params).changes
    assert parse_modes(KINDS, format_modes(changes)).changes == changes or any(not change.argument for change in changes)
    groups = list(in_lines(changes, 3, 50))
    assert tuple(change for group in groups for change in group) == changes
    assert all(len(format_modes(group)) <= 4 for group in groups)


def test_no_modes_are_a_plus() -> None:
    """A channel without modes is told as ``+`` (modern, RPL_CHANNELMODEIS)."""
    assert format_modes([]) == ("+",)
    assert format_modes([Change(True, "o", "a"), Change(True, "n"), Change(False, "v", "b")]) == ("+on-v", "a", "b")


@pytest.mark.parametrize(
    ("typed", "mask"),
    [
        ("bar", "bar!*@*"),
        ("bar!*@*", "bar!*@*"),
        ("u@h", "*!u@h"),
        ("n!u", "n!u@*"),
        ("", "*!*@*"),
        ("a**!***@", "a*!*@*"),
        (": x y", "xy!*@*"),
    ],
)
def test_masks_are_filled_up(typed: str, mask: str) -> None:
    """A mask is ``nick!user@host``, and stays what it is when it is filled up again."""
    assert full_mask(typed) == mask
    assert full_mask(mask) == mask


@pytest.mark.parametrize(
    ("mask", "text", "match"),
    [
        ("bar!*@*", "Bar!u@h", True),
        ("BA*!*@*", "bar!u@h", True),
        ("*!*@127.0.0.?", "x!y@127.0.0.1", True),
        ("*!*@127.0.0.?", "x!y@127.0.0.10", False),
        ("ÉV*!*@*", "évan!u@h", True),
        ("*a*a", "aa", True),
        ("*a*a", "a", False),
        ("a?c", "abc", True),
        ("*?*?", "ab", True),
        ("*ab*ab*", "abab", True),
        ("ab*ba", "aba", False),
        ("", "", True),
        ("*", "", True),
        ("?", "", False),
    ],
)
def test_masks_match(mask: str, text: str, match: bool) -> None:
    """``*`` is any number of any characters, ``?`` exactly one (RFC 2812, section 2.5), case apart."""
    assert matches(fold_mask(mask), fold_mask(text)) is match


@given(st.text("ab?*", max_size=10), st.text("ab", max_size=10))
def test_masks_match_as_regular_expressions_do(mask: str, text: str) -> None:
    """The same answer as a regular expression gives."""
    pattern = re.sub(r"\*+", ".*", mask.replace("?", "."))
    assert matches(mask, text) is bool(re.fullmatch(pattern, text))


def test_no_mask_takes_long() -> None:
    """Stars that could be anywhere do not multiply: 200 characters of mask on 500 of text take milliseconds."""
    start = time.process_time()
    assert not matches("*a" * 90 + "*?????b", "a" * 500)
    assert not matches("*a?" * 60 + "b*", "a" * 500)
    assert time.process_time() - start < 0.5


# Capabilities and SASL

OFFERED = {"multi-prefix": "", "sasl": "PLAIN", "echo-message": "", "cap-notify": ""}


def talk(negotiation: Negotiation, *params: str, registered: bool = False) -> list[tuple[str, ...]]:
    """The parameters of each answer to one CAP command."""
    return [message.params for message in negotiation.answer("*", registered, params)]


def test_ls_suspends_registration_until_end() -> None:
    """“If a server receives an LS while client registration is in progress, it MUST suspend registration” (IRCv3)."""
    negotiation = Negotiation(SERVER, OFFERED)
    assert talk(negotiation, "ls", "307") == [("*", "LS", "multi-prefix sasl=PLAIN echo-message cap-notify")]
    assert negotiation.waiting
    assert talk(negotiation, "END") == []
    assert not negotiation.waiting
    talk(negotiation, "LS", registered=True)
    assert not negotiation.waiting


def test_values_are_for_302() -> None:
    """“the server MUST NOT send these new features to the client”; “keep storing the original version” (IRCv3)."""
    negotiation = Negotiation(SERVER, OFFERED)
    assert talk(negotiation, "LS") == [("*", "LS", "multi-prefix sasl echo-message cap-notify")]
    assert negotiation.enabled == set()
    talk(negotiation, "LS", "302")
    talk(negotiation, "LS", "301")
    assert negotiation.version == 302
    assert talk(negotiation, "LIST") == [("*", "LIST", "cap-notify")]
    assert talk(negotiation, "REQ", "-cap-notify") == [("*", "NAK", "-cap-notify")]


def test_a_request_is_granted_or_refused_as_a_whole() -> None:
    """“The capability identifier set must be accepted as a whole, or rejected entirely” (IRCv3, CAP REQ)."""
    negotiation = Negotiation(SERVER, OFFERED)
    assert talk(negotiation, "LIST") == [("*", "LIST", "")]
    assert talk(negotiation, "REQ", "foo multi-prefix bar") == [("*", "NAK", "foo multi-prefix bar")]
    assert negotiation.enabled == set()
    assert talk(negotiation, "REQ", "multi-prefix sasl") == [("*", "ACK", "multi-prefix sasl")]
    assert talk(negotiation, "REQ", "-sasl -echo-message ") == [("*", "ACK", "-sasl -echo-message ")]
    assert talk(negotiation, "LIST") == [("*", "LIST", "multi-prefix")]
    assert negotiation.waiting


def test_an_invalid_subcommand_is_refused() -> None:
    """“:example.org 410 * FOO :Invalid CAP command” (IRCv3)."""
    negotiation = Negotiation(SERVER, OFFERED)
    (message,) = negotiation.answer("*", False, ["FOO"])
    assert format_line(message) == b":irc.example.org 410 * FOO :Invalid CAP command\r\n"
    assert negotiation.answer("*", False, [])[0].command == "461"


def test_many_capabilities_are_several_lines_for_302_only() -> None:
    """“all but the last reply MUST have a parameter containing only an asterisk preceding the list” (IRCv3)."""
    offered = {f"example.org/capability-{number}": "value" for number in range(60)}
    negotiation = Negotiation(SERVER, offered)
    messages = negotiation.answer("ann", True, ["LS", "302"])
    assert [message.params[2] for message in messages[:-1]] == ["*"] * (len(messages) - 1)
    assert len(messages[-1].params) == 3
    assert [one.partition("=")[0] for message in messages for one in message.params[-1].split()] == list(offered)
    assert len(negotiation.answer("ann", True, ["LS"])) == 1
    assert all(parse(format_line(message)[:-2]) == message for message in messages)


@given(st.lists(st.tuples(st.sampled_from(["LS", "LIST", "REQ", "END", "ACK", ""]), st.text(max_size=30)), max_size=8))
def test_negotiation_never_raises_and_enables_only_what_is_offered(commands: list[tuple[str, str]]) -> None:
    """Whatever is asked for, what is enabled was offered."""
    negotiation = Negotiation(SERVER, OFFERED)
    for command in commands:
        negotiation.answer("*", False, command)
        assert negotiation.enabled <= OFFERED.keys()


@pytest.mark.parametrize("size", [0, 1, 291, 300, 600, 900])
def test_a_payload_comes_in_pieces_of_400(size: int) -> None:
    """“If the last chunk was exactly 400 bytes long, it must also be followed by AUTHENTICATE +” (IRCv3 sasl-3.1)."""
    payload = b"x" * size
    text = base64.b64encode(payload).decode()
    chunks = [text[at : at + 400] for at in range(0, len(text), 400)]
    if not chunks or len(chunks[-1]) == 400:
        chunks.append("+")
    reader = Payload()
    assert [reader.feed(chunk) for chunk in chunks] == [None] * (len(chunks) - 1) + [payload]


def test_a_payload_that_is_none_is_refused() -> None:
    """“904 ... 905 the parameter was longer than 400 bytes ... 906 if the client sent *” (IRCv3 sasl-3.1)."""
    for piece, numeric in [("*", "906"), ("x" * 401, "905"), ("§", "904"), ("abc", "904")]:
        with pytest.raises(SaslFailed) as caught:
            Payload().feed(piece)
        assert caught.value.numeric.number == numeric
    reader = Payload()
    with pytest.raises(SaslFailed) as caught:
        for _ in range(20):
            reader.feed("x" * 400)
    assert caught.value.numeric is Numeric.ERR_SASLTOOLONG


def test_plain() -> None:
    """“message = [authzid] UTF8NUL authcid UTF8NUL passwd” (RFC 4616): authzid empty or the same account."""
    assert plain(base64.b64decode("amlsbGVzAGppbGxlcwBzZXNhbWU=")) == ("jilles", "sesame")
    assert plain(base64.b64decode("AGppbGxlcwBzZXNhbWU=")) == ("jilles", "sesame")
    assert plain("Foo\0foo\0é".encode()) == ("foo", "é")
    for payload in [b"", b"foo", b"a\0b\0c", b"a\0a\0b\0c", b"\0\0x", b"\0x\0", b"\0x\0\xff"]:
        with pytest.raises(SaslFailed):
            plain(payload)


@given(st.lists(st.text(max_size=500), max_size=12), st.binary(max_size=40))
def test_sasl_raises_nothing_else(chunks: list[str], payload: bytes) -> None:
    """Whatever comes, it is a payload, nothing yet, or `SaslFailed`."""
    reader = Payload()
    try:
        for chunk in chunks:
            reader.feed(chunk)
        plain(payload)
    except SaslFailed as error:
        assert error.numeric.name.startswith("ERR_SASL")


# LIST, WHO, CHATHISTORY


@pytest.mark.parametrize(
    ("condition", "shown"),
    [
        ("", {"#chan1", "#chan2"}),
        ("*an1", {"#chan1"}),
        ("#c*N2", {"#chan2"}),
        ("!*an1", {"#chan2"}),
        ("#CHAN1,#chan2", {"#chan1", "#chan2"}),
        (">0", {"#chan1", "#chan2"}),
        (">1", {"#chan2"}),
        ("<2", {"#chan1"}),
        ("<1", set()),
        ("C>2", {"#chan1"}),
        ("c<2", {"#chan2"}),
        ("C<0", set()),
        ("T>2", {"#chan1"}),
        ("T<10", {"#chan1"}),
        (">0,<2,#chan*", {"#chan1"}),
    ],
)
def test_elist(condition: str, shown: set[str]) -> None:
    """“C<val: created less than val minutes ago”; “U: less or more than val users”; “N: a non-matching mask” (modern)."""
    channels = [("#chan1", 1, 180.0, 180.0), ("#chan2", 2, 60.0, None)]
    conditions = parse_list([condition] if condition else [])
    assert {channel[0] for channel in channels if conditions.match(*channel)} == shown


def test_whox_fields_come_in_its_own_order() -> None:
    """“Servers MUST send the fields in the order specified above ... MUST ignore any non-standard field” (IRCv3 whox)."""
    values = {letter: letter.upper() for letter in "cuihsnfdlaor"}
    for asked in ("%tcuihsnfdlaor,123", "%roaldfnshiuctxyz,123", "o%tcuihsnfdlaor,123"):
        whox = parse_whox(asked)
        assert whox is not None
        assert whox.row(values) == ("123", *"CUIHSNFDLAOR")
    whox = parse_whox("%tn,4444")
    assert whox is not None
    assert whox.row(values) == ("0", "N")
    assert parse_whox("o") is None


@given(st.integers(0, 253402300799999))
def test_times_come_back(ms: int) -> None:
    """“YYYY-MM-DDThh:mm:ss.sssZ” (IRCv3 server-time)."""
    text = format_time(ms)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert parse_time(text) == ms
    assert milliseconds(ms / 1000) == ms


@pytest.mark.parametrize(
    "text", ["not-a-timestamp", "*", "", "2019-13-01T00:00:00.000Z", "2019-01-01T00:00:60.000Z", "0000-01-01T00:00:00Z"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """FAIL MARKREAD INVALID_PARAMS (IRCv3 read-marker)."""
    with pytest.raises(BadQuery) as caught:
        parse_marker(f"timestamp={text}")
    assert caught.value.fail[0] == "INVALID_PARAMS"
    with pytest.raises(BadQuery):
        parse_marker(text)


def test_markers() -> None:
    """“MARKREAD <target> timestamp=YYYY-MM-DDThh:mm:ss.sssZ” (IRCv3 read-marker)."""
    assert format_time(parse_marker("timestamp=2019-01-04T14:33:26.123Z")) == "2019-01-04T14:33:26.123Z"


def test_chathistory() -> None:
    """“CHATHISTORY BETWEEN <target> <timestamp=... | msgid=...> <timestamp=... | msgid=...> <limit>” and the others (IRCv3)."""
    assert parse_history(["LATEST", "#c", "*", "10"]).start == Selector()
    query = parse_history(["between", "bob", "msgid=17", "timestamp=1970-01-01T00:00:01.500Z", "3"])
    assert (query.kind, query.target, query.start, query.end, query.limit) == (
        "BETWEEN",
        "bob",
        Selector(seq=17),
        Selector(time=1500),
        3,
    )
    query = parse_history(["TARGETS", "timestamp=2020-01-01T00:00:00.000Z", "timestamp=2262-01-01T00:00:00.000Z", "100"])
    assert (query.target, query.limit) == ("", 100)
    assert query.end is not None


@pytest.mark.parametrize(
    ("words", "fail"),
    [
        ("", ("INVALID_PARAMS", "*")),
        ("SOON #c * 1", ("INVALID_PARAMS", "SOON")),
        ("LATEST #c *", ("INVALID_PARAMS", "LATEST")),
        ("BEFORE #c * 1", ("INVALID_PARAMS", "BEFORE", "*")),
        ("AFTER #c msgid=x 1", ("INVALID_PARAMS", "AFTER", "msgid=x")),
        ("AFTER #c timestamp=x 1", ("INVALID_PARAMS", "AFTER", "timestamp=x")),
        ("LATEST #c * -1", ("INVALID_PARAMS", "LATEST", "-1")),
        ("LATEST #c * 1 2", ("INVALID_PARAMS", "LATEST")),
    ],
)
def test_a_bad_chathistory_says_what_is_wrong(words: str, fail: tuple[str, ...]) -> None:
    """An “unknown subcommand, missing parameters, excess parameters” and what can’t be parsed are INVALID_PARAMS (IRCv3)."""
    with pytest.raises(BadQuery) as caught:
        parse_history(words.split())
    assert caught.value.fail == fail


@given(
    st.lists(
        st.one_of(st.text(max_size=30), st.sampled_from(["LATEST", "BETWEEN", "TARGETS", "*", "msgid=1", "5", "timestamp="])),
        max_size=6,
    )
)
def test_queries_raise_nothing_else(params: list[str]) -> None:
    """Whatever is asked, it is understood or a `BadQuery`."""
    parse_list(params)
    for param in params:
        parse_whox(param)
    try:
        parse_history(params)
    except BadQuery as error:
        assert error.fail
