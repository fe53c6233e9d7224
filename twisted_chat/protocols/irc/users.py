"""IRC's facts about users besides their names, whatever protocol they use: user, host, account and earlier users.

1. A user's source is ``nick!user@host``. The host stands for the user's address (`Hub.cloak`), and is the same for all
   names of the user. A client that gives no user, such as a terminal, has `NO_USER`.
2. An account is a registered name, and its user is called by it.
3. WHOWAS remembers the last `MOST_GONE` users that left.
4. Client tags (``+draft/reply``) are for IRC clients alone, and are not persisted. They are remembered for the last
   `MOST_TAGGED` messages that had some.
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
# The most accounts whose read markers are remembered; accounts that are here come first.
MOST_READERS = 2000


@dataclass(frozen=True, slots=True)
class Gone:
    """A user that was here under a name until ``at``, in seconds since 1970."""

    name: str
    user: str
    host: str
    about: str
    at: float


class People:
    """All users, as IRC sees them."""

    def __init__(self, hub: Hub, server: str) -> None:
        """Take the server's name, which is also the host of users of whom nothing else is known."""
        self.server = server
        self.modes: dict[int, str] = {}  # by session: the letters of its user modes
        self.watched: dict[str, set[Callable[[str, str], None]]] = {}  # by key: callbacks for the name, "on" or "off" (MONITOR)
        self.reads: dict[str, dict[str, int]] = {}  # by `Account.person`: read markers, see `chathistory`
        self.client_tags: dict[int, Mapping[str, str]] = {}  # by number: the client tags of the latest messages
        self.started = hub.now()
        self.total = 0  # connections with a name
        self.most = 0  # the most of them at once
        self._hub = hub
        self._gone: deque[Gone] = deque(maxlen=MOST_GONE)
        hub.watchers.append(self._moved)

    def user(self, session: Session) -> str:
        """Return the user name that a client gave, or `NO_USER`."""
        return session.way.user or NO_USER

    def about(self, session: Session) -> str:
        """Return the real name that a client gave, or its nick."""
        return session.about or session.name

    def here(self, name: str) -> Session | None:
        """Return the first session of a user that is here."""
        sessions = self._hub.people.get(fold(name))
        return sessions[0] if sessions else None

    def source(self, name: str) -> str:
        """Return a user's ``nick!user@host``, also of a user that has just left."""
        session = self.here(name)
        if session is not None:
            return f"{name}!{self.user(session)}@{session.host}"
        gone = next(iter(self.gone(name)), None)
        return f"{name}!{gone.user}@{gone.host}" if gone else f"{name}!{NO_USER}@{self.server}"

    def account(self, name: str) -> str:
        """Return the account of a name; empty if it is not registered."""
        account = self._hub.registry.account(name)
        return account.name if account else ""

    def is_bot(self, name: str) -> bool:
        """Return True if a user has declared itself a bot."""
        session = self.here(name)
        return session is not None and self.has_mode(session, "B")

    def has_mode(self, session: Session, letter: str) -> bool:
        """Return True if a session has set this user mode."""
        return letter in self.modes.get(session.id, "")

    @property
    def invisible(self) -> int:
        """The number of sessions with the invisible mode."""
        return sum("i" in letters for letters in self.modes.values())

    def reads_of(self, person: str) -> dict[str, int]:
        """Return the read markers of an account (see `Account.person`). A later account of its name starts anew.

        The oldest account that is not here is forgotten for a new one if the table is full.
        """
        if person not in self.reads and len(self.reads) >= MOST_READERS:
            gone = next((other for other in self.reads if other.split(" ")[0] not in self._hub.people), person)
            self.reads.pop(gone, None)
        return self.reads.setdefault(person, {})

    def tag(self, seq: int, tags: Mapping[str, str]) -> None:
        """Remember the client tags of a message, and forget those of the earliest."""
        self.client_tags[seq] = tags
        if len(self.client_tags) > MOST_TAGGED:
            del self.client_tags[next(iter(self.client_tags))]

    def gone(self, name: str) -> list[Gone]:
        """Return the earlier users of a name, the latest first."""
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
    """The names that one client watches."""

    def __init__(self, people: People, told: Callable[[str, str], None]) -> None:
        """Call ``told`` with a name, and "on" or "off"."""
        self.names: dict[str, str] = {}  # by key: the nick as the client wrote it
        self._people = people
        self._told = told

    def add(self, name: str) -> None:
        """Watch a name."""
        self.names[fold(name)] = name
        self._people.watched.setdefault(fold(name), set()).add(self._told)

    def remove(self, name: str) -> None:
        """Stop watching a name."""
        key = fold(name)
        if self.names.pop(key, None) is not None:
            watchers = self._people.watched[key]
            watchers.discard(self._told)
            if not watchers:
                del self._people.watched[key]

    def clear(self) -> None:
        """Stop watching all names."""
        for name in tuple(self.names):
            self.remove(name)
