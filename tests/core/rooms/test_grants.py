"""What was made by a right ends with the right: tokens and invitations, whoever loses what, in whatever order."""

from pathlib import Path

import pytest
from browsers import request
from chat_clients import KINDS, Guest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from kept_chat import KeptChat, registered

from twisted_chat.config import Config, Limits
from twisted_chat.core.records import Invitation
from twisted_chat.testing import OPERATOR_PASSWORD, Chat, Client

PEOPLE = ("Olga", "Mod", "Ben", "Eve")
people, others = st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)


@pytest.fixture
def chat() -> Chat:
    """A server with an operator, Boss."""
    return Chat(Config(operator=("Boss",), limits=Limits.OFF))


def secret_of(shown: str) -> str:
    """The token that was shown."""
    return next(line.rpartition("this once: ")[2] for line in shown.splitlines() if "this once: " in line)


def code_of(shown: str) -> str:
    """The code of an invitation that was shown."""
    return next(line.rpartition("/code ")[2].strip() for line in shown.splitlines() if "/code " in line)


def speaks(chat: Chat, secret: str, room: str = "tea") -> bool:
    """Whether a token lets a script speak."""
    client = Client(chat, chat.web.buildProtocol(None), "203.0.113.9")
    client.send_bytes(request("POST", f"/rooms/{room}", f"Authorization: Bearer {secret}", body=b"beep"))
    chat.turn()
    return client.transport.received.startswith(b"HTTP/1.1 200")


class Losses(RuleBasedStateMachine):
    """A closed room of Olga's. Whoever may makes tokens and invitations; rights come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.chat = Chat(Config(limits=Limits.OFF))
        self.guests = {name: registered(self.chat, "line", name) for name in PEOPLE}
        for guest in self.guests.values():
            guest.type("/join #tea")
        self.tokens: dict[str, str] = {}  # by secret: who has made it
        self.codes: dict[str, str] = {}
        self.bots = 0

    @rule(who=people)
    def make_token(self, who: str) -> None:
        """Make a token, if one may."""
        self.bots += 1
        shown = self.guests[who].answer(f"/token bot{self.bots}")
        if "this once" in shown:
            self.tokens[secret_of(shown)] = who

    @rule(who=people)
    def make_code(self, who: str) -> None:
        """Make a code, if one may."""
        shown = self.guests[who].answer("/join #tea", "/invite")
        if "/code " in shown and "into #tea" in shown:
            self.codes[code_of(shown)] = who

    @rule(who=people, whom=others)
    def invite(self, who: str, whom: str) -> None:
        """Invite somebody by name."""
        self.guests[who].type(f"/invite {whom}")

    @rule(who=people, whom=others, what=st.sampled_from(("op", "deop", "kick", "ban", "unban")))
    def do(self, who: str, whom: str, what: str) -> None:
        """Give a right, or take it."""
        before = self._here(whom)
        self.guests[who].type(f"/{what} {whom}")
        if what in ("kick", "ban") and before and not self._here(whom):
            self.codes = {code: by for code, by in self.codes.items() if by != whom}

    @rule(what=st.sampled_from(("invite-only", "invite-only off", "private", "private off")))
    def close(self, what: str) -> None:
        """Close the room, or open it."""
        room = self.chat.hub.rooms["#tea"]
        before = room.policy.closed
        self.guests["Olga"].type("/join #tea", f"/room {what}")
        if room.policy.closed and not before:
            self.codes = {}
            assert room.policy.invited == ()
            for sessions in self.chat.hub.people.values():
                assert not any("#tea" in session.invited for session in sessions)

    @rule(who=people)
    def come_in(self, who: str) -> None:
        """Come into the room, if one may."""
        self.guests[who].type("/join #tea")

    @rule(who=people)
    def give_up(self, who: str) -> None:
        """Give the name up, and register it anew: the new account has made nothing."""
        if who != "Olga":
            self.guests[who].type("/unregister secret12", "/register secret12")
            self.tokens = {secret: by for secret, by in self.tokens.items() if by != who}

    @invariant()
    def a_token_is_of_somebody_who_rules(self) -> None:
        """And of nobody else: one that somebody made who does not any more does nothing."""
        room = self.chat.hub.rooms["#tea"]
        for secret, by in list(self.tokens.items()):
            rules = by.lower() in (room.record.owner, *room.policy.operators)
            stands = self.chat.hub.tokens.get(self.chat.hub.accounts.digest(secret)) is not None
            assert stands is rules, (by, rules)
            if not rules:
                del self.tokens[secret]
        digests = {self.chat.hub.accounts.digest(secret) for secret in self.tokens}
        assert {token.digest for token in self.chat.hub.tokens.all()} <= digests
        if room.policy.closed:
            rulers = {room.record.owner, *room.policy.operators}
            assert {code.by for code in self._codes()} <= rulers
        codes = {self.chat.hub.accounts.digest(code) for code in self.codes}
        assert {code.code for code in self._codes()} <= codes

    def _codes(self) -> list[Invitation]:
        return [code for code in self.chat.hub.invitations.values() if code.room == "#tea"]

    def _here(self, whom: str) -> bool:
        return self.chat.hub.rooms["#tea"].has(whom.lower())


TestLosses = Losses.TestCase
TestLosses.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", ["/deop Mod", "unregister"])
def test_a_token_ends_with_the_right_to_make_it(chat: Chat, kind: str, loss: str) -> None:
    """Of a deposed operator, and of an account that is gone; the owner's own go on."""
    olga, mod = registered(chat, kind, "Olga"), registered(chat, kind, "Mod")
    for one in (olga, mod):
        one.type("/join #tea")
    olga.type("/op Mod")
    mine, theirs = secret_of(olga.answer("/token deploy")), secret_of(mod.answer("/token build"))
    assert speaks(chat, mine)
    assert speaks(chat, theirs)
    if loss == "unregister":
        mod.type("/unregister secret12", "/register secret12")
    else:
        olga.type(loss)
    assert speaks(chat, mine)
    assert not speaks(chat, theirs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_made_by_oper_is_that_operators(chat: Chat, kind: str) -> None:
    """Whatever whoever typed it is called: it lasts as long as the account's right."""
    registered(chat, kind, "Olga").type("/join #tea")
    boss, eve = Guest(chat, "line", "Boss"), Guest(chat, kind, "Eve")
    eve.type(f"/oper Boss {OPERATOR_PASSWORD}", "/join #tea")
    secret = secret_of(eve.answer("/token deploy"))
    assert "boss" in eve.answer("/tokens")
    eve.leave()
    assert speaks(chat, secret)
    boss.type(f"/unregister {OPERATOR_PASSWORD}")
    assert not speaks(chat, secret)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", ["/kick Mod", "/ban Mod", "/deop Mod", "/ban Mod 1h"])
@pytest.mark.parametrize("how", ["code", "name"])
def test_an_invitation_ends_with_who_made_it(chat: Chat, kind: str, loss: str, how: str) -> None:
    """Sent out, banned or deposed: whom they have let in comes in no more."""
    olga, mod, eve = registered(chat, kind, "Olga"), registered(chat, kind, "Mod"), Guest(chat, kind, "Eve")
    olga.type("/join #tea", "/room invite-only", "/invite Mod")
    mod.type("/join #tea")
    olga.type("/op Mod")
    if how == "name":
        mod.type("/invite Eve")
    else:
        code = code_of(mod.answer("/invite"))
    olga.type("/deop Mod" if loss != "/deop Mod" else "/who", loss)
    if how == "code":
        assert "used up, has expired" in eve.answer(f"/code {code}")
    assert "only to those who were invited" in eve.answer("/join #tea")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("closing", ["/room invite-only", "/room key leaf"])
def test_closing_a_room_ends_what_was_made_while_it_was_open(chat: Chat, kind: str, closing: str) -> None:
    """By code or by name, also if it was made use of at the prompt, before there was a name."""
    olga, ben, eve = registered(chat, kind, "Olga"), registered(chat, kind, "Ben"), Guest(chat, kind, "Eve")
    olga.type("/join #tea")
    eve.type("/join #tea")
    codes = [code_of(eve.answer("/invite")) for _ in range(2)]
    eve.type("/invite Ben")
    visitor = chat.connect("line")
    visitor.send(f"/code {codes[0]}")
    olga.type(closing)
    visitor.send("Zoe")
    assert "#tea" not in chat.hub.people["zoe"][0].rooms
    assert "used up, has expired" in Guest(chat, kind, "Kim").answer(f"/code {codes[1]}")
    ben.type("/join #tea")
    assert not chat.hub.rooms["#tea"].has("ben")
    olga.type("/invite Ben")
    ben.type("/join #tea")
    assert chat.hub.rooms["#tea"].has("ben")


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_sent_out_has_used_up_their_own_invitation(chat: Chat, kind: str) -> None:
    """Into a room of those who are invited they come back with another one."""
    olga, ben, eve = registered(chat, kind, "Olga"), registered(chat, kind, "Ben"), Guest(chat, kind, "Eve")
    olga.type("/join #tea", "/room invite-only", "/invite Ben", "/invite Eve")
    for one, name in ((ben, "Ben"), (eve, "Eve")):
        one.type("/join #tea")
        olga.type(f"/kick {name}")
        assert "only to those who were invited" in one.answer("/join #tea")
        olga.type(f"/invite {name}")
        one.type("/join #tea")
        assert chat.hub.rooms["#tea"].has(name.lower())


def test_another_name_is_no_way_out(chat: Chat) -> None:
    """What a guest has made under one name ends when they are sent out under another."""
    olga, eve = registered(chat, "line", "Olga"), Guest(chat, "line", "Eve")
    olga.type("/join #tea")
    eve.type("/join #tea")
    code = code_of(eve.answer("/invite"))
    eve.type("/nick Mallory")
    olga.type("/kick Mallory")
    assert "used up, has expired" in Guest(chat, "line", "Kim").answer(f"/code {code}")


def test_who_is_banned_from_the_server_has_no_bots_there(chat: Chat) -> None:
    """Nor do those come in whom they have invited."""
    boss, eve = Guest(chat, "line", "Boss"), registered(chat, "line", "Eve")
    eve.type("/join #eve", "/room invite-only")
    secret, code = secret_of(eve.answer("/token deploy")), code_of(eve.answer("/invite"))
    assert speaks(chat, secret, "eve")
    boss.type("/ban * Eve")
    assert not speaks(chat, secret, "eve")
    assert "used up, has expired" in Guest(chat, "line", "Kim").answer(f"/code {code}")
    boss.type("/unban * Eve")
    assert speaks(chat, secret, "eve")


def test_who_is_no_operator_at_the_next_start_has_made_nothing(tmp_path: Path) -> None:
    """The tokens of a name that --operator gives no more are void; those of others go on."""
    chat = KeptChat(tmp_path, Config(operator=("Boss",), limits=Limits.OFF))
    olga, boss = registered(chat, "line", "Olga"), Guest(chat, "line", "Boss")
    for one in (olga, boss):
        one.type("/join #tea")
    mine, theirs = secret_of(olga.answer("/token deploy")), secret_of(boss.answer("/token build"))
    chat.end()
    chat = KeptChat(tmp_path, Config(limits=Limits.OFF))
    assert speaks(chat, mine)
    assert not speaks(chat, theirs)
    chat.end()
