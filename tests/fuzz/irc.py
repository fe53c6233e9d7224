"""Fuzz target: of IRC's pure part nothing raises but what it says, what goes out is one line, and no question takes long."""

from contextlib import suppress

from twisted_chat.core.errors import BadText, ChatError
from twisted_chat.core.text.hostmask import fold_mask, full_mask, matches
from twisted_chat.core.text.sanitize import allowed
from twisted_chat.protocols.irc.channel_modes import KINDS
from twisted_chat.protocols.irc.wire.capabilities import Negotiation, Payload, plain
from twisted_chat.protocols.irc.wire.message import (
    LONGEST,
    ctcp,
    format_body,
    format_tags,
    format_text,
    parse,
    pieces,
    space_for_text,
    unformatted,
)
from twisted_chat.protocols.irc.wire.modes import format_modes, in_lines, parse_modes
from twisted_chat.protocols.irc.wire.parameters import parse_history, parse_list, parse_marker, parse_whox

OFFERED = {"sasl": "PLAIN", "echo-message": "", "cap-notify": ""}


def check(data: bytes) -> None:
    """Raises if anything but the promised errors comes out, or a line is broken in two."""
    negotiation = Negotiation("irc.example.org", OFFERED)
    payload = Payload()
    for line in data.split(b"\n"):
        try:
            message = parse(line)
        except BadText:
            continue
        if message is None:
            continue
        body = format_body(message.source, message.command, message.params)
        out = format_tags(message.tags) + body
        assert out.endswith(b"\r\n") and not set(out[:-2]) & set(b"\0\r\n")
        assert len(body) <= 512
        shown = body.removesuffix(b"\r\n").decode().replace("\x01", "")
        assert shown == allowed(shown) or len(body) > LONGEST - 4  # cut, it may end with a joiner
        _questions(message.params)
        for answer in negotiation.answer("*", False, message.params):
            assert format_body(answer.source, answer.command, answer.params).count(b"\n") == 1
        with suppress(ChatError):
            for word in message.params:
                whole = payload.feed(word)
                if whole is not None:
                    plain(whole)


def _questions(params: tuple[str, ...]) -> None:
    changes = parse_modes(KINDS, params).changes
    assert tuple(change for group in in_lines(changes, 3, 50) for change in group) == changes
    format_modes(changes)
    parse_list(params)
    with suppress(BadText):
        parse_history(params)
    for word in params:
        ctcp(word)
        assert "".join(pieces(word, 40)) == word
        unformatted(word)
        if len(word.encode("utf-8", "replace")) <= space_for_text("a!b@c", "PRIVMSG", "#d"):
            assert format_text("a!b@c", "PRIVMSG", "#d", word) == format_body("a!b@c", "PRIVMSG", ("#d", word))
        matches(fold_mask(full_mask(word)), params[-1])
        parse_whox(word)
        with suppress(BadText):
            parse_marker(word)
