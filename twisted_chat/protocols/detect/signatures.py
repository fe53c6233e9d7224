"""What the clients of each protocol send first. Pure: bytes in, an answer out.

1. Each function answers True (this is it), False (this can't be), or None (so far it could be: more bytes, please).
2. However the bytes are cut, the answer becomes the same; and after `LONGEST` bytes it is never None.
3. A person's first line is a name, and names have no blanks: where a protocol begins with a word, the blank after it
   and what follows decide, so that people may be called Get, Nick or Proxy.
"""

from collections.abc import Callable

from twisted_chat.protocols.framing import BYTE_ORDER_MARK

Fits = Callable[[bytes], bool | None]

# After so many bytes it is known what a client speaks: IRC's longest tags and source (IRCv3, message tags) decide last.
LONGEST = 1024


def begins_with(*prefixes: bytes) -> Fits:
    """Fits bytes that begin with one of these."""

    def fits(data: bytes) -> bool | None:
        if data.startswith(prefixes):
            return True
        return None if any(prefix.startswith(data) for prefix in prefixes) else False

    return fits


# TLS: a handshake record of any version (RFC 8446, 5.1).
tls = begins_with(b"\x16\x03")

# A JSON object, with or without the mark that some systems' pipes send first.
json = begins_with(b"{", BYTE_ORDER_MARK + b"{")

# HTTP: a method, then a target (RFC 9112, 3.2). CONNECT is what proxies are asked, PRI how HTTP/2 begins (RFC 9113, 3.4).
METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"PROPFIND")
TARGETS = (b"/", b"*", b"http:", b"https:", b"rtsp:", b"sip:")
http = begins_with(
    *(method + b" " + target for method in METHODS for target in TARGETS), b"CONNECT ", b"PRI * HTTP/", b"REGISTER sip:"
)

# SSH: both sides begin with their version (RFC 4253, 4.2).
ssh = begins_with(b"SSH-")

# The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt).
proxy = begins_with(b"PROXY TCP", b"PROXY UNKNOWN", b"\r\n\r\n\x00\r\nQUIT\n")

# Redis: an array of words.
redis = begins_with(*(b"*%d\r\n$" % words for words in range(1, 10)))

# IRC: how a client registers, or tries to. In capitals, as all programs send them: ``nick`` may be typed by a person.
IRC_WORDS = begins_with(
    b"CAP ", b"NICK ", b"USER ", b"PASS ", b"PING ", b"QUIT :", b"JOIN #", b"AUTHENTICATE ", b"PRIVMSG ", b"NOTICE ", b"CHAT :"
)


def irc(data: bytes) -> bool | None:
    """Fits IRC, also behind a byte order mark, and tags or a source (RFC 1459, 2.3.1): ``:old NICK new``."""
    if BYTE_ORDER_MARK.startswith(data):
        return None
    data = data.removeprefix(BYTE_ORDER_MARK)
    if data[:1] in (b":", b"@"):
        prefix, blank, data = data.partition(b" ")
        if not blank:
            return None if b"\n" not in prefix and len(prefix) < LONGEST else False
    return IRC_WORDS(data)


# What no keyboard sends as the first thing that is said: RDP begins with 03, SMB and PostgreSQL with 00, SOCKS with 04
# or 05, BitTorrent with 13. Tab, line ends, backspace, escape and 16 (TLS, above) are not among them.
NOT_TEXT = frozenset((*range(0x00, 0x07), *range(0x0E, 0x16), *range(0x17, 0x1B), *range(0x1C, 0x20)))


def binary(data: bytes) -> bool | None:
    """Fits what is not text."""
    return data[0] in NOT_TEXT if data else None
