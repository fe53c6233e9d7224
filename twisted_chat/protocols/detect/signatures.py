"""The first bytes of each protocol's clients. Pure functions of bytes.

1. Each function returns True (a match), False (no match), or None (a possible match: more bytes are needed).
2. The final answer does not depend on how the bytes are cut. It is never None after `LONGEST` bytes.
3. A person's first line is a name, and names have no blanks. If a protocol begins with a word, the blank after that word
   and the text behind it decide, so that people may be called Get, Nick or Proxy.
"""

from collections.abc import Callable

from twisted_chat.protocols.framing import BYTE_ORDER_MARK

Fits = Callable[[bytes], bool | None]

# The number of bytes that identify any protocol. IRC's longest tags and source (IRCv3, message tags) decide last.
LONGEST = 1024


def begins_with(*prefixes: bytes) -> Fits:
    """Return a function that matches bytes with one of these prefixes."""

    def fits(data: bytes) -> bool | None:
        if data.startswith(prefixes):
            return True
        return None if any(prefix.startswith(data) for prefix in prefixes) else False

    return fits


# TLS: a handshake record of any version (RFC 8446, 5.1).
tls = begins_with(b"\x16\x03")

# A JSON object, with or without the byte order mark that some systems' pipes send first.
json = begins_with(b"{", BYTE_ORDER_MARK + b"{")

# HTTP: a method, then a target (RFC 9112, 3.2). CONNECT addresses proxies; PRI begins HTTP/2 (RFC 9113, 3.4).
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

# IRC: the commands with which a client registers, or tries to. Programs send them in capitals; a person may type ``nick``.
IRC_WORDS = begins_with(
    b"CAP ", b"NICK ", b"USER ", b"PASS ", b"PING ", b"QUIT :", b"JOIN #", b"AUTHENTICATE ", b"PRIVMSG ", b"NOTICE ", b"CHAT :"
)


def irc(data: bytes) -> bool | None:
    """Match IRC, also behind a byte order mark, and tags or a source (RFC 1459, 2.3.1): ``:old NICK new``."""
    if BYTE_ORDER_MARK.startswith(data):
        return None
    data = data.removeprefix(BYTE_ORDER_MARK)
    if data[:1] in (b":", b"@"):
        prefix, blank, data = data.partition(b" ")
        if not blank:
            return None if b"\n" not in prefix and len(prefix) < LONGEST else False
    return IRC_WORDS(data)


# First bytes that no keyboard sends: RDP begins with 03, SMB and PostgreSQL with 00, SOCKS with 04 or 05, BitTorrent
# with 13. The set excludes tab, line ends, backspace, escape and 16 (TLS, above).
NOT_TEXT = frozenset((*range(0x00, 0x07), *range(0x0E, 0x16), *range(0x17, 0x1B), *range(0x1C, 0x20)))


def binary(data: bytes) -> bool | None:
    """Match binary data."""
    return data[0] in NOT_TEXT if data else None
