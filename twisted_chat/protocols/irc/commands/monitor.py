"""MONITOR: notices of users that come and go, without a shared room (IRCv3 ``monitor``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from twisted_chat.core.text.names import LONGEST as LONGEST_NAME
from twisted_chat.core.text.names import fold
from twisted_chat.protocols.irc.commands.table import verb
from twisted_chat.protocols.irc.connection import IrcConnection
from twisted_chat.protocols.irc.welcome import MOST_MONITORED
from twisted_chat.protocols.irc.wire.numerics import Numeric

# The most bytes of nicks in one line.
IN_A_LINE = 380


@verb("MONITOR", 1)
def monitor(irc: IrcConnection, params: Sequence[str]) -> None:
    """Add to the list (+), take from it (-), clear it (C), show it (L), or tell who of it is here (S)."""
    names = [name for name in params[1].split(",") if name] if len(params) > 1 else []
    match params[0].upper():
        case "+":
            irc.look("monitor")
            _add(irc, names)
        case "-":
            for name in names:
                irc.watchlist.remove(name)
        case "C":
            irc.watchlist.clear()
        case "L":
            for line in _lines(irc.watchlist.names.values()):
                irc.reply(Numeric.RPL_MONLIST, line)
            irc.reply(Numeric.RPL_ENDOFMONLIST)
        case "S":
            irc.look("monitor")
            _status(irc, list(irc.watchlist.names.values()))


def _add(irc: IrcConnection, names: Sequence[str]) -> None:
    added: list[str] = []
    for at, name in enumerate(names):
        if len(name) > LONGEST_NAME or any(char in name for char in "!@*? "):
            irc.reply(Numeric.RPL_MONOFFLINE, name[:64])  # no user can have this name
        elif fold(name) in irc.watchlist.names:
            added.append(name)
        elif len(irc.watchlist.names) >= MOST_MONITORED:
            irc.reply(Numeric.ERR_MONLISTFULL, MOST_MONITORED, ",".join(names[at:])[:IN_A_LINE])
            break
        else:
            irc.watchlist.add(name)
            added.append(name)
    _status(irc, added)


def _status(irc: IrcConnection, names: Iterable[str]) -> None:
    here: list[str] = []
    gone: list[str] = []
    for name in names:
        session = irc.people.here(name)
        if session is not None:
            here.append(irc.people.source(session.name))
        else:
            gone.append(name)
    for line in _lines(here):
        irc.reply(Numeric.RPL_MONONLINE, line)
    for line in _lines(gone):
        irc.reply(Numeric.RPL_MONOFFLINE, line)


def _lines(names: Iterable[str]) -> Iterator[str]:
    line = ""
    for name in names:
        if line and len(f"{line},{name}".encode()) > IN_A_LINE:
            yield line
            line = ""
        line = f"{line},{name}" if line else name
    if line:
        yield line
