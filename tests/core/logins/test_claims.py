"""Operators' names are taken with a claim code, and in no other way: by no protocol, under no spelling."""

import re
import sqlite3
import stat
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from browsers import WebClient
from chat_clients import KINDS, Guest
from client_wire import Front, Wire
from daemons import Talker, running
from hypothesis import given, settings
from hypothesis import strategies as st
from irc_clients import IrcClient
from kept_chat import KeptChat
from ssh_clients import SshClient

from twisted_chat.client.connection import Conversation
from twisted_chat.config import Config, Limits
from twisted_chat.core.records import CLAIMED, OLDER, UNCLAIMED
from twisted_chat.core.rooms import permissions
from twisted_chat.core.text import names
from twisted_chat.daemon.claim_desk import FILE, DaemonClaimDesk
from twisted_chat.storage.sqlite import renewal
from twisted_chat.testing import Chat

OPERATORS = ("Ann", "Will")
# Names that are the same as an operator's, or look so.
LOOKALIKES = ("Ann", "ann", "ANN", "aNN", "Ａｎｎ", "Will", "WILL", "WiIl", "wiII", "Wi11", "will")


@pytest.fixture
def chat() -> Chat:
    """A server whose operators have not been here yet."""
    return Chat(Config(operator=OPERATORS, limits=Limits.OFF))


def of(chat: Chat, name: str) -> str:
    """The claim code of a name."""
    code = chat.claim_code(name)
    assert code is not None
    return code


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nobody_has_the_name_of_an_operator_who_has_not_come_yet(data: st.DataObject) -> None:
    """Nor one that looks like it: as a guest, by /nick, as a bot, by NICK, PASS or hello, with a wrong code or without."""
    chat = Chat(Config(operator=OPERATORS, limits=Limits.OFF))
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(st.sampled_from(LOOKALIKES))
        word = data.draw(st.sampled_from(["CODE-7", "CODE-1-", "", "guessed", "1-EDOC", "../operator-claim"]))
        kind = data.draw(st.sampled_from(("line", "json", "web", "irc", "nick", "bot", "ssh")))
        address = f"198.51.100.{data.draw(st.integers(1, 250))}"
        if kind == "line":
            chat.connect("line", address).send(name, word, "longpassword", f"/claim {name} {word} longpassword")
        elif kind in ("json", "web"):
            program = WebClient(chat, address) if kind == "web" else chat.connect("json", address)
            program.send({"type": "hello", "name": name, "claim": word, "password": "longpassword"})
            program.send({"type": "do", "command": "claim", "arguments": [name, word, "longpassword"]})
            program.send({"type": "hello", "name": name})
        elif kind == "irc":
            irc = IrcClient(chat)
            irc.send(f"PASS {word}:longpassword", f"NICK {name}", "USER x 0 * :X", f"CLAIM {name} {word or '*'} longpassword")
            irc.send(f"NICK {name}", f"REGISTER {name} * longpassword", "NS REGISTER longpassword")
        elif kind == "nick":
            guest = Guest(chat, "line", "Guest", address=address)
            guest.type(f"/nick {name}", word, "longpassword", f"/claim {name} {word} longpassword")
        elif kind == "bot":
            Guest(chat, "line", "Owner", address=address).type("/register longpassword", "/join #tea", f"/token {name}")
        elif not data.draw(st.integers(0, 9)):  # a handshake costs as much as all the others
            SshClient(chat, name, "longpassword", address=address, door="ssh").send(word, "longpassword")
        taken = {*chat.hub.people, *chat.hub.registry.accounts, *chat.hub.registry.bots}
        looks = frozenset(look for operator in OPERATORS for look in names.skeletons(operator))
        assert not [key for key in taken if names.skeletons(key) & looks]
        for sessions in chat.hub.people.values():
            assert not any(permissions.is_operator(session, chat.hub.operators) for session in sessions)


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_takes_the_name_once(chat: Chat, kind: str) -> None:
    """In one flow: the name, the code, a new password. It is an operator's at once, and the code is used up."""
    code = of(chat, "Ann")
    ann = Guest(chat, kind, "ann")
    assert "Ann is yours now" in ann.shown()
    assert "Hello Ann" in ann.answer("/lockdown off") or "Everybody can come in again" in ann.answer("/lockdown off")
    assert chat.hub.registry.accounts["ann"].claimed == CLAIMED
    assert permissions.is_operator(chat.hub.people["ann"][0], chat.hub.operators)
    assert list(chat.claims.codes) == ["will"]
    eve = Guest(chat, "line", "Eve")
    assert "can't be claimed" in eve.answer(f"/claim Ann {code} longpassword")
    assert "not the claim code" in eve.answer(f"/claim Will {code} longpassword")


def test_the_flow_at_a_prompt(chat: Chat) -> None:
    """A wrong code, and a password that is too short, are asked for again; an empty line gives up."""
    ann = chat.connect("line")
    ann.send("ANN")
    assert ann.lines()[-1] == "-> Ann is an operator's name. Claim code:"
    ann.send("nonsense")
    assert "That is not the claim code of this name. Try again" in ann.lines()[-1]
    ann.send("")
    assert "What's your name?" in ann.lines()[-1]
    ann.send("Ann", of(chat, "Ann").lower())
    assert ann.lines()[-1] == "-> Choose a password for Ann:"
    ann.send("short")
    assert "at least 8 characters" in ann.lines()[-1]
    ann.send("longpassword")
    assert "Hello Ann, you are now connected!" in ann.lines()


def test_a_program_claims_by_hello(chat: Chat) -> None:
    """It is told what is missing, by codes of their own."""
    program = chat.connect("json")
    program.send({"type": "hello", "name": "Ann", "id": "1"})
    assert program.objects()[-1]["code"] == "claim-needed"
    program.send({"type": "hello", "name": "Ann", "id": "2", "claim": "nonsense"})
    assert program.objects()[-1]["code"] == "wrong-claim"
    program.send({"type": "hello", "name": "Ann", "id": "3", "claim": of(chat, "Ann")})
    assert program.objects()[-1]["code"] == "password-needed"
    program.send({"type": "hello", "name": "Ann", "id": "4", "claim": of(chat, "Ann"), "password": "longpassword"})
    assert "welcome" in [one["type"] for one in program.objects()]


@pytest.mark.parametrize("by", ["CLAIM", "PASS", "late"])
def test_by_irc(chat: Chat, by: str) -> None:
    """By a command of its own, before registration and after it, or where clients put a password."""
    irc, code = IrcClient(chat), of(chat, "Ann")
    if by == "PASS":
        irc.send(f"PASS {code}:longpassword")
    irc.send("NICK Ann" if by != "late" else "NICK Guest", "USER x 0 * :X")
    if by == "CLAIM":
        assert any("/quote CLAIM Ann CODE PASSWORD" in message.params[-1] for message in irc.messages())
    if by != "PASS":
        told = irc.told("CLAIM Ann nonsense longpassword")
        assert any("That is not the claim code of this name." in words[-1] for words in told)
        irc.send(f"CLAIM Ann {code} longpassword")
    assert [session.registered for session in chat.hub.people["ann"]] == [True]
    assert ("381", "You are now an IRC operator") in irc.told("OPER Ann longpassword")


def test_wrong_codes_are_counted_and_the_right_one_is_found_among_them() -> None:
    """After some wrong ones from an address the next are told to wait. The operator at the same address is not."""
    chat = Chat(Config(operator=("Ann",)))
    eve = chat.connect("line")
    for number in range(4):
        eve.lines()
        eve.send("Ann", f"guess {number}", "")
        assert ("Too many" in "".join(eve.lines())) == (number == 3)
    assert [failed.kind.value for failed in chat.failed_logins] == ["claim-code"] * 4
    eve.send("Ann", of(chat, "Ann"), "longpassword")
    assert "ann" in chat.hub.registry.accounts


def test_two_who_have_the_code_are_one(chat: Chat) -> None:
    """Whoever is first; the other one is told."""
    code, (first, second) = of(chat, "Ann"), (chat.connect("line"), chat.connect("line"))
    for one in (first, second):
        one.send("Ann", code)
    first.send("firstpassword")
    second.send("secondpassword")
    assert chat.hub.registry.accounts["ann"].password == "firstpassword"
    assert "claimed" in second.lines()[-1]
    assert len(chat.hub.people["ann"]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_after_the_account_is_given_up_there_is_a_new_code(chat: Chat, kind: str) -> None:
    """Nobody goes on under the name, not even who had it; the old code is void."""
    old, ann = of(chat, "Ann"), Guest(chat, kind, "Ann")
    ann.type("/unregister secret12")
    assert "has to be claimed again" in ann.shown()
    assert ann.client.closed
    assert "ann" not in chat.hub.people
    assert of(chat, "Ann") != old
    eve = Guest(chat, "line", "Eve")
    assert "not the claim code" in eve.answer(f"/claim Ann {old} longpassword")
    assert "Ann is yours now" in eve.answer("", f"/claim Ann {of(chat, 'Ann')} longpassword")
    assert [session.name for session in chat.hub.people["ann"]] == ["Ann"]


@pytest.mark.parametrize(("claimed", "was"), [(OLDER, True), (UNCLAIMED, False)])
def test_an_account_that_has_the_name_already_is_confirmed(tmp_path: Path, claimed: int, was: bool) -> None:
    """One from before there were codes keeps its right, and is named until then. A younger one has none until then."""
    chat = KeptChat(tmp_path)
    Guest(chat, "line", "Ann").type("/register herpassword")
    chat.done(chat.hub.records.save(replace(chat.hub.registry.accounts["ann"], claimed=claimed)))
    chat.end()
    for confirmed in (False, True):
        chat = KeptChat(tmp_path, Config(operator=("Ann",), limits=Limits.OFF))
        assert ("ann" in chat.claims.codes) is not confirmed
        ann, eve = Guest(chat, "line", "Ann", "herpassword"), Guest(chat, "line", "Eve")
        assert ("Everybody can come in" in ann.answer("/lockdown off")) is (was or confirmed)
        if not confirmed:
            assert "Log in with its password" in eve.answer(f"/claim Ann {chat.claims.codes['ann']} longpassword")
            assert "not the claim code" in ann.answer("/claim Ann nonsense")
            assert "Ann is confirmed" in ann.answer("", f"/claim Ann {chat.claims.codes['ann']}")
            assert "Everybody can come in" in ann.answer("/lockdown off")
        chat.end()


def test_a_bot_loses_a_name_that_has_become_an_operators(tmp_path: Path) -> None:
    """What looks like it, too."""
    chat = KeptChat(tmp_path)
    owner = Guest(chat, "line", "Owner").type("/register longpassword", "/join #tea", "/token WiIl", "/token deploy")
    assert "The token of WiIl" in owner.shown()
    chat.end()
    chat = KeptChat(tmp_path, Config(operator=OPERATORS, limits=Limits.OFF))
    assert chat.hub.registry.bots == {"deploy"}
    chat.end()
    assert [token.name for token in KeptChat(tmp_path).hub.tokens.all()] == ["deploy"]


def test_an_upgrade_locks_no_operator_out(tmp_path: Path) -> None:
    """An account of schema 7 has an empty id and is older than codes are: it is an operator, and is asked to confirm."""
    connection = sqlite3.connect(tmp_path / "chat.db", isolation_level=None)
    connection.executescript("".join(renewal.script(number) for number in range(1, 8)))
    connection.execute(f"PRAGMA application_id = {renewal.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 7")
    connection.execute("INSERT INTO log (id, reserved, indexed) VALUES ('abc', 7, 0)")
    row = ("ann", "Ann", "herpassword", 1.5, "{}", "[]", '["ben"]', "[]", "{}", "[]")
    connection.execute("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.close()
    chat = KeptChat(tmp_path, Config(operator=("Ann",), limits=Limits.OFF))
    account = chat.hub.registry.accounts["ann"]
    assert (account.id, account.generation, account.claimed, account.person) == ("", 0, OLDER, "ann")
    ann = Guest(chat, "line", "Ann", "herpassword")
    assert "Everybody can come in" in ann.answer("/lockdown off")
    assert "Ann is confirmed" in ann.answer(f"/claim Ann {chat.claims.codes['ann']}")
    chat.end()


def test_the_file_of_codes(tmp_path: Path) -> None:
    """A line a name, for the daemon's user alone; written whole; gone with the last of them. The log tells no code."""
    desk = DaemonClaimDesk(tmp_path, terminal := StringIO(), lambda work: work())
    (tmp_path / FILE).write_text("Ann OLD-CODE\n")
    (tmp_path / FILE).chmod(0o666)
    desk.hand_out("Ann", "AAAA-1111", None)
    desk.hand_out("Zoë", "ZZZZ-2222", None)
    desk.begin()
    assert (tmp_path / FILE).read_text("utf-8") == "Ann AAAA-1111\nZoë ZZZZ-2222\n"
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert terminal.getvalue().splitlines()[0] == "Claim code of the operator Ann: AAAA-1111"
    desk.take_back("Ann")
    assert (tmp_path / FILE).read_text("utf-8") == "Zoë ZZZZ-2222\n"
    desk.hand_out("Ann", "BBBB-3333", None)
    assert (tmp_path / FILE).read_text("utf-8") == "Zoë ZZZZ-2222\nAnn BBBB-3333\n"
    for name in ("Ann", "Zoë"):
        desk.take_back(name)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_file_that_somebody_has_put_there_is_not_followed(tmp_path: Path) -> None:
    """A link in its place leads nowhere, and what it points to stays as it is."""
    (state := tmp_path / "state").mkdir()
    (elsewhere := tmp_path / "elsewhere").write_text("mine")
    (state / FILE).symlink_to(elsewhere)
    (state / f"{FILE}.new").symlink_to(elsewhere)
    desk = DaemonClaimDesk(state, None, lambda work: work())
    desk.hand_out("Ann", "AAAA-1111", None)
    desk.begin()
    assert elsewhere.read_text() == "mine"
    assert (state / FILE).read_text() == "Ann AAAA-1111\n"
    assert not (state / FILE).is_symlink()


def test_the_bundled_client_claims() -> None:
    """The code goes with hello, until one is welcome; never in clear."""
    conversation = Conversation(Front(), "Ann", None, plain=True)
    wire = Wire(conversation)
    assert "claim" not in wire.sent()[-1]
    conversation.claim, conversation.password = "AAAA-1111", "longpassword"
    conversation.come_in()
    assert (wire.sent()[-1] | {"client": ""})["claim"] == "AAAA-1111"
    wire.send(type="welcome", name="Ann", log="x", commands=[])
    assert conversation.claim is None


def test_a_daemon_hands_codes_out_and_its_log_does_not(tmp_path: Path) -> None:
    """A new one at each start, until the name is claimed; then an operator's right, also after a restart."""
    seen = set()
    for _ in range(2):
        with running(tmp_path, "--operator=Ann") as daemon:
            name, _, code = (tmp_path / FILE).read_text().strip().partition(" ")
            assert name == "Ann"
            assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
            daemon.wait_for(re.escape(f"The claim code is in {tmp_path / FILE}"))
            assert code not in daemon.output
            assert code.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("chat.db*"))
            seen.add(code)
            stranger = Talker(daemon.port)
            stranger.ask(type="hello", name="Ann")
            stranger.until('"claim-needed"')
            stranger.ask(type="hello", name="Ann", claim="AAAA-BBBB-CCCC", password="longpassword")
            stranger.until('"wrong-claim"')
    assert len(seen) == 2
    with running(tmp_path, "--operator=Ann") as daemon:
        ann = Talker(daemon.port)
        ann.ask(type="hello", name="Ann", claim=(tmp_path / FILE).read_text().split()[1], password="longpassword")
        ann.until('"welcome"')
        ann.ask(type="line", text="/lockdown off")
        ann.until("Everybody can come in again.")
        assert not (tmp_path / FILE).exists()
        daemon.wait_for("Ann has been claimed")
    with running(tmp_path, "--operator=Ann") as daemon:
        ann = Talker(daemon.port)
        ann.ask(type="hello", name="Ann", password="longpassword")
        ann.until('"welcome"')
        ann.ask(type="line", text="/audit")
        ann.until("claimed the name of an operator")
        assert "claim" not in daemon.output
