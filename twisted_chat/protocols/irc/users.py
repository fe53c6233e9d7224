"""What IRC tells of people besides their names, whatever they have come in by: user, host, account, and who was here before.

1. Somebody's source is ``nick!user@host``. The host stands for their address (`Hub.cloak`), and is the same for all
   their names. Who has given no user, as at a terminal, has `NO_USER`.
2. An account is a registered name: who has one is called by it.
3. Who has left is remembered for WHOWAS, the last `MOST_GONE` of them.
4. The tags of clients (``+draft/reply``) are for IRC clients alone, and are not kept: the last `MOST_TAGGED` messages that
   had some have them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from twisted_chat.core.hub.hub import Hub
from twisted_chat.core.text.names import fold
from twisted_chat.core.users.session import Session

NO_USER = "chat"
MOST_GONE = 1000
MOST_TAGGED = 1000
# Of how many accounts it is known how far they have read: of those that are here, and then of others.
MOST_READERS = 2000


@dataclass(frozen=True, slots=True)
class Gone:
    """Somebody who was here under a name until ``at``, in seconds since 1970."""

    name: str
    user: str
    host: str
    about: str
    at: float


class People:
    """Everybody, as IRC knows them."""

    def __init__(self, hub: Hub, server: str) -> None:
        """``server`` is its name, which is the host of whom nothing more is known."""
        self.server = server
        self.modes: dict[int, str] = {}  # by session: the letters of the modes people have set for themselves
        self.watched: dict[str, set[Callable[[str, str], None]]] = {}  # by key: told of the name and "on" or "off" (MONITOR)
        self.reads: dict[str, dict[str, int]] = {}  # by `Account.person`: how far they have read, see `irc_past`
        self.client_tags: dict[int, Mapping[str, str]] = {}  # by number: what clients say to clients of the latest messages
        self.started = hub.now()
        self.total = 0  # connections with a name
        self.most = 0  # of them at once
        self._hub = hub
        self._gone: deque[Gone] = deque(maxlen=MOST_GONE)
        hub.watchers.append(self._moved)

    def user(self, session: Session) -> str:
        """What somebody says they are called where they come from."""
        return session.way.user or NO_USER

    def about(self, session: Session) -> str:
        """Who somebody says they are."""
        return session.about or session.name

    def here(self, name: str) -> Session | None:
        """Somebody who is here."""
        sessions = self._hub.people.get(fold(name))
        return sessions[0] if sessions else None

    def source(self, name: str) -> str:
        """Somebody's ``nick!user@host``, also of one who has just left."""
        session = self.here(name)
        if session is not None:
            return f"{name}!{self.user(session)}@{session.host}"
        gone = next(iter(self.gone(name)), None)
        return f"{name}!{gone.user}@{gone.host}" if gone else f"{name}!{NO_USER}@{self.server}"

    def account(self, name: str) -> str:
        """The account of a name; empty if it is not registered."""
        account = self._hub.registry.account(name)
        return account.name if account else ""

    def is_bot(self, name: str) -> bool:
        """Whether somebody says they are a program."""
        session = self.here(name)
        return session is not None and self.has_mode(session, "B")

    def has_mode(self, session: Session, letter: str) -> bool:
        """Whether somebody has set a mode for themselves."""
        return letter in self.modes.get(session.id, "")

    @property
    def invisible(self) -> int:
        """How many have set that mode for themselves."""
        return sum("i" in letters for letters in self.modes.values())

    def reads_of(self, person: str) -> dict[str, int]:
        """How far an account has read (see `Account.person`): no later account of its name goes on from there.

        Of accounts that are not here, the one that came first is forgotten for another.
        """
        if person not in self.reads and len(self.reads) >= MOST_READERS:
            gone = next((other for other in self.reads if other.split(" ")[0] not in self._hub.people), person)
            self.reads.pop(gone, None)
        return self.reads.setdefault(person, {})

    def tag(self, seq: int, tags: Mapping[str, str]) -> None:
        """Remember the client's tags of a message, and forget those of the earliest."""
        self.client_tags[seq] = tags
        if len(self.client_tags) > MOST_TAGGED:
            del self.client_tags[next(iter(self.client_tags))]

    def gone(self, name: str) -> list[Gone]:
        """Who has had a name before, the latest first."""
        key = fold(name)
        return [one for one in reversed(self._gone) if fold(one.name) == key]

    def _moved(self, session: Session, old: str, new: str) -> None:
        """Called by the hub when a session has taken or given up a name."""
        if old and old != new:
            self._gone.append(Gone(old, self.user(session), session.host, self.about(session), self._hub.now()))
        if not new:
            self.modes.pop(session.id, None)
        self.total += (not old) - (not new)
        self.most = max(self.most, self.total)
        if fold(old) == fold(new):
            return
        if old and not self.here(old):
            self._tell(old, "off")
        if new and len(self._hub.people[fold(new)]) == 1:
            self._tell(new, "on")

    def _tell(self, name: str, how: str) -> None:
        for watcher in tuple(self.watched.get(fold(name), ())):
            watcher(name, how)


class Watchlist:
    """Whom one client is told of when they come or go."""

    def __init__(self, people: People, told: Callable[[str, str], None]) -> None:
        """``told`` is called with a name, and "on" or "off"."""
        self.names: dict[str, str] = {}  # by key: how the client has written the nick
        self._people = people
        self._told = told

    def add(self, name: str) -> None:
        """Be told of somebody."""
        self.names[fold(name)] = name
        self._people.watched.setdefault(fold(name), set()).add(self._told)

    def remove(self, name: str) -> None:
        """Be told of them no more."""
        key = fold(name)
        if self.names.pop(key, None) is not None:
            watchers = self._people.watched[key]
            watchers.discard(self._told)
            if not watchers:
                del self._people.watched[key]

    def clear(self) -> None:
        """Be told of nobody."""
        for name in tuple(self.names):
            self.remove(name)
