"""Telnet's commands taken out of what a terminal sends, and answered; sans-I/O (RFC 854, RFC 855).

1. Nothing raises, whatever comes, and however the bytes are cut, the same text and the same answers come out.
2. Each option is answered once in a connection, then ignored: a million requests get 512 answers. What a person may
   want to ask again (are you there? have you read up to here?) is answered `AGAIN` times.
3. Who has not spoken telnet is sent none of it: on nc's screen it would be rubbish. `Telnet.hide_typing` alone is
   sent unasked, as telnet clients wait for the server on every port but 23, and nothing else hides a password.
4. From the first command on, a client is asked for the size of its window and its terminal. It is not offered to
   suppress go-aheads, nor asked for its line mode: the one makes clients send each key by itself, and who refuses
   both keeps a client's own line editing, which is what a chat of lines wants.
5. IP, BRK, AO, EC, EL, GA, EOR and their like are passed over. There is no process to interrupt; and as the client
   edits the line, an EC or EL from it would erase what it has already sent, which nobody expects to be possible.
6. Nothing a client tells of itself is believed beyond its form: sizes are clamped, names are of few letters.
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

# A subnegotiation longer than this is no telnet, in bytes. The longest honest one lists a client's character sets.
LONGEST_SUBNEGOTIATION = 4096
# How often AYT and DO TIMING-MARK are answered. Each Ctrl-C in BSD's telnet sends the latter, and shows nothing more
# until the answer comes: so once is not enough, and a thousand times is more than a person's patience.
AGAIN = 1000
# What a window can sensibly be, in columns and rows; and what it is taken for if the client sends 0, "unspecified".
COLUMNS, ROWS = (20, 500), (5, 300)
USUAL_COLUMNS, USUAL_ROWS = 80, 24

YES = b"\r\n[yes]\r\n"
NOTHING: frozenset[tuple[int, int]] = frozenset()  # one for all: most connections never speak telnet
_IAC = bytes([IAC])
_NAME = re.compile(rb"[A-Za-z0-9._+-]{1,40}")  # RFC 1091 has at most 40 characters
_TRANSLATION = b"[TTABLE]"  # and a byte of version: may stand before a list of character sets, RFC 2066


class _Echo(Enum):
    """Whether we echo, which is telnet's way of saying that the client does not; RFC 1143's names."""

    NO = auto()
    WANTYES = auto()  # WILL is sent, the answer is out
    YES = auto()
    WANTNO = auto()  # WONT is sent, the answer is out


class Telnet:
    """One connection's telnet. Bytes go through `receive`; then `replies` says what has to be sent back."""

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
        self.abused = False  # what comes is no telnet: the connection should be closed, and gives no more text
        self.size: tuple[int, int] | None = None  # columns and rows of the window, once known
        self.terminal = ""  # the terminal's name, in lower case, once known
        self._held = b""  # the beginning of a command, at most two bytes
        self._subnegotiation: bytearray | None = None  # what it has so far
        self._after_cr = False
        self._replies = b""
        self._answered = NOTHING  # what we have said, WILL and WONT as WONT, DO and DONT as DONT
        self._again = AGAIN
        self._type_asked = False
        self._charset_answered = False
        self._echo = _Echo.NO
        self._hide = False

    @property
    def hidden(self) -> bool:
        """Whether the client has agreed not to show what is typed."""
        return self._echo is _Echo.YES

    def receive(self, data: bytes) -> bytes:
        """The conversation in ``data``: all telnet taken out, a doubled IAC as one 0xff. The same object if there is none."""
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
        """What has to be sent back, once."""
        replies, self._replies = self._replies, b""
        return replies

    def hide_typing(self) -> bytes:
        """What to send so that the client shows no more of what is typed, before a password. It may refuse: `hidden`."""
        self._hide = True
        return self._steer()

    def show_typing(self) -> bytes:
        """What to send so that the client shows again what is typed."""
        self._hide = False
        return self._steer()

    def _lines(self, text: bytes) -> bytes:
        """CR NUL and CR LF "MUST have the same effect" (RFC 1123, 3.3.1): the first is the return key of some clients."""
        after_cr = self._after_cr
        if text:
            self._after_cr = text.endswith(b"\r")
        if after_cr and text.startswith(b"\0"):
            text = b"\n" + text[1:]
        return text.replace(b"\r\0", b"\r\n")

    def _command(self, data: bytes, at: int, into: bytearray) -> int:
        """Do the command that begins at ``at``, and say how long it is in bytes; 0 if it goes on beyond ``data``."""
        if at + 1 == len(data):
            return 0
        command = data[at + 1]
        if command == IAC:
            into.append(IAC)
            return 2
        if command < FIRST_COMMAND:
            # Not telnet, but a ÿ in Latin-1 or the like: it stays, and is refused as no UTF-8, instead of vanishing.
            into += data[at : at + 2]
            return 2
        if command >= WILL and at + 2 == len(data):
            return 0
        if not self.spoken:
            self.spoken = True
            for option in (WINDOW_SIZE, TERMINAL_TYPE):
                self._answer(DO, option)
        # Any command but SE breaks a subnegotiation off. RFC 855 does not say so; else a lost SE swallowed all the rest.
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
        """What the client will and will not do, and wants us to do or not. A refusal needs no answer."""
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
        """Say this about an option, if nothing was said yet. A WILL to our own DO finds it said."""
        side = WONT if verb in (WILL, WONT) else DONT
        if (side, option) not in self._answered:
            self._answered |= {(side, option)}
            self._replies += bytes([IAC, verb, option])

    def _answer_again(self, answer: bytes) -> None:
        if self._again:
            self._again -= 1
            self._replies += answer

    def _steer(self) -> bytes:
        """Ask for what is wanted of the echo, unless an answer is still out: RFC 1143, so there are no loops."""
        if self._hide and self._echo is _Echo.NO:
            self._echo = _Echo.WANTYES
            return bytes([IAC, WILL, ECHO])
        if not self._hide and self._echo is _Echo.YES:
            self._echo = _Echo.WANTNO
            return bytes([IAC, WONT, ECHO])
        return b""

    def _echo_answered(self, agreed: bool) -> None:
        """DO ECHO or DONT ECHO has come. What RFC 1143 keeps in a queue of one is `_hide`."""
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
        """A subnegotiation is complete. Whether its option was agreed upon makes no difference: see rule 6."""
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
