"""A parser that removes telnet commands from a terminal's input and answers them; sans-I/O (RFC 854, RFC 855).

1. No input raises an exception. The text and the answers do not depend on how the bytes are cut.
2. Each option is answered once in a connection, then ignored: a million requests get 512 answers. Questions that a person
   may repeat (are you there? have you read up to here?) are answered `AGAIN` times.
3. The server sends telnet commands only to clients that have sent one: nc would show them as rubbish. Only
   `Telnet.hide_typing` is sent unasked: telnet clients wait for the server on every port but 23, and no other means hides
   a password.
4. At its first command, a client is asked for its window size and its terminal. The server neither offers to suppress
   go-aheads nor asks for line mode: the former makes clients send single keys, and without both a client keeps its own
   line editing, which suits a chat of lines.
5. IP, BRK, AO, EC, EL, GA, EOR and similar commands are ignored. There is no process to interrupt. The client edits the
   line, so an EC or EL would erase text that was already sent, which users do not expect.
6. A client's data about itself is checked and limited: sizes are clamped, and names have few kinds of characters.
"""

import re
from enum import Enum, auto

# Commands, RFC 854. Those of RFC 885 (EOR) and RFC 1184 (EOF, SUSP, ABORT) begin at 236; below there are none.
FIRST_COMMAND = 236
SE, AYT, SB, WILL, WONT, DO, DONT, IAC = 240, 246, 250, 251, 252, 253, 254, 255
# Options: RFC 857, 860, 1091, 1073, 2066.
ECHO, TIMING_MARK, TERMINAL_TYPE, WINDOW_SIZE, CHARSET = 1, 6, 24, 31, 42
# Within a subnegotiation: RFC 1091, RFC 2066.
IS, SEND = 0, 1
REQUEST, ACCEPTED, REJECTED = 1, 2, 3

# The longest subnegotiation, in bytes. The longest legitimate one lists a client's character sets.
LONGEST_SUBNEGOTIATION = 4096
# The number of answers to AYT and DO TIMING-MARK. Each Ctrl-C in BSD's telnet sends the latter and stops the output until
# the answer arrives: one answer is too few, and a thousand exceed a person's patience.
AGAIN = 1000
# The sensible ranges of a window's columns and rows; and the defaults if the client sends 0, "unspecified".
COLUMNS, ROWS = (20, 500), (5, 300)
USUAL_COLUMNS, USUAL_ROWS = 80, 24

YES = b"\r\n[yes]\r\n"
NOTHING: frozenset[tuple[int, int]] = frozenset()  # shared, as most connections never speak telnet
_IAC = bytes([IAC])
_NAME = re.compile(rb"[A-Za-z0-9._+-]{1,40}")  # RFC 1091 has at most 40 characters
_TRANSLATION = b"[TTABLE]"  # an optional prefix of a list of character sets, with a version byte behind it, RFC 2066


class _Echo(Enum):
    """The state of the server's ECHO option, with RFC 1143's names. A client does not echo while the server claims to."""

    NO = auto()
    WANTYES = auto()  # WILL is sent, the answer is pending
    YES = auto()
    WANTNO = auto()  # WONT is sent, the answer is pending


class Telnet:
    """The telnet state of one connection. Input goes through `receive`; then `replies` returns the bytes to send back."""

    __slots__ = (
        "_after_cr",
        "_again",
        "_answered",
        "_charset_answered",
        "_echo",
        "_held",
        "_hide",
        "_replies",
        "_subnegotiation",
        "_type_asked",
        "abused",
        "size",
        "spoken",
        "terminal",
    )

    def __init__(self) -> None:
        self.spoken = False  # the client has sent a telnet command
        self.abused = False  # the input is not telnet: it yields no more text, and the connection should be closed
        self.size: tuple[int, int] | None = None  # columns and rows of the window, once known
        self.terminal = ""  # the terminal's name, in lower case, once known
        self._held = b""  # the beginning of a command, at most two bytes
        self._subnegotiation: bytearray | None = None  # the bytes of the current subnegotiation so far
        self._after_cr = False
        self._replies = b""
        self._answered = NOTHING  # the answers already sent, WILL and WONT as WONT, DO and DONT as DONT
        self._again = AGAIN
        self._type_asked = False
        self._charset_answered = False
        self._echo = _Echo.NO
        self._hide = False

    @property
    def hidden(self) -> bool:
        """True if the client has agreed to hide typing."""
        return self._echo is _Echo.YES

    def receive(self, data: bytes) -> bytes:
        """Return ``data`` without telnet commands, with a doubled IAC as one 0xff. Return ``data`` itself if it has neither."""
        if self.abused:
            return b""
        if self._subnegotiation is None and not self._held and IAC not in data:
            return self._lines(data)
        data = self._held + data
        self._held = b""
        text = bytearray()
        at = 0
        while True:
            found = data.find(_IAC, at)
            into = text if self._subnegotiation is None else self._subnegotiation
            into += data[at : found if found >= 0 else None]
            if self._subnegotiation is not None and len(self._subnegotiation) > LONGEST_SUBNEGOTIATION:
                self.abused = True
                self._subnegotiation = None
                break
            if found < 0:
                break
            size = self._command(data, found, into)
            if not size:
                self._held = data[found:]
                break
            at = found + size
        return self._lines(bytes(text))

    def replies(self) -> bytes:
        """Remove and return the bytes to send back."""
        replies, self._replies = self._replies, b""
        return replies

    def hide_typing(self) -> bytes:
        """Return the request to hide typing, for a password. The client may refuse: see `hidden`."""
        self._hide = True
        return self._steer()

    def show_typing(self) -> bytes:
        """Return the request to show typing again."""
        self._hide = False
        return self._steer()

    def _lines(self, text: bytes) -> bytes:
        """Replace CR NUL, some clients' return key, by CR LF: they "MUST have the same effect" (RFC 1123, 3.3.1)."""
        after_cr = self._after_cr
        if text:
            self._after_cr = text.endswith(b"\r")
        if after_cr and text.startswith(b"\0"):
            text = b"\n" + text[1:]
        return text.replace(b"\r\0", b"\r\n")

    def _command(self, data: bytes, at: int, into: bytearray) -> int:
        """Execute the command at ``at``. Return its length in bytes, or 0 if it continues beyond ``data``."""
        if at + 1 == len(data):
            return 0
        command = data[at + 1]
        if command == IAC:
            into.append(IAC)
            return 2
        if command < FIRST_COMMAND:
            # Not telnet, but perhaps a ÿ in Latin-1: it stays, so that the line is refused as invalid UTF-8.
            into += data[at : at + 2]
            return 2
        if command >= WILL and at + 2 == len(data):
            return 0
        if not self.spoken:
            self.spoken = True
            for option in (WINDOW_SIZE, TERMINAL_TYPE):
                self._answer(DO, option)
        # Any command but SE aborts a subnegotiation. RFC 855 does not say so, but a lost SE would swallow all later input.
        subnegotiation, self._subnegotiation = self._subnegotiation, None
        if command >= WILL:
            self._negotiate(command, data[at + 2])
            return 3
        if command == SB:
            self._subnegotiation = bytearray()
        elif command == SE and subnegotiation:
            self._told(subnegotiation[0], bytes(subnegotiation[1:]))
        elif command == AYT:
            self._answer_again(YES)
        return 2

    def _negotiate(self, verb: int, option: int) -> None:
        """Answer WILL, WONT, DO or DONT. A refusal needs no answer."""
        if option == ECHO and verb in (DO, DONT):
            self._echo_answered(verb == DO)
        elif option == TIMING_MARK and verb == DO:
            self._answer_again(bytes([IAC, WONT, option]))
        elif verb == DO:
            self._answer(WONT, option)
        elif verb == WILL:
            self._answer(DO if option == CHARSET else DONT, option)
            if option == TERMINAL_TYPE and not self._type_asked:
                self._type_asked = True
                self._replies += bytes([IAC, SB, TERMINAL_TYPE, SEND, IAC, SE])

    def _answer(self, verb: int, option: int) -> None:
        """Answer an option, if it has no answer yet. Our own DO counts as the answer to the client's WILL."""
        side = WONT if verb in (WILL, WONT) else DONT
        if (side, option) not in self._answered:
            self._answered |= {(side, option)}
            self._replies += bytes([IAC, verb, option])

    def _answer_again(self, answer: bytes) -> None:
        if self._again:
            self._again -= 1
            self._replies += answer

    def _steer(self) -> bytes:
        """Return a request for the desired echo state. Wait for a pending answer first: RFC 1143, which prevents loops."""
        if self._hide and self._echo is _Echo.NO:
            self._echo = _Echo.WANTYES
            return bytes([IAC, WILL, ECHO])
        if not self._hide and self._echo is _Echo.YES:
            self._echo = _Echo.WANTNO
            return bytes([IAC, WONT, ECHO])
        return b""

    def _echo_answered(self, agreed: bool) -> None:
        """Handle DO ECHO or DONT ECHO. `_hide` takes the place of RFC 1143's queue of one."""
        match self._echo, agreed:
            case _Echo.NO, True:
                self._answer(WONT, ECHO)
            case _Echo.WANTYES, True:
                self._echo = _Echo.YES
            case _Echo.WANTYES, False:
                self._echo = _Echo.NO
                self._hide = False
            case _Echo.YES, False:
                self._echo = _Echo.NO
                self._hide = False
                self._replies += bytes([IAC, WONT, ECHO])
            case _Echo.WANTNO, True:
                self._echo = _Echo.YES if self._hide else _Echo.NO
            case _Echo.WANTNO, False:
                self._echo = _Echo.NO
        self._replies += self._steer()

    def _told(self, option: int, content: bytes) -> None:
        """Handle a complete subnegotiation, even if its option was never agreed upon: see rule 6."""
        if option == WINDOW_SIZE and len(content) == 4:
            columns = int.from_bytes(content[:2], "big") or USUAL_COLUMNS
            rows = int.from_bytes(content[2:], "big") or USUAL_ROWS
            self.size = _clamped(columns, *COLUMNS), _clamped(rows, *ROWS)
        elif option == TERMINAL_TYPE and content[:1] == bytes([IS]) and _NAME.fullmatch(content, 1):
            self.terminal = content[1:].decode("ascii").lower()
        elif option == CHARSET and content[:1] == bytes([REQUEST]) and not self._charset_answered:
            self._charset_answered = True
            offered = content[1:]
            if offered.startswith(_TRANSLATION):
                offered = offered[len(_TRANSLATION) + 1 :]
            ours = [name for name in offered[1:].split(offered[:1] or b" ") if name.upper() == b"UTF-8"]
            answer = bytes([ACCEPTED]) + ours[0] if ours else bytes([REJECTED])
            self._replies += bytes([IAC, SB, CHARSET]) + answer + bytes([IAC, SE])


def _clamped(value: int, lowest: int, highest: int) -> int:
    return min(max(value, lowest), highest)
