"""A proof of identity is bound to what was proven, and ends with it: whoever does what, in whatever order, however late.

The rule is looked at from outside: nobody acts under an account, or as an operator of the server, on a connection on
which the present secret of that very account was not shown.
"""

from collections.abc import Callable

import pytest
from chat_clients import KINDS, Guest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from irc_clients import IrcClient
from irc_login import blob as sasl
from parties import PROTOCOLS, Connection, LateAccounts, Party
from ssh_clients import SshClient

from twisted_chat.config import Config, Limits
from twisted_chat.core.rate_limits import Rate, Retries
from twisted_chat.core.rooms import permissions
from twisted_chat.core.users.session import Session
from twisted_chat.testing import OPERATOR_PASSWORD, Chat

NAMES = ("Bob", "Boss")
MOST_CONNECTIONS = 6
UNLIMITED = Rate(1e6, 1e6)
ANN, EVE = Party("ann"), Party("eve")
parties = st.sampled_from((ANN, EVE))
names, which = st.sampled_from(NAMES), st.integers(0, 1)
late = st.sampled_from((False, False, False, True))
connections = st.integers(0, MOST_CONNECTIONS - 1)


class Identities(RuleBasedStateMachine):
    """Parties who want to be the same people."""

    def __init__(self) -> None:
        super().__init__()
        without = {"logins": Retries(10**6, 0.0, 0.0), "logins_a_source": UNLIMITED, "logins_an_account": UNLIMITED}
        self.chat = Chat(Config(operator=("Boss",), limits=Limits.OFF, **without))
        self.accounts = self.chat.hub.accounts = LateAccounts(self.chat._password_of)
        self.open: list[Connection] = []
        self.addresses = 0
        self.codes: list[str] = []

    @rule(party=parties, kind=st.sampled_from(PROTOCOLS), name=st.sampled_from((*NAMES, "Guest", "Other")), number=which)
    def connect(self, party: Party, kind: str, name: str, number: int) -> None:
        """A party opens a connection, and shows its password if there is an account."""
        for one in self.open:
            if one.over:  # by the server: the transport in memory leaves it open
                one.lose()
        self.open = [one for one in self.open if not one.over]
        if len(self.open) < MOST_CONNECTIONS:
            self.addresses += 1
            registered = self.chat.hub.registry.account(name) is not None
            password = party.passwords[number] if registered else None
            address = f"198.51.100.{self.addresses}"
            self.open.append(Connection(self.chat, party, kind, address, name, password))

    @rule(at=connections, number=which, late=late)
    def register(self, at: int, number: int, late: bool) -> None:
        """Make the name one has an account."""
        self._type(at, late, lambda one: (f"/register {one.party.passwords[number]}", one.party.passwords[number]))

    @rule(at=connections, name=names, number=which, late=late)
    def login(self, at: int, name: str, number: int, late: bool) -> None:
        """Prove an account without taking its name."""
        self._type(at, late, lambda one: (f"/login {name} {one.party.passwords[number]}", one.party.passwords[number]))

    @rule(at=connections, name=st.sampled_from((*NAMES, "Guest", "Other")), late=late)
    def nick(self, at: int, name: str, late: bool) -> None:
        """Take a name without a password."""
        self._type(at, late, lambda one: (f"/nick {name}",))

    @rule(at=connections, name=names, number=which, late=late)
    def nick_with_password(self, at: int, name: str, number: int, late: bool) -> None:
        """Take a name with its password."""
        self._type(at, late, lambda one: (f"/nick {name} {one.party.passwords[number]}", one.party.passwords[number]))

    @rule(at=connections, number=which, late=late)
    def answer(self, at: int, number: int, late: bool) -> None:
        """Answer what was asked, or say something."""
        self._type(at, late, lambda one: (one.party.passwords[number],))

    @rule(at=connections, number=which, late=late)
    def unregister(self, at: int, number: int, late: bool) -> None:
        """Give an account up."""
        self._type(at, late, lambda one: (f"/unregister {one.party.passwords[number]}", one.party.passwords[number]))

    @rule(at=connections, number=which, late=late)
    def change_password(self, at: int, number: int, late: bool) -> None:
        """Change a password, to the other one, or to the same."""
        self._type(
            at, late, lambda one: (f"/password {' '.join(one.party.passwords[:: -1 if number else 1])}", *one.party.passwords)
        )

    @rule(at=connections, number=which, late=late)
    def claim(self, at: int, number: int, late: bool) -> None:
        """Claim the operator's name. One of the parties knows its code; the other has one that is no more, or never was."""
        code = self.chat.claims.codes.get("boss", "CODE-1")
        self.codes.append(code)

        def line(one: Connection) -> tuple[str, ...]:
            known = code if one.party.name == "ann" else next((old for old in self.codes if old != code), "CODE-0")
            return f"/claim Boss {known} {one.party.passwords[number]}", one.party.passwords[number]

        self._type(at, late, line)

    @rule(at=connections, number=which, late=late)
    def oper(self, at: int, number: int, late: bool) -> None:
        """Become an operator by an account's password."""
        self._type(at, late, lambda one: (f"/oper Boss {one.party.passwords[number]}", one.party.passwords[number]))

    @rule(at=connections, number=which, late=late)
    def add_key(self, at: int, number: int, late: bool) -> None:
        """Let a key prove an account."""
        self._type(at, late, lambda one: (f"/keys add {one.party.public_line}",))
        self._type(at, late, lambda one: (one.party.passwords[number],))

    @rule(at=connections, late=late)
    def remove_key(self, at: int, late: bool) -> None:
        """Let it prove nothing any more."""
        self._type(at, late, lambda one: (f"/keys remove {one.party.public_line}",))

    @rule(at=connections)
    def leave(self, at: int) -> None:
        """Lose the line."""
        if self.open:
            self.open[at % len(self.open)].lose()

    @rule(index=st.integers(0, 5))
    def hash_one(self, index: int) -> None:
        """One of the hashes is done."""
        self.accounts.answer(index)
        self._flush()

    @rule()
    def hash_all(self) -> None:
        """All of them are."""
        while self.accounts.answer():
            self._flush()

    @rule()
    def wait(self) -> None:
        """Names of dropped lines are free again."""
        self.chat.clock.advance(61)

    @invariant()
    def nobody_is_who_they_have_not_proven(self) -> None:
        """Now, whatever was proven earlier."""
        hub = self.chat.hub
        for session in [one for sessions in hub.people.values() for one in sessions]:
            account = hub.registry.accounts.get(session.key)
            assert session.registered is (account is not None)
            if account is not None:
                assert self._has_shown(session, account.key)
            if permissions.is_operator(session, hub.operators):
                assert self._has_shown(session, "boss")
        boss = hub.registry.accounts.get("boss")
        assert boss is None or boss.password not in EVE.passwords, "claimed without the code"
        assert boss is not None or "boss" not in hub.people

    def _has_shown(self, session: Session, key: str) -> bool:
        account = self.chat.hub.registry.accounts.get(key)
        shown = next(one.shown for one in self.open if one.address == session.way.address)
        return account is not None and (account.password in shown or any(line in shown for line in account.keys))

    def _type(self, at: int, late: bool, line: Callable[[Connection], tuple[str, ...]]) -> None:
        if self.open:
            one = self.open[at % len(self.open)]
            one.type(*line(one))
        if not late:
            self.hash_all()

    def _flush(self) -> None:
        self.chat.turn()
        for one in self.open:
            if not one.gone:
                one.flush()


TestIdentities = Identities.TestCase
TestIdentities.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.fixture
def chat() -> Chat:
    """A chat."""
    return Chat()


@pytest.mark.parametrize("kind", KINDS)
def test_a_proof_does_not_outlive_its_account(chat: Chat, kind: str) -> None:
    """Shown before somebody else registered the name, it gives that name to nobody."""
    owner, other = Guest(chat, "line", "Bob").type("/register ownersword"), Guest(chat, kind, "Other")
    assert "You may be Bob now." in other.answer("/login Bob ownersword")
    owner.type("/unregister ownersword", "/nick Rob")
    stranger = Guest(chat, "line", "Bob").type("/register strangersword", "exit")
    assert "Bob is yours now" in stranger.shown()
    assert "Bob is a registered name. Password:" in other.answer("/nick Bob")
    assert "not the password" in other.answer("ownersword")
    assert not chat.hub.people.get("bob")


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_password_ends_what_the_old_one_has_proven(chat: Chat, kind: str) -> None:
    """The other connections, which are told why, and what was not made use of yet."""
    owner = Guest(chat, "line", "Bob").type("/register ownersword", "/devices many")
    elsewhere, unspent = Guest(chat, kind, "Bob", "ownersword"), Guest(chat, kind, "Other")
    unspent.type("/login Bob ownersword")
    elsewhere.shown()
    owner.type("/password", "wrong", "", "/password ownersword newersword")
    assert "Your password is changed." in owner.shown()
    assert "Your password was changed on another connection." in elsewhere.shown()
    assert elsewhere.client.closed
    assert len(chat.hub.people["bob"]) == 1
    owner.type("exit")
    assert "Password:" in unspent.answer("/nick Bob")


@pytest.mark.parametrize("kind", KINDS)
def test_the_right_that_oper_gives_ends_with_what_was_proven(chat: Chat, kind: str) -> None:
    """With the password, and with the account."""
    chat = Chat(Config(operator=("Boss",)))
    boss, ann, ben = Guest(chat, "line", "Boss"), Guest(chat, kind, "Ann"), Guest(chat, kind, "Ben")
    assert "You are an operator" in ann.answer(f"/oper Boss {OPERATOR_PASSWORD}")
    boss.type(f"/password {OPERATOR_PASSWORD} newerword")
    assert "You are not a server operator any more" in ann.shown()
    assert "Only an operator of the server" in ann.answer("/lockdown")
    assert "You are an operator" in ben.answer("/oper Boss newerword")
    boss.type("/unregister newerword")
    assert "Only an operator of the server" in ben.answer("/lockdown")


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_is_added_by_who_knows_the_password(chat: Chat, kind: str) -> None:
    """Who finds a connection open can't make it theirs for good."""
    ann, key = Guest(chat, kind, "Ann").type("/register herpassword"), Party("ann")
    assert "To add a key to Ann, your password:" in ann.answer(f"/keys add {key.public_line} laptop")
    assert "not the password" in ann.answer("guessed")
    ann.type("")
    assert not chat.hub.registry.accounts["ann"].keys
    ann.type(f"/keys add {key.public_line} laptop", "herpassword")
    assert chat.hub.registry.accounts["ann"].keys == (f"{key.public_line} laptop",)


def test_a_key_that_is_taken_away_ends_what_came_in_by_it(chat: Chat) -> None:
    """Other connections stay."""
    ann, party = Guest(chat, "line", "Ann").type("/register herpassword", "/devices many"), Party("ann")
    ann.type(f"/keys add {party.public_line}", "herpassword")
    by_key = SshClient(chat, "Ann", keys=(party.key,), door="ssh")
    assert "Hello Ann, you are now connected!" in by_key.lines()
    ann.type(f"/keys remove {party.public_line}")
    assert any("by which you came in, is none of Ann's any more" in line for line in by_key.lines())
    assert by_key.session.over
    assert [session.way.protocol for session in chat.hub.people["ann"]] == ["telnet or nc"]


def test_a_name_is_registered_by_who_has_it_when_the_password_is_hashed(chat: Chat) -> None:
    """Not by who had it when that began, and was sent away meanwhile."""
    accounts = chat.hub.accounts = LateAccounts(chat._password_of)
    first = Guest(chat, "line", "Bob").type("/register firstpassword")
    chat.hub.end(chat.hub.people["bob"][0], "sent away")
    second = Guest(chat, "line", "Bob")
    while accounts.answer():
        chat.turn()
    assert "bob" not in chat.hub.registry.accounts
    assert not chat.hub.people["bob"][0].registered
    assert "a guest" in second.answer("/whois Bob")
    assert first.client.closed


@pytest.mark.parametrize("by_key", [False, True])
def test_what_was_proven_by_ssh_is_looked_at_when_the_session_begins(chat: Chat, by_key: bool) -> None:
    """Whoever has proven who they are, and opens the session after the account was given up, is asked as anybody is."""
    owner, party = Guest(chat, "line", "Bob").type("/register ownersword"), Party("bob")
    owner.type(f"/keys add {party.public_line}", "ownersword")
    passwords, keys = ((), (party.key,)) if by_key else (("ownersword",), ())
    ssh = SshClient(chat, "Bob", *passwords, keys=keys, opens=False, door="ssh")
    assert ssh.let_in
    owner.type("/unregister ownersword", "/nick Rob")
    Guest(chat, "line", "Bob").type("/register strangersword", "exit")
    ssh.connection.openChannel(ssh.session)
    ssh.flush()
    assert any("Bob is a registered name. Password:" in line for line in ssh.lines())
    assert "bob" not in chat.hub.people


def test_what_was_proven_by_sasl_is_looked_at_when_one_registers(chat: Chat) -> None:
    """The account may be somebody else's by then."""
    owner, irc = Guest(chat, "line", "Bob").type("/register ownersword"), IrcClient(chat)
    irc.send("CAP REQ sasl", "AUTHENTICATE PLAIN", f"AUTHENTICATE {sasl('Bob', 'ownersword').decode()}")
    assert "903" in [message.command for message in irc.messages()]
    owner.type("/unregister ownersword", "/nick Rob")
    Guest(chat, "line", "Bob").type("/register strangersword", "exit")
    irc.send("NICK Bob", "USER x 0 * :X", "CAP END")
    assert "433" in [message.command for message in irc.messages()]
    assert "bob" not in chat.hub.people
