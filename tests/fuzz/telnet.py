"""Fuzz target: nothing raises in telnet, and however the bytes are cut, the outcome is the same."""

from fuzz import pieces
from twisted_chat.protocols.line.telnet import AGAIN, YES, Telnet

# Each option on each side, what is answered again, and room for two subnegotiations and the echo.
MOST = 256 * 2 * 3 + AGAIN * len(YES) + 64


def outcome(cut: list[bytes]) -> tuple[object, ...]:
    """All that can be seen of a connection that asks for a password at the beginning."""
    telnet = Telnet()
    telnet.hide_typing()
    text = b"".join(map(telnet.receive, cut))
    replies = telnet.replies()
    assert len(replies) <= MOST
    assert telnet.size is None or (20 <= telnet.size[0] <= 500 and 5 <= telnet.size[1] <= 300)
    assert len(telnet.terminal) <= 40 and telnet.terminal.isprintable()
    return text, replies, telnet.spoken, telnet.abused, telnet.size, telnet.terminal, telnet.hidden


def check(data: bytes) -> None:
    """Raises if the outcome depends on the cuts."""
    whole = outcome([data])
    assert whole == outcome(list(pieces(data)))
    assert whole == outcome([data[at : at + 1] for at in range(len(data))])
    if b"\xff" not in data and b"\0" not in data:
        assert whole[0] == data
