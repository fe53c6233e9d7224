"""The hub: the people who are here and the rooms that exist. Only the hub changes either. It is the log's reader.

1. The hub appends everything that others can see to the log. It writes to a session directly only to answer that session.
2. A reader that is not live gets a room's events only through `core.delivery.catchup`.
3. Clock, log, records and coroutine runner are injected.
4. Records are changed in memory at once, and then saved: a right that is taken away is gone at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from itertools import chain

from twisted_chat.core.delivery.batch import Batch, Dialect
from twisted_chat.core.delivery.catchup import Readers
from twisted_chat.core.delivery.receipts import Receipts
from twisted_chat.core.delivery.stream import Stream
from twisted_chat.core.digests import one_in_common
from twisted_chat.core.errors import NameTaken, NoSuchPerson, NotAllowed, NotInRoom, NotKept, TooOften, WrongPassword
from twisted_chat.core.events import (
    IN_ROOMS,
    KIND_OF,
    Described,
    Joined,
    KeptEvent,
    Kicked,
    Left,
    Notice,
    Noticed,
    People,
    Receipt,
    Remark,
    Renamed,
    RoomEvent,
    Said,
    Spoken,
    Told,
    TopicSet,
    Whispered,
)
from twisted_chat.core.hub.queries import Queries
from twisted_chat.core.interfaces import Accounts, ClaimDesk, MessageLog, Outlet, Records, Waits
from twisted_chat.core.logins.attempts import Attempts, FailedLogin, Kind
from twisted_chat.core.logins.claims import Claims
from twisted_chat.core.logins.known_sources import KnownSources
from twisted_chat.core.logins.operators import Operators
from twisted_chat.core.logins.proof import Proof
from twisted_chat.core.rate_limits import Bounds, Window, with_one_more
from twisted_chat.core.records import SERVER, Account, Deed, Fact, Invitation, Record, RoomRecord, Sanction, Token
from twisted_chat.core.rooms import permissions
from twisted_chat.core.rooms.access import Access
from twisted_chat.core.rooms.admission import Admission
from twisted_chat.core.rooms.bans import Sanctions
from twisted_chat.core.rooms.closed_rooms import ClosedRooms
from twisted_chat.core.rooms.endings import Endings
from twisted_chat.core.rooms.grants import Grants
from twisted_chat.core.rooms.members import sessions_in
from twisted_chat.core.rooms.room import LOBBY, Room
from twisted_chat.core.text import names
from twisted_chat.core.text.sanitize import altered, altered_words, spoken
from twisted_chat.core.users import cloaks
from twisted_chat.core.users.registry import Registry
from twisted_chat.core.users.session import MOST_KNOWN, TAKEN_OVER, Role, Session, Way
from twisted_chat.core.users.settings import Settings, from_kept
from twisted_chat.core.users.tokens import Tokens, WrongToken

# The most closed rooms without an owner and without people: their people lost their connections, or their owners gave their
# names up. Beyond that the room that was made first ends.
MOST_DESERTED = 1000
# The most such rooms that one host may leave behind.
MOST_BY_A_HOST = 100


# The most earlier names remembered of one program, and the most programs remembered: the earliest are forgotten.
MOST_EARLIER_NAMES, MOST_RENAMED = 4, 1000


class TooManyRooms(TooOften):
    """The person is in as many rooms as the limit allows."""


class Hub:
    """The chat. Every method is called on the reactor thread and returns at once."""

    def __init__(
        self,
        log: MessageLog,
        records: Records,
        accounts: Accounts,
        now: Callable[[], float],
        clock: Callable[[], float],
        start: Callable[[Coroutine[object, object, None]], None],
        *,
        bounds: Bounds,
        waits: Waits,
        failed_login: Callable[[FailedLogin], None] = lambda failed: None,
        stop: Callable[[float], None] | None = None,
        exit_stops: bool = False,
        transcript: Callable[[Spoken], None] | None = None,
        motd: Sequence[str] = (),
        operators: Iterable[str] = (),
        claim_desk: ClaimDesk | None = None,
        reserved: frozenset[str] = frozenset(),
        spoken: frozenset[str] = frozenset(),
        fingerprint: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """``now`` gives the time of day; ``clock`` is monotonic and measures durations. Both are in seconds.

        ``start`` runs a coroutine to its end and logs its exceptions. ``stop``, if given, ends the server after the given
        seconds; with ``exit_stops``, any person's exit does so. ``transcript``, if given, is called for each message in a
        room as it is shown. ``operators`` are names, claimed with the codes that ``claim_desk`` hands out; ``reserved``
        holds folded names that are refused to all.
        ``spoken`` are the protocols that are enabled, for ``/invite``. ``fingerprint`` returns the fingerprints of the
        server's certificate; none without a certificate. ``waits`` has timers; ``failed_login`` is called for each wrong
        secret.
        """
        self.log = log
        self.records = records
        self.accounts = accounts
        self.now = now
        self.clock = clock
        self.start = start
        self.stop = stop
        self.exit_stops = exit_stops
        self.bounds = bounds
        self.people: dict[str, list[Session]] = {}  # by key; a person with several connections has several sessions
        self.rooms: dict[str, Room] = {LOBBY: Room(RoomRecord(key=LOBBY), log.newest)}
        self.registry = Registry(clock, reserved)
        self.operators = Operators(operators, self.registry)
        self.claims = Claims(self.operators.names, self.registry.accounts, accounts, claim_desk)
        self.tokens = Tokens(self.registry)
        self.facts: dict[str, str] = {}
        self.admission = Admission(now, self.operators, self.people, self.registry, self.facts)
        self.admission.sanctions = Sanctions(dropped=self._drop)
        self.invitations: dict[str, Invitation] = {}
        self.access = Access(self.admission, self.tokens, self.rooms, self.registry.accounts, self.operators)
        self.queries = Queries(log, self.access, Window(bounds.lookups), clock)
        self.endings = Endings(log, self.facts)
        names_owned = self.registry.accounts
        self.closed_rooms = ClosedRooms(log, self.access, self.people, names_owned, lambda room: self.save(room.record))
        self.stopping = False  # true while the server stops: people who leave then do not leave of their own will
        self.searches = Window(bounds.searches)
        self.attempts = Attempts(clock, waits, bounds.guesses, failed_login)
        self.known_sources = KnownSources(lambda: self._secret("sources"))
        self.registrations = Window(bounds.registrations)
        self.registered = Window(bounds.registered)
        self.spoken = spoken
        self.fingerprint = fingerprint
        self._motd = tuple(motd)
        self._transcript = transcript
        self._streams: dict[str, Stream] = dict(self.rooms)
        self._readers = Readers(log, self.queries, self._streams, start)
        self.read_on = self._readers.read_on
        self._sessions = 0
        self._delivered = log.newest  # the number of the last event that was shown
        self._deeds = 0
        self.receipts = Receipts(log)
        self.watchers: list[Callable[[Session, str, str], None]] = []  # called with a session's old and new name; "" is none
        self.invited_visitors: set[Session] = set()  # they have used an invitation, and have no name yet
        self.grants = Grants(
            self.rooms,
            self.people,
            self.invited_visitors,
            self.registry.accounts,
            self.operators,
            self.tokens,
            self.invitations,
            revoke=self._revoke_by_digest,
            keep_room=self.keep_room,
            save=lambda record: self.save(record),
            remove=self._drop,
        )
        self._renamed: dict[bytes, tuple[str, ...]] = {}  # by the scope of a program's ids: its earlier names, latest first
        self._left: set[Room] = set()  # rooms that may be empty; they end when the turn's events are delivered
        log.attach(self)

    def restore(self, kept: Iterable[Record]) -> None:
        """Load the records that were saved before the start."""
        sanctions: list[Sanction] = []
        for record in kept:
            match record:
                case Account():
                    self.put_account(record)
                case RoomRecord(owner="", closed=False, begins=begins) if begins and not record.policy.closed:
                    self.endings.restore(record.key, begins)
                case RoomRecord():
                    self.rooms[record.key] = self._streams[record.key] = Room(record, self.log.newest)
                case Sanction():
                    sanctions.append(record)
                case Invitation():
                    self.invitations[record.code] = record
                case Token():
                    self.tokens.add(record)
                case Fact():
                    self.facts[record.key] = record.value
                case Deed():
                    self._deeds = max(self._deeds, record.id)
        for code, invitation in sorted(self.invitations.items(), key=lambda one: one[1].until):
            self.invitations[code] = self.invitations.pop(code, invitation)
        self.admission.sanctions = Sanctions(sanctions, self._drop)
        for room in self.rooms.values():  # all are empty now, even if the last server was killed with people in them
            self.closed_rooms.look_again(room)
        looks = frozenset(look for name in self.operators.names.values() for look in names.skeletons(name))
        for token in self.tokens.all():
            if names.skeletons(token.name) & looks:  # the name has become an operator's since
                self._revoke_by_digest(token.digest)
                self.save(self.note("", token.room, f"revoked the token of {names.fold(token.name)}: an operator is called so"))
        self.claims.refresh()
        self._depose()

    def _depose(self) -> None:
        """Revoke the grants of the people who were operators at the last start and are not now."""
        now = " ".join(self.operators.names)
        before = self.facts.get("operators", "")
        for key in before.split():
            if key not in self.operators.names:
                self.grants.lost(key)
        if now != before:
            self.facts["operators"] = now
            self.save(Fact(key="operators", value=now))

    def save(self, *changed: Record) -> None:
        """Save records in the background; errors are logged. A command that must report an error awaits `records.save`."""
        self.start(self.records.save(*changed))

    def _drop(self, expired: Sequence[Record]) -> None:
        self.start(self.records.remove(*expired))

    @property
    def motd(self) -> tuple[str, ...]:
        """The message of the day, which each person sees on coming in."""
        return tuple(self.facts["motd"].splitlines()) if "motd" in self.facts else self._motd

    # Coming and going

    @property
    def named(self) -> int:
        """The number of connections that have a name."""
        return sum(map(len, self.people.values()))

    def connect(self, outlet: Outlet, dialect: Dialect, settings: Settings, way: Way, *, program: bool = False) -> Session:
        """Return a session for a connection that has opened. Others see it once it has a name."""
        self._sessions += 1
        session = Session(self._sessions, outlet, dialect, settings, way, self.now(), program=program)
        session.host = self.cloak(way.address)
        if ":" in way.address:
            session.earlier_host = cloaks.digest(way.address, self.facts["cloak"])
        return session

    def _secret(self, key: str) -> str:
        """Return a secret of this server; make it on first use."""
        if key not in self.facts:
            self.facts[key] = secrets.token_hex(16)
            self.save(Fact(key=key, value=self.facts[key]))
        return self.facts[key]

    def cloak(self, address: str) -> str:
        """Return the public stand-in for an address or a network: see `core.users.cloaks`."""
        return cloaks.host_of(address, self._secret("cloak"))

    def enter(self, session: Session, name: str, proof: Proof | None = None) -> None:
        """Give a visitor a name and an inbox. With a ``proof`` they use that account; without one they are a guest.

        A person who comes back takes over their earlier session: a registered person unless they chose to stay on many
        devices, a guest if they show the same secret. Raises `BadName`, `NameTaken`, `PasswordNeeded`, `WrongPassword`
        or `Banned`.
        """
        if session.gone:
            raise NoSuchPerson("The connection has ended.")
        account = self.account_of(proof)
        before = list(self.people.get(names.fold(name), ()))
        if account is not None:
            name = account.name
            if len(before) >= self.bounds.devices:
                raise TooOften(f"You are on {len(before)} connections already.")
        elif before and not before[0].registered:
            if not one_in_common(before[0].secrets, session.secrets):
                raise NameTaken(f"The name {before[0].name} is taken. Please choose another.")
            name = before[0].name
        else:
            token = session.token if self.is_token(session.token) else None
            bot = token is not None and names.fold(token.name) == names.fold(name)
            if bot and token is not None:
                self.admission.check_ban(session, None, token.by, self.registry.accounts.get(token.by))
            held_person = self.registry.held_person(name)
            name = self.registry.guest(name, session.secrets, bot=bot)
            session.person = held_person or session.person
            before = []
        self.admission.check_ban(session, None, names.fold(name), account)
        self._identify(session, name, account, proof)
        session.question = None  # a name's password was accepted
        self._watched(session, "", session.name)
        session.hold(self._inbox(session), self._inbox_position(session, account))
        if account is None or session.settings.devices == "one":
            for old in before:
                self._take_over(session, old)

    def disconnect(self, session: Session, *, lost: bool = False) -> None:
        """Remove a session whose connection has ended. With ``lost``, the line dropped: a guest's name is held for them."""
        if lost and session.name and not session.registered and self.is_here(session):
            self.registry.hold(session.name, session.secrets, session.person)
        self.leave(session, lost=lost or self.stopping)
        session.gone = True
        self.invited_visitors.discard(session)

    def leave(self, session: Session, reason: str = "", *, lost: bool = False) -> None:
        """Remove a session from all rooms; with ``lost``, because its line dropped. May be called twice."""
        if not self.is_here(session):
            return
        self.remember(session)
        for room in tuple(session.rooms.values()):
            self.part(session, room, reason, quits=True, lost=lost)
        self._vacate(session)
        self._watched(session, session.name, "")
        if session.inbox is not None:
            session.inbox.readers.pop(session.id, None)
            if not session.registered:
                del self._streams[session.inbox.key]
            session.inbox = None
        session.live = False
        session.positions = {}
        self._readers.forget(session)

    def end(self, session: Session, why: str) -> None:
        """End a connection and tell it ``why``. Its proofs no longer count on this connection."""
        session.outlet.close(why)
        self.leave(session, lost=True)
        session.proof = session.proven = session.operator = session.token = None

    def rename(self, session: Session, name: str, proof: Proof | None = None) -> None:
        """Give a session another name: that of an account it has proven, or a guest's. Raises as `enter` does."""
        if not self.is_here(session):
            raise NoSuchPerson("The connection has ended.")
        account = self.account_of(proof)
        key = account.key if account is not None else names.fold(name)
        if account is None and key == session.key:
            name = names.person(name)
            self.registry.distinct(name)
            proof = session.proof
            account = self.account_of(proof)
        elif key in self.people:
            raise NameTaken(f"The name {self.people[key][0].name} is taken. Please choose another.")
        elif account is None:
            name = self.registry.guest(name)
        self.admission.check_ban(session, None, key, account)
        old, old_key, was_registered = session.name, session.key, session.registered
        position = session.position(session.inbox) if session.inbox else 0
        hidden = self.closed_rooms.hidden_from(session)
        self.remember(session)
        self._vacate(session)
        if key != session.key and session.inbox is not None:
            session.inbox.readers.pop(session.id, None)
            if not session.registered:
                del self._streams[session.inbox.key]
            session.pause()
            session.positions.pop(session.inbox.key, None)
            self._identify(session, account.name if account else name, account, proof)
            session.positions[self._inbox(session).key] = self._inbox_position(session, account) if account else position
        else:
            session.rename(name)
            self.people.setdefault(session.key, []).append(session)
            self.registry.occupy(session.name)
        if key != old_key:
            self.closed_rooms.carry(session, hidden)
        for room in session.rooms.values():
            if key != old_key:
                self.closed_rooms.came_in(session, room)
            room.renamed(session, old_key)
            if key != old_key and not room.has(old_key):
                room.gone(old_key, key)
                if was_registered:
                    self.closed_rooms.outside(room, (old_key,))
            self.log.append(Renamed(self.log.number(), self.now(), room.key, old, session.name, session.id))
        if session.registered or was_registered:
            self.describe(session, "account", session.name if session.registered else None)
        if key != old_key:
            self.grants.renamed(session, old_key)
        if session.scope and old != session.name:
            earlier = self._renamed.pop(session.scope, ())
            self._renamed[session.scope] = (old, *earlier)[:MOST_EARLIER_NAMES]
            if len(self._renamed) > MOST_RENAMED:
                del self._renamed[next(iter(self._renamed))]
        self._watched(session, old, session.name)
        self.read_on(session)

    def _watched(self, session: Session, old: str, new: str) -> None:
        for watcher in self.watchers:
            watcher(session, old, new)

    def describe(self, session: Session, what: str, value: str | None) -> None:
        """Tell a session's rooms what has changed about it: see `Described`."""
        for room in session.rooms.values():
            self.log.append(Described(self.log.number(), self.now(), room.key, session.name, what, value, session.id))

    def is_here(self, session: Session) -> bool:
        """Return whether the session has come in and has not left."""
        return session in self.people.get(session.key, ())

    def account_of(self, proof: Proof | None) -> Account | None:
        """Return the account of a proof; None without one. Raises `WrongPassword` if the proof is no longer valid."""
        account = self.registry.proven(proof)
        if account is None and proof is not None:
            raise WrongPassword("That account has changed meanwhile. Please prove that it is yours again.")
        return account

    def _identify(self, session: Session, name: str, account: Account | None, proof: Proof | None) -> None:
        session.proof = proof
        self.invited_visitors.discard(session)
        session.rename(name)
        self.people.setdefault(session.key, []).append(session)
        self.registry.occupy(session.name)
        if account is not None:
            session.person = account.person
        elif not session.person.startswith("#"):
            session.person = f"#{session.id}"
        if account is None:
            session.inbox = self._streams[f"@{session.id}"] = Stream(f"@{session.id}", self.log.newest)
        else:
            session.inbox = self._streams[f"@{account.key}"]
            session.known = frozenset(account.known[-MOST_KNOWN:])
            session.ignore(frozenset(account.ignores))
            session.set(from_kept(account.settings))
        session.inbox.readers[session.id] = session

    def _inbox_position(self, session: Session, account: Account | None) -> int:
        inbox = self._inbox(session)
        return min(account.read.get(inbox.key, inbox.delivered), inbox.delivered) if account else inbox.delivered

    def _vacate(self, session: Session) -> None:
        self.people[session.key].remove(session)
        if not self.people[session.key]:
            del self.people[session.key]
        self.registry.vacate(session.name)

    def _take_over(self, session: Session, old: Session) -> None:
        """Continue the old session on another connection of the same person. Others see nothing of it."""
        if old.inbox is not None and session.inbox is not None:
            session.positions[session.inbox.key] = old.position(old.inbox) if session.registered else session.inbox.delivered
        for room in old.rooms.values():
            if not permissions.exposed(session, room):
                self._come_in(session, room, old.position(room))
                if old.id in room.carried:
                    room.carried[session.id] = room.carried[old.id]
        session.current = old.current if old.current in session.rooms.values() else next(iter(session.rooms.values()), None)
        session.correspondent, session.correspondent_person = old.correspondent, old.correspondent_person
        session.away, session.known = old.away, old.known
        if not session.registered:
            session.person = old.person
            session.set(old.settings)
            session.ignore(old.ignores)
        self.leave(old)
        old.outlet.close(TAKEN_OVER)

    # Rooms

    def join(self, session: Session, name: str, since: int | None = None, key: str = "") -> Room:
        """Add a session to a room. It reads from ``since`` on, or from now; the room is held until `release`.

        ``key`` is the room's key, if it has one. Raises `BadName`, `ClosedRoom` or `Banned`.
        """
        room_key = names.room(name)
        room = self.rooms.get(room_key)
        if room_key not in session.rooms:
            if len(session.rooms) >= self.bounds.rooms_a_person:
                raise TooManyRooms(f"You are in {len(session.rooms)} rooms. Leave one first.")
            if room is not None:
                is_back = self.closed_rooms.is_back(session, room)
                self.admission.check_join(session, room, key, self.registry.accounts.get(session.key), is_back=is_back)
                if is_back:
                    room.granted.add(session.key)
            else:
                room = self._make_room(session, room_key)
            self._come_in(session, room, since)
        elif since is not None and room is not None and room_key in session.held:
            session.positions[room_key] = self._start(session, room, since)
        assert room is not None
        session.current = room
        return room

    def part(self, session: Session, room: Room, reason: str = "", *, quits: bool = False, lost: bool = False) -> None:
        """Remove a session from one room; with ``quits``, it leaves the chat; with ``lost``, because its line dropped."""
        ruled = not session.registered and session.key in room.granted
        self._go_out(session, room)
        if not room.has(session.key):
            if ruled and not lost:
                self.grants.lost(session.key, room)
            here = room.size
            self.log.append(Left(self.log.number(), self.now(), room.key, session.name, here, reason, quits, session.id))
            if session.registered:
                self.closed_rooms.outside(room, (session.key,), without=session if quits else None)
            elif not lost:
                self.closed_rooms.forget_guest(room, session.key)
        if lost and not room.readers:
            room.deserted_by = "" if self.stopping else session.host
        self._left_by(room, lost=lost)

    def kick(self, operator: Session, room: Room, key: str, reason: str) -> None:
        """Remove a person from a room, on all their connections."""
        gone = [session for session in sessions_in(room) if session.key == key]
        if gone:
            here = room.size - 1
            now, name = self.now(), gone[0].name
            for session in gone:
                self.read_on(session)
            event = Kicked(self.log.number(), now, room.key, name, here, operator.name, reason, operator.id)
            self.log.append(event)
            for session in gone:
                self._go_out(session, room)
                session.tell(event)
            if gone[0].registered:
                self.closed_rooms.sent_out(room, key, event.seq)
            else:
                self.closed_rooms.forget_guest(room, key)
            self.grants.shut_out(key, room)
            self.grants.lost(key, room)
            self._left_by(room)

    def _make_room(self, session: Session, key: str) -> Room:
        if len(self.rooms) >= self.bounds.rooms:
            raise NotAllowed(f"The server has {self.bounds.rooms} rooms. Join one of these: /rooms")
        owner = session.key if session.registered and self._owned_by(session.key) < self.bounds.owned_rooms else ""
        before = self._streams.get(key)  # a room that ended in this turn: its last events are not delivered yet
        record = RoomRecord(key=key, owner=owner, created=self.now(), begins=self.endings.begins(key))
        room = self.rooms[key] = Room(record, before.delivered if before else self.log.newest)
        self._streams[key] = room
        if owner:
            self.save(room.record)
        else:
            room.granted.add(session.key)
        return room

    def _owned_by(self, key: str) -> int:
        return sum(room.record.owner == key for room in self.rooms.values())

    def _come_in(self, session: Session, room: Room, since: int | None) -> None:
        already = room.has(session.key)
        session.rooms[room.key] = room
        seq = self.log.number()
        if not already:
            self.closed_rooms.came_in(session, room)
        position = self.log.newest if already else seq - 1
        session.hold(room, position if since is None else self._start(session, room, since))
        room.add(session)
        if not already:
            here = room.size
            self.log.append(Joined(seq, self.now(), room.key, session.name, here, session.id))

    def _start(self, session: Session, room: Room, since: int) -> int:
        """Return the position from which a session in the room may read on, if it has read up to ``since``."""
        readable = self.access.readable(session, room)
        return self.log.newest if readable is None else readable.start(since)

    def _go_out(self, session: Session, room: Room) -> None:
        del session.rooms[room.key]
        room.remove(session)
        session.positions.pop(room.key, None)
        session.release(room.key)
        if session.current is room:
            session.current = next(iter(session.rooms.values()), None)
        if not room.has(session.key):
            room.gone(session.key)
        self._left.add(room)

    def keep_room(self, room: Room) -> None:
        """Save a room that has changed, if it is kept. The change may shut out people who are outside."""
        if not room.kept:
            return
        if room.policy != room.saved:
            if room.policy.closed and not room.saved.closed and not room.lasts:  # its bans are kept from now on
                self.save(*self.admission.sanctions.standing(room.key, self.now()))
            self.closed_rooms.look_again(room)
            room.saved = room.policy
        if not room.lasts:
            self.closed_rooms.note_guests(room)
        self.save(room.record)

    def _left_by(self, room: Room, *, lost: bool = False) -> None:
        """End a room that was ever closed after the last person left, unless their line was ``lost``."""
        if room.readers or room.lasts or not room.record.closed:
            return
        if not lost:
            self._end(room)
        else:
            self._bound_deserted(room.deserted_by)

    def _bound_deserted(self, host: str = "") -> None:
        """End the earliest deserted rooms if there are too many, in all or of one ``host``."""
        here = [room for room in self.rooms.values() if not room.readers and room.record.closed and room.key != LOBBY]
        deserted = sorted((one for one in here if one.record.owner in ("", SERVER)), key=lambda one: one.record.created)
        theirs = [one for one in deserted if host and one.deserted_by == host]
        for room in {*theirs[: max(0, len(theirs) - MOST_BY_A_HOST)], *deserted[: max(0, len(deserted) - MOST_DESERTED)]}:
            self._end(room)

    def _end(self, room: Room) -> None:
        """End a room with its bans, tokens and invitations. Its messages stay hidden if it was ever closed.

        Its stream stays until this turn's events have been delivered.
        """
        del self.rooms[room.key]
        self._left.add(room)
        void = self.tokens.of_room(room.key)
        for token in void:
            self.revoke(token)
        codes = [one for one in self.invitations.values() if one.room == room.key]
        for code in codes:
            del self.invitations[code.code]
        for session in (*self.invited_visitors, *chain.from_iterable(self.people.values())):
            if room.key in session.invited:
                session.invited = {one: maker for one, maker in session.invited.items() if one != room.key}
        self.start(self.records.remove(*self.admission.sanctions.forget(room.key), *void, *codes))
        begins = self.log.newest if room.record.closed else room.record.begins
        if begins:
            saved, forgotten = self.endings.add(room.key, begins)
            self.start(self._keep_endings(saved, forgotten))

    async def _keep_endings(self, saved: Sequence[Record], forgotten: Sequence[str]) -> None:
        await self.records.save(*saved)
        gone = [key for key in forgotten if key not in self.rooms or not self.rooms[key].kept]
        await self.records.remove(*[RoomRecord(key=key) for key in gone])

    # Talking

    def say(self, session: Session, room: Room, text: str, message_id: str | None = None, kind: type[Spoken] = Said) -> None:
        """Append a message to a room; ``kind`` is `Said` or `Emoted`. The receipt follows when it is on disk.

        If the log knows the message's id, only the receipt is sent again. Raises `BadText`, `NotInRoom` or `Banned`.
        """
        self._check_place(session, room)
        sent, text = text, spoken(text, self.bounds.message_bytes)
        stored = text if altered(sent, text) else None
        key = session.message_key(message_id, KIND_OF[kind], room.key, text)
        for known in (key, *self._earlier_keys(session, message_id, KIND_OF[kind], room.key, text)) if key is not None else ():
            if self.receipts.again(session, room, known, message_id, stored):
                return
        self._check_voice(session, room)
        policy = "always" if session.program else session.settings.receipts
        answered = policy == "always" or (policy == "alone" and room.is_alone(session.key))
        seq = self.receipts.expect(session, message_id, answered, stored is not None)
        self.log.append(kind(seq, session.spoke, room.key, session.name, text, session.id), len(text), key)
        if stored is not None:
            self._tell_altered(session, text)

    def _earlier_keys(self, session: Session, message_id: str | None, kind: str, stream: str, text: str) -> list[bytes]:
        """Return the keys that the message would have under the program's earlier names."""
        keys = [session.message_key(message_id, kind, stream, text, name) for name in self._renamed.get(session.scope, ())]
        return [key for key in keys if key is not None]

    def _tell_altered(self, session: Session, stored: str) -> None:
        """Tell a person how their message was altered. A program learns it from the receipt."""
        if not session.program:
            session.tell(Remark(altered_words(stored)))

    async def said_before(
        self, session: Session, stream: str, text: str, message_id: str | None, kind: type[KeptEvent]
    ) -> Receipt | None:
        """Return this message's receipt if the disk has it; None if it does not or cannot tell. Raises `BadText`."""
        sent, text = text, spoken(text, self.bounds.message_bytes)
        key = session.message_key(message_id, KIND_OF[kind], stream, text)
        try:
            known = await self.log.find(key) if key is not None else None
            for earlier in self._earlier_keys(session, message_id, KIND_OF[kind], stream, text) if known is None else ():
                known = known or await self.log.find(earlier)
        except NotKept:
            return None  # the disk keeps one copy anyway
        if known is None or known.batch is not None:
            return None
        return Receipt(known.seq, stream, text, True, message_id, text if altered(sent, text) else None)

    def _check_place(self, session: Session, room: Room) -> None:
        """Raise `NotInRoom` unless the session is in the room, or the room lets outsiders speak."""
        here = session.rooms.get(room.key) is room or (self.rooms.get(room.key) is room and self._is_vouched_for(session, room))
        if not here and not (room.policy.outsiders and permissions.may_see(session, room, self.operators)):
            raise NotInRoom(f"You are not in {room.key}.")

    def _is_vouched_for(self, session: Session, room: Room) -> bool:
        token = session.token
        return token is not None and session.vouched_in(room) and self.is_token(token)

    def _check_voice(self, session: Session, room: Room) -> None:
        self.admission.check_mute(session, room)
        permissions.may_speak(session, room, self.operators, self.clock)
        session.spoke = self.now()

    def remark(self, session: Session, room: Room, text: str) -> None:
        """Send an automated notice to a room: see `Noticed`. Raises as `say` does."""
        self._check_place(session, room)
        sent, text = text, spoken(text, self.bounds.message_bytes)
        self._check_voice(session, room)
        self.log.append(
            Noticed(self.log.number(), session.spoke, room.key, session.name, room.key, text, session.id), len(text)
        )
        if altered(sent, text):
            session.tell(Remark(altered_words(text)))

    def remark_to(self, session: Session, name: str, text: str) -> None:
        """Send an automated notice to one person who is here. Raises as `tell` does."""
        sent, text = text, spoken(text, self.bounds.message_bytes)
        other = self.person(name)
        self.admission.check_mute(session, None)
        if other.key != session.key:
            self.admission.check_consent(session, other.key, other.name)
        session.spoke = self.now()
        inbox = self._inbox(other)
        noticed = Noticed(self.log.number(), session.spoke, inbox.key, session.name, other.name, text, session.id)
        self.log.append(noticed, len(text))
        if session.inbox is not inbox:
            session.tell(noticed)
        if altered(sent, text):
            session.tell(Remark(altered_words(text)))

    def tell(self, session: Session, name: str, text: str, message_id: str | None = None) -> None:
        """Send a private message. Between registered names it is kept; otherwise the receipt says that it is not.

        Raises `BadText`, `NoSuchPerson` or `Banned`.
        """
        sent, text = text, spoken(text, self.bounds.message_bytes)
        stored = text if altered(sent, text) else None
        key = names.fold(name)
        account = self.registry.accounts.get(key)
        others = self.people.get(key, [])
        if not others and not (account is not None and session.registered):
            raise NoSuchPerson(f"Nobody here is called {names.shown(name)}.")
        shown = others[0].name if others else account.name if account else name
        self.admission.check_mute(session, None)
        if key != session.key:
            self.admission.check_consent(session, key, shown)
        session.known = with_one_more(session.known, self.person_called(key), MOST_KNOWN)
        session.spoke = now = self.now()
        told: Whispered
        if account is not None and session.registered:
            inbox = self._streams[f"@{key}"]
            message_key = session.message_key(message_id, KIND_OF[Told], inbox.key, text)
            if message_key is not None and self.receipts.again(session, inbox, message_key, message_id, stored):
                return
            seq = self.receipts.expect(session, message_id, session.program, stored is not None)
            told = Told(seq, now, inbox.key, session.name, shown, text, session.id)
            self.log.append(told, len(text), message_key)
        else:
            inbox = self._inbox(others[0])
            told = Whispered(self.log.number(), now, inbox.key, session.name, shown, text, session.id)
            self.log.append(told, len(text))
        for other in others:
            other.correspondent, other.correspondent_person = session.name, session.person
        if session.inbox is not inbox:
            session.tell(told)
        if message_id is not None and not isinstance(told, Told):
            session.tell(Receipt(told.seq, told.room, text, False, message_id, stored))
        elif stored is not None and not isinstance(told, Told):
            session.tell(Remark(altered_words(text)))
        elif stored is not None:
            self._tell_altered(session, text)

    def _inbox(self, session: Session) -> Stream:
        if session.inbox is None:
            raise NoSuchPerson(f"{session.name} has just left.")
        return session.inbox

    def set_topic(self, session: Session, room: Room, topic: str) -> None:
        """Set a room's topic; an empty one clears it. Raises `BadText` or `Banned`."""
        self.admission.check_mute(session, room)
        sent, topic = topic, spoken(topic, self.bounds.message_bytes) if topic else ""
        if altered(sent, topic):
            session.tell(Remark(altered_words(topic)))
        room.topic_by, room.topic_at = session.name, self.now()
        room.record = replace(room.record, topic=topic)
        self.log.append(TopicSet(self.log.number(), self.now(), room.key, session.name, topic, session.id), len(topic))
        self.keep_room(room)

    def show(self, event: Callable[[int, float], RoomEvent]) -> None:
        """Append the event that the callable makes from a number and a time."""
        self.log.append(event(self.log.number(), self.now()))

    def notify(self, text: str) -> None:
        """Send a notice to every room."""
        for room in self.rooms.values():
            if room.readers:
                self.log.append(Notice(self.log.number(), self.now(), room.key, text))

    # Accounts and operators

    def put_account(self, account: Account) -> None:
        """Register an account, or update it. It has an inbox from now on."""
        self.registry.put(account)
        inbox = f"@{account.key}"
        if inbox not in self._streams:  # this turn's events may be for the earlier owner of the name
            self._streams[inbox] = Stream(inbox, self._delivered)

    def rehashed(self, key: str, old: str, new: str) -> None:
        """Save an account's new hash of the same password, unless the password was changed meanwhile."""
        account = self.registry.accounts.get(key)
        if account is not None and account.password == old:
            account = replace(account, password=new)
            self.put_account(account)
            self.save(account)

    def learn_source(self, key: str, way: Way) -> None:
        """Note that an account's right password or key came this way: see `core.logins.known_sources`."""
        account = self.registry.accounts.get(key)
        if account is not None:
            learnt = self.known_sources.learn(account, way)
            if learnt != account:
                self.put_account(learnt)
                self.save(learnt)

    def own(self, session: Session, account: Account) -> None:
        """Turn a guest into the owner of a new account. Their private messages are kept from now on."""
        self.put_account(account)
        session.proof = Proof.of(account)
        guest, session.person = session.person, account.person
        for other in chain.from_iterable(self.people.values()):  # people who knew the guest know the account
            if guest in other.known:
                other.known = other.known - {guest} | {account.person}
            if other.correspondent_person == guest:
                other.correspondent_person = account.person
        if session.inbox is not None:
            session.pause()
            session.positions.pop(session.inbox.key, None)
            session.inbox.readers.pop(session.id, None)
            del self._streams[session.inbox.key]
        self.describe(session, "account", session.name)
        session.inbox = self._streams[f"@{account.key}"]
        session.inbox.readers[session.id] = session
        session.pause()
        session.positions[session.inbox.key] = self.log.newest
        for room in session.rooms.values():
            self.closed_rooms.came_in(session, room)
        self.read_on(session)

    def change_secrets(self, account: Account, why: str, by: Session | None = None) -> Account:
        """Apply an account's new secrets. Sessions whose proof is no longer valid are ended and told ``why``.

        ``by``, if given, is the session that has just proven the account anew; it stays. Return the account to be saved.
        """
        self.put_account(account)
        if by is not None:
            by.proof = Proof.of(account)
        for session in tuple(self.people.get(account.key, ())):
            if self.registry.proven(session.proof) is None:
                self.end(session, why)
        self._end_operators()
        return self.registry.accounts[account.key]

    def _end_operators(self) -> None:
        """Take the right that ``/oper`` gave from sessions whose proof is no longer valid, and tell them."""
        for sessions in self.people.values():
            for session in sessions:
                if session.operator is not None and not self.operators.proven_by(session.operator):
                    session.operator = None
                    session.tell(Remark("You are not a server operator any more: that account has changed."))

    def disown(self, account: Account, by: Session | None = None) -> None:
        """Unregister an account. The session that gave it up (``by``) continues as a guest; its other sessions end."""
        for session in tuple(self.people.get(account.key, ())):
            if session is not by:
                self.end(session, f"{account.name} was unregistered on another connection.")
        if by is not None and account.key in self.operators.names:  # no guest may have an operator's name
            self.end(by, f"{account.name} is not registered any more. It is an operator's name, which has to be claimed again.")
        for session in self.people.get(account.key, ()):
            self.closed_rooms.carry(session, self.closed_rooms.hidden_from(session))
            session.pause()
            session.positions.pop(f"@{account.key}", None)
            session.proof = None
            session.person = f"#{session.id}"
            self.describe(session, "account", None)
            session.inbox = self._streams[f"@{session.id}"] = Stream(f"@{session.id}", self.log.newest)
            session.inbox.readers[session.id] = session
            session.positions[session.inbox.key] = session.inbox.delivered
            self.read_on(session)
        del self._streams[f"@{account.key}"]
        self.registry.drop(account.key)
        self.claims.refresh()
        self._end_operators()
        over: list[Room] = []
        for room in self.rooms.values():
            policy = room.policy
            named = f"{account.key}!*@*"  # a mask that means this account's name alone
            if account.key in (room.record.owner, *policy.operators, *policy.invited, *policy.voices) or named in (
                *policy.welcome,
                *policy.excepted,
            ):
                owner, kept = room.record.owner, room.kept
                if owner == account.key:  # a closed room stays closed and cannot be taken
                    owner = SERVER if policy.closed else ""
                gone, room.record = room.record, replace(room.record, owner=owner)
                room.change(
                    operators=tuple(key for key in policy.operators if key != account.key),
                    invited=tuple(key for key in policy.invited if key != account.key),
                    voices=tuple(key for key in policy.voices if key != account.key),
                    welcome=tuple(mask for mask in policy.welcome if mask != named),
                    excepted=tuple(mask for mask in policy.excepted if mask != named),
                )
                if room.lasts or (room.readers and room.kept):
                    self.keep_room(room)
                elif kept and room.kept:
                    over.append(room)
                elif kept:
                    if room.record.begins:
                        self.save(RoomRecord(key=room.key, begins=room.record.begins))
                    else:
                        self.start(self.records.remove(gone))
                    self._left.add(room)
        for room in over:
            self._end(room)
        self._bound_deserted()
        self.grants.lost(account.key, gone=True)

    def person_called(self, key: str) -> str:
        """Return the `Session.person` that has a name now; empty if there is none."""
        account, sessions = self.registry.accounts.get(key), self.people.get(key)
        return account.person if account is not None else sessions[0].person if sessions else ""

    def new_name(self, name: str) -> str:
        """Return a free name as it will be shown. Raises `BadName` or `NameTaken`."""
        account = self.registry.account(name)
        if account is not None:
            raise NameTaken(f"The name {account.name} is registered. Please choose another.")
        name = self.registry.guest(name)
        if names.fold(name) in self.people:
            raise NameTaken(f"The name {name} is taken. Please choose another.")
        return name

    def token(self, secret: str, name: str, way: Way) -> Token:
        """Return the token of this secret, for the room of this name. Raises `WrongToken`, `TooOften` after too many wrong
        ones, `NotAllowed`, `BadName` or `NotInRoom`."""
        token = self.tokens.get(self.accounts.digest(secret))
        if token is None:
            error = WrongToken("There is no such token: it was made void, or never was one.")
            raise self.attempts.wrong(way, Kind.TOKEN, error)
        self.attempts.count_right(way, Kind.TOKEN)
        key = names.room(name)
        if token.room != key:
            raise NotAllowed(f"This token is for {token.room}.")
        if key not in self.rooms:
            raise NotInRoom(f"There is no room {key}.")
        return token

    def vouch(self, session: Session, token: Token) -> Room:
        """Let a connection speak and read as a bot without coming in. Raises `Banned` or `ClosedRoom`."""
        session.token = token
        room = self.rooms[token.room]
        self.admission.check_ban(session, None, names.fold(token.name), None)
        self.admission.check_ban(session, None, token.by, self.registry.accounts.get(token.by))
        permissions.admit(session, room, "", self.operators)
        session.rename(token.name)
        return room

    def is_token(self, token: Token | None) -> bool:
        """Return whether a token that was shown is still valid."""
        return token is not None and self.tokens.get(token.digest) is not None

    def banned(self, key: str) -> None:
        """Shut out a person banned from the server, with the people they invited and their bots."""
        self.grants.shut_out(key)
        for token in self.tokens.all():
            if token.by == key:
                for session in tuple(self.people.get(names.fold(token.name), ())):
                    self.end(session, f"{key} was banned.")

    def revoke(self, token: Token) -> None:
        """Revoke a token and end the sessions that use it."""
        self.tokens.remove(token)
        for session in tuple(self.people.get(names.fold(token.name), ())):
            self.end(session, "The token is void.")

    def _revoke_by_digest(self, digest: str) -> None:
        token = self.tokens.get(digest)
        if token is not None:
            self.revoke(token)
            self._drop((token,))

    def remember(self, session: Session) -> None:
        """Save a registered person's rooms and reading positions."""
        account = self.registry.accounts.get(session.key) if session.registered else None
        if account is not None:
            read = dict(account.read) | {stream.key: session.position(stream) for stream in session.streams}
            rooms = tuple(session.rooms)
            read = {key: seq for key, seq in read.items() if key in rooms or key.startswith("@")}
            kept = session.settings.as_kept()
            account = replace(
                account,
                rooms=rooms,
                read=read,
                settings=kept,
                known=tuple(
                    sorted(one for one in session.known if not one.startswith("#"))
                ),  # a guest's number is valid only until the next start
                ignores=tuple(sorted(session.ignores)),
            )
            self.registry.put(account)
            self.save(account)

    def note(self, who: str, room: str, what: str, *, of_server: bool = True) -> Deed:
        """Return the record to be saved of what an operator of the server, or of a room, has done."""
        self._deeds += 1
        return Deed(id=self._deeds, at=self.now(), who=who, room=room, what=what, of_server=of_server)

    # Looking

    def role(self, session: Session, room: Room | None = None) -> Role:
        """Return a session's role in a room; without a room, its role on the server."""
        return permissions.role(session, room, self.operators)

    def person(self, name: str) -> Session:
        """Return one session of the person of this name. Raises `NoSuchPerson`."""
        sessions = self.people.get(names.fold(name))
        if not sessions:
            raise NoSuchPerson(f"Nobody here is called {names.shown(name)}.")
        return sessions[0]

    def room(self, name: str, seen_by: Session) -> Room:
        """Return the room of this name if the session may see it. Raises `BadName` or `NotInRoom`."""
        key = names.room(name)
        room = self.rooms.get(key)
        if room is None or not permissions.may_see(seen_by, room, self.operators):
            raise NotInRoom(f"There is no room {key}.")
        return room

    def rooms_seen_by(self, session: Session) -> list[Room]:
        """Return the rooms that the session may see, sorted by name."""
        return [room for _, room in sorted(self.rooms.items()) if permissions.may_see(session, room, self.operators)]

    def people_in(self, room: Room, *, arriving: bool = False) -> People:
        """Return the people in a room."""
        return People(room.key, room.names(), room.topic, arriving)

    def release(self, session: Session, stream: Stream) -> None:
        """Send a session a room's or an inbox's events, now that the lines before them were sent."""
        session.release(stream.key)
        self.read_on(session)

    # What the log reports

    def deliver(self, batches: Sequence[Batch]) -> None:
        """Show the events added in this turn. Called by the log."""
        self._delivered = max(self._delivered, max(batch.last for batch in batches))
        for batch in batches:
            stream = self._streams.get(batch.room)
            if stream is not None:
                stream.deliver(batch)
            if self._transcript is not None:
                for event in batch.events:
                    if isinstance(event, IN_ROOMS):  # never private ones: an operator may read the log and pass it on
                        self._transcript(event)
        left, self._left = self._left, set()
        for room in left:
            if not room.readers and not room.kept and self.rooms.get(room.key) is room:
                self._end(room)
            if self._streams.get(room.key) is room and self.rooms.get(room.key) is not room:
                del self._streams[room.key]
        self._readers.delivered()

    def kept(self, batches: Sequence[Batch], duplicates: dict[int, int]) -> None:
        """Send receipts to the authors of messages that are on disk. Called by the log."""
        self.receipts.settle(batches, duplicates)

    def not_kept(self, batches: Sequence[Batch]) -> None:
        """Tell the authors of messages that were shown, but not kept. Called by the log."""
        self.receipts.settle(batches, None)

    def history_stopped(self, why: str) -> None:
        """Tell every room that messages are not kept. Called by the log."""
        self.notify(f"History has stopped: {why}. What is said now is shown, but not kept.")

    def history_back(self) -> None:
        """Tell every room that messages are kept again. Called by the log."""
        self.notify("History is back: what is said from now on is kept.")
