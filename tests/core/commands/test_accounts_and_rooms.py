"""Names, rooms, reading, private messages and operators: one suite over every protocol."""

from pathlib import Path

import pytest
from chat_clients import KINDS, PROGRAMS, WAYS, Guest
from kept_chat import KeptChat, registered
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from twisted_chat.config import Config
from twisted_chat.testing import Chat

pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def chat() -> Chat:
    """A server whose operator is Root."""
    return Chat(Config(operator=("Boss",)))


def test_a_registered_name_needs_its_password(chat: Chat, kind: str) -> None:
    """Without it nobody gets in under that name; with it its owner does."""
    registered(chat, kind, "Ann").leave()
    thief = Guest(chat, kind, "ANN")
    assert "Ann is a registered name. Password:" in thief.shown()
    assert "That is not the password" in thief.answer("guess")
    assert "ann" not in chat.hub.people
    owner = Guest(chat, kind, "ann", "secret12")
    assert "Hello Ann, you are now connected!" in owner.shown()
    assert "registered" in owner.answer("/whois ann")


def test_an_empty_answer_goes_back(chat: Chat, kind: str) -> None:
    """Whoever has no password can give another name."""
    registered(chat, kind, "Ann").leave()
    stranger = Guest(chat, kind, "Ann")
    assert "What's your name?" in stranger.answer("")
    assert "Hello Ben" in stranger.answer("Ben")


def test_passwords_are_asked_for_changed_and_given_up(chat: Chat, kind: str) -> None:
    """Every command about a password takes it on the next line, too."""
    ann = Guest(chat, kind, "Ann")
    assert "Choose a password for Ann:" in ann.answer("/register")
    assert "at least 8 characters" in ann.answer("abcdefg")
    ann.type("/register", "one two three")
    assert "Your new password:" in ann.answer("/password", "one two three")
    assert "Your password is changed." in ann.answer("three four")
    assert "at most 300 bytes" in ann.answer("/password", "three four", "x" * 301)
    ann.type("")
    ann.leave()
    again = Guest(chat, kind, "Ann", "three four")
    assert "Hello Ann" in again.shown()
    assert "not the password" in again.answer("/unregister", "one two three")
    assert "not registered any more" in again.answer("/unregister", "three four")
    assert "a guest" in again.answer("/whois Ann")
    again.leave()
    assert "Hello Ann" in Guest(chat, kind, "Ann").shown()


def test_a_password_is_shown_to_nobody(chat: Chat, kind: str) -> None:
    """Not to others, not in the history, not in an error."""
    ben, ann = Guest(chat, kind, "Ben"), Guest(chat, kind, "Ann")
    ann.shown()
    ann.type("/register", "hunter22", "/password hunter23", " /password hunter24", "/unregister", "hunter2x")
    assert "hunter2" not in ben.shown() + ann.shown() + ben.answer("/history", "/search hunter22")


def test_who_guesses_has_to_wait_and_the_owner_does_not(chat: Chat, kind: str) -> None:
    """After three wrong passwords from one place there is a pause; from elsewhere the owner comes in at once."""
    registered(chat, kind, "Ann").leave()
    thief = Guest(chat, kind, "Ann")
    thief.type("wrong", "wrong", "wrong")
    assert "Too many wrong passwords" in thief.answer("secret12")
    assert "Too many wrong passwords" in Guest(chat, kind, "Ann", "secret12").shown()
    assert "Hello Ann" in Guest(chat, kind, "Ann", "secret12", address="2001:db8::1").shown()
    chat.clock.advance(601)
    assert "Hello Ann" in thief.answer("secret12")


def test_the_owner_takes_over(chat: Chat, kind: str) -> None:
    """Coming back, they have their rooms and miss nothing; the old connection is told and closed; nobody else notices."""
    ben, ann = Guest(chat, kind, "Ben"), registered(chat, kind, "Ann")
    ann.type("/join #tea")
    ben.type("/join #tea", "one")
    ben.shown()
    back = Guest(chat, kind, "Ann", "secret12")
    told = back.shown()
    assert "You are already connected, switching to this session." in told
    assert "one" in told
    assert "You have come back on another connection." in ann.shown()
    assert ann.client.closed
    assert ben.shown() == ""
    ben.type("two")
    assert back.shown().count("two") == 1
    back.type("in tea")
    assert "in tea" in ben.shown()


def test_on_many_devices(chat: Chat, kind: str) -> None:
    """With /devices many the same person is here several times, and counts once."""
    ann = registered(chat, kind, "Ann")
    ann.type("/devices many")
    other = Guest(chat, kind, "Ann", "secret12")
    ben = Guest(chat, kind, "Ben")
    assert "Ann, Ben" in ben.answer("/who").replace(f" ({WAYS[kind]})", "")
    assert not ann.client.closed
    ben.type("hi")
    assert "<Ben> hi" in ann.shown()
    assert "<Ben> hi" in other.shown()
    other.type("from the other")
    assert "<Ann> from the other" in ann.shown()
    assert "this one" in ann.answer("/devices")
    other.leave()
    assert "left" not in ben.shown()
    ann.leave()
    assert "* Ann left (1 here)" in ben.shown()


def test_a_dropped_guest_is_waited_for(chat: Chat, kind: str) -> None:
    """A guest's name is held for a minute, and the resume code gives it back at once."""
    ann = Guest(chat, kind, "Ann")
    code = ann.answer("/resume").split()[-1]
    ann.client.transport.protocol.connectionLost(Failure(ConnectionLost()))
    assert "is held for a guest" in Guest(chat, kind, "Ann").shown()
    assert "is held for a guest" in Guest(chat, kind, "anN").answer(f"/resume Ann {code}X")
    back = Guest(chat, kind, "x y")
    assert "Hello Ann" in back.answer(f"/resume Ann {code}")
    back.client.transport.protocol.connectionLost(Failure(ConnectionLost()))
    chat.clock.advance(61)
    assert "Hello Ann" in Guest(chat, kind, "Ann").shown()


def test_two_race_for_a_name(chat: Chat, kind: str) -> None:
    """A thousand times, exactly one of two wins; by SSH fewer, as coming in takes its time there."""
    for number in range(50 if kind == "ssh" else 1000):
        name = f"racer{number}"
        pair = [Guest(chat, kind, name), Guest(chat, kind, name.upper())]
        assert sorted("Hello" in guest.shown() for guest in pair) == [False, True]
        for guest in pair:
            guest.leave()


def test_settings_last_with_the_name(chat: Chat, kind: str) -> None:
    """Settings, ignores and rooms are there when their owner comes back."""
    ann, ben = registered(chat, kind, "Ann"), Guest(chat, kind, "Ben")
    ann.type("/set stamps off", "/bell mention", "/ignore Ben", "/join #tea", "/away lunch")
    ann.leave()
    ann = Guest(chat, kind, "Ann", "secret12")
    assert "In #tea" in ann.answer("/who #tea")
    assert "ben" in ann.answer("/ignores")
    shown = ann.answer("/set")
    assert any(line.split()[1:3] == ["stamps", "off"] for line in shown.splitlines())
    assert any(line.split()[1:3] == ["bell", "mention"] for line in shown.splitlines())
    ben.type("hello?", "/msg Ann psst")
    assert ann.shown() == ""
    ann.type("/unignore Ben")
    ben.type("Ann: hello")
    assert "hello" in ann.shown()
    assert "takes one of: off, mention, all" in ann.answer("/bell loud")


def test_rooms_that_are_closed(chat: Chat, kind: str) -> None:
    """A key, an invitation, a registered name: what a room asks for, newcomers need."""
    ann, ben = registered(chat, kind, "Ann"), Guest(chat, kind, "Ben")
    ann.type("/join #tea", "/room key leaf")
    assert "needs its key" in ben.answer("/join #tea")
    assert "needs its key" in ben.answer("/join #tea wrong")
    ann.type("/room key \x02\u200b")
    assert "needs its key" in ben.answer("/join #tea")
    assert "In #tea" in ben.answer("/join #tea leaf")
    ben.type("/leave #tea")
    ann.type("/room key e\u0301" + "x" * 90)
    assert "In #tea" in ben.answer("/join #tea \u00e9" + "x" * 90)
    assert "Only an operator of this room" in ben.answer("/room open")
    ben.type("/leave #tea")
    ann.type("/room open", "/room invite-only")
    assert "only to those who were invited" in ben.answer("/join #tea")
    ann.type("/invite Ben")
    assert "Ann invites you to #tea" in ben.shown()
    assert "In #tea" in ben.answer("/join #tea")
    ben.type("/leave #tea")
    ann.type("/room open", "/room registered")
    cleo = Guest(chat, kind, "Cleo")
    assert "only to registered names" in cleo.answer("/join #tea")
    assert "registered names" in ann.answer("/room")


def test_nobody_outside_learns_of_a_private_room(chat: Chat, kind: str) -> None:
    """Lists, people, whois, search and errors say nothing of it."""
    ann, ben = registered(chat, kind, "Ann"), Guest(chat, kind, "Ben")
    ann.type("/join #plot", "/room private", "/topic treason", "the secret word")
    missing = ben.answer("/who #nowhere").replace("#nowhere", "#plot")
    assert ben.answer("/who #plot") == missing
    outside = ben.answer("/rooms", "/whois Ann", "/search secret", "/history #plot", "/search in:#plot secret")
    assert "treason" not in outside
    assert "secret word" not in outside
    assert "plot" not in outside.replace("You are not in #plot", "")
    assert "the secret word" in ann.answer("/search secret")
    assert "#plot" in ann.answer("/rooms")


def test_reading_back(chat: Chat, kind: str) -> None:
    """The last N, since a time, before a number; and searching, with conditions."""
    ann, ben = Guest(chat, kind, "Ann"), Guest(chat, kind, "Ben")
    ann.type("old tea")
    chat.clock.advance(7200)
    ann.type("new tea")
    ben.type("coffee", "/set numbers on")
    assert "old tea" not in ben.answer("/history 2")
    assert "old tea" not in ben.answer("/history since 1h")
    assert "old tea" in ben.answer("/history #lobby since 3h")
    first = next(event for event in chat.log._tail.before("#lobby", 99) if event.text == "new tea").seq  # type: ignore[attr-defined]
    assert "new tea" not in ben.answer(f"/history before {first}")
    assert "old tea" in ben.answer(f"/history before {first}")
    newest = ben.answer("/history before 999999 1")
    assert "coffee" in newest
    assert "tea" not in newest
    found = ben.answer("/search tea")
    assert found.index("old tea") < found.index("new tea")
    assert "coffee" in ben.answer("/search from:Ben coffee")
    assert "Nothing was found" in ben.answer("/search from:Ann coffee")
    assert "old tea" not in ben.answer("/search since:1h tea")
    for wrong in ("/history 0", "/history since yesterday-ish", "/history before x", "/history before 9 0", "/search from:Ann"):
        assert "takes" in ben.answer(wrong) or "A time is" in ben.answer(wrong)


def test_what_was_missed_is_marked(chat: Chat, kind: str) -> None:
    """A registered person who comes back is told how much was said, and where it begins."""
    ann, ben = registered(chat, kind, "Ann"), Guest(chat, kind, "Ben")
    ben.type("read")
    ann.leave()
    ben.type("missed one", "missed two")
    shown = Guest(chat, kind, "Ann", "secret12").shown()
    assert shown.index("read") < shown.index("2 messages since you left") < shown.index("missed one")


def test_private_messages_wait_for_registered_names(chat: Chat, kind: str) -> None:
    """Between registered names they are kept; to a guest who is away they can't be said."""
    ann, ben = registered(chat, kind, "Ann"), registered(chat, kind, "Ben")
    guest = Guest(chat, kind, "Gil")
    ann.leave()
    assert "will get it" in ben.answer("/msg Ann are you there?")
    assert "Nobody here is called Ann" in guest.answer("/msg Ann hello")
    assert "Nobody here is called Zoe" in ben.answer("/msg Zoe hello")
    ann = Guest(chat, kind, "Ann", "secret12")
    shown = ann.shown()
    assert "1 private message waited for you:" in shown
    assert "<Ben -> Ann> are you there?" in shown
    assert "<Ann -> Ben> yes" in ben.answer() + (ann.type("/msg Ben yes") and ben.shown())
    ann.leave()
    assert "waited" not in Guest(chat, kind, "Ann", "secret12").shown()


def test_consent_and_absence(chat: Chat, kind: str) -> None:
    """Who takes no private messages gets none; who is away says so."""
    ann, ben = Guest(chat, kind, "Ann"), Guest(chat, kind, "Ben")
    ann.type("/msgs known")
    assert "from people they don't know" in ben.answer("/msg Ann hi")
    ann.type("/msg Ben hi")
    ben.shown()
    assert "takes no" not in ben.answer("/reply hello")
    ann.type("/msgs none")
    assert "Ann takes no private messages." in ben.answer("/msg Ann hi")
    ann.type("/msgs all", "/away at lunch")
    assert "Ann is away: at lunch" in ben.answer("/msg Ann hi")
    assert "at lunch" in ben.answer("/whois Ann")
    assert "away" in ben.answer("/who")
    ann.type("/away")
    assert "is away" not in ben.answer("/msg Ann hi")


def test_room_operators(chat: Chat, kind: str) -> None:
    """The owner makes operators; they kick, ban and mute in their room, and nowhere else."""
    ann, ben, cleo = (registered(chat, kind, name) for name in ("Ann", "Ben", "Cleo"))
    for one in (ann, ben, cleo):
        one.type("/join #tea")
    assert "Only an operator of this room" in ben.answer("/kick Cleo")
    assert "Only the owner" in ben.answer("/op Ben")
    ann.type("/op Ben")
    cleo.shown()
    ben.type("/kick Cleo too loud")
    assert "Ben sent Cleo out" in cleo.shown()
    assert "too loud" in ann.shown()
    assert "You are not in #tea" in cleo.answer("/leave #tea")
    assert "In #tea" in cleo.answer("/join #tea")
    ben.type("/mute Cleo 10m calm down")
    assert "calm down" in cleo.answer("hello?")
    assert "hello?" not in ann.shown()
    assert "ended" in ben.answer("/unmute Cleo")
    cleo.type("thanks")
    assert "thanks" in ann.shown()
    ben.type("/ban Cleo 1h")
    assert "You are banned from #tea" in cleo.answer("/join #tea")
    assert "cleo" in ben.answer("/bans")
    assert "is an operator here, too" in ben.answer("/kick Ann")
    assert "would hit yourself" in ben.answer("/ban Ben")
    chat.clock.advance(3601)
    assert "In #tea" in cleo.answer("/join #tea")
    ben.type("/ban Zoe")
    assert [one.target for one in chat.hub.admission.sanctions.all.values()] == ["zoe"]
    ann.type("/deop Ben")
    assert "Only an operator of this room" in ben.answer("/kick Cleo")


def test_slow_rooms_and_deleted_messages(chat: Chat, kind: str) -> None:
    """In a slow room one message a while; a deleted text is nowhere any more."""
    ann, ben = registered(chat, kind, "Ann"), Guest(chat, kind, "Ben")
    ann.type("/join #tea", "/slow 10")
    ben.type("/join #tea", "first")
    assert "you can speak again in 10 seconds" in ben.answer("second")
    chat.clock.advance(10)
    assert "slow" not in ben.answer("third rude")
    ann.type("not slow", "for me", "/slow 0", "/set numbers on")
    rude = next(event for event in chat.log._tail.before("#tea", 10**6) if "rude" in event.text).seq  # type: ignore[attr-defined]
    assert "Only an operator" in ben.answer(f"/delete {rude}")
    ann.type(f"/delete {rude}")
    assert f"deleted message {rude}" in ben.shown()
    assert "rude" not in ben.answer("/history", "/search rude").replace("rude", "", 0)
    assert "(deleted)" in ben.answer("/history")
    assert "There is no message" in ann.answer("/delete 99999")


def test_operators_of_the_server(chat: Chat, kind: str) -> None:
    """--operator names rule everywhere."""
    boss = registered(chat, kind, "Boss")
    ben, ann = Guest(chat, kind, "Ben"), registered(chat, kind, "Ann")
    boss.type("/announce tea is ready")
    assert "* Boss announces: tea is ready" in ben.shown()
    assert "from 192.0.2.1" in boss.answer("/whois Ben")
    assert "from 192.0.2.1" not in ben.answer("/whois Boss")
    boss.type("/ban * Ben rude")
    assert "You are banned: rude" in ben.shown()
    assert ben.client.closed
    assert "You are banned from this chat: rude" in Guest(chat, kind, "Ben").shown()
    boss.type("/unban * Ben", "/lockdown on")
    assert "Only registered names may come in now" in Guest(chat, kind, "Ben").shown()
    ann.leave()
    assert "Hello Ann" in Guest(chat, kind, "Ann", "secret12").shown()
    boss.type("/lockdown off", "/motd Be kind.")
    assert "Be kind." in Guest(chat, kind, "Ben").shown()
    audited = boss.answer("/audit")
    assert "banned ben" in audited
    assert "lockdown on" in audited
    boss.type("/shutdown 5 upgrade")
    assert chat.stops == [5.0]
    assert "would hit yourself" in boss.answer("/ban * Boss")


def test_an_invitation_lets_one_guest_in(chat: Chat, kind: str) -> None:
    """The code works once, for a day, at the name prompt and later."""
    ann = registered(chat, kind, "Ann")
    ann.type("/join #tea", "/room invite-only")
    shown = ann.answer("/invite")
    assert "nc" in shown
    assert "/code CODE-2" in shown
    ben = Guest(chat, kind, "/code CODE-2") if kind not in PROGRAMS else Guest(chat, kind, "x y")
    if kind in PROGRAMS:
        ben.type("/code CODE-2")
    assert "You are invited to #tea" in ben.shown()
    assert "In #tea" in ben.answer("Ben")
    late = Guest(chat, kind, "Cleo")
    assert "used up, has expired, or never was one" in late.answer("/code CODE-2")
    ann.type("/invite")
    chat.clock.advance(86401)
    assert "used up, has expired, or never was one" in late.answer("/code CODE-3")


def test_nick_and_accounts(chat: Chat, kind: str) -> None:
    """A registered name is taken with its password, and left as a guest."""
    registered(chat, kind, "Ann").leave()
    ben = Guest(chat, kind, "Ben")
    assert "Password:" in ben.answer("/nick Ann")
    assert "not the password" in ben.answer("wrong")
    ben.type("/nick Ann secret12")
    assert "a registered name" in ben.answer("/whois Ann")
    ben.type("/nick ANN")
    ben.type("/nick Ben")
    assert "a guest" in ben.answer("/whois Ben")
    cleo = Guest(chat, kind, "Cleo")
    assert "is taken" in cleo.answer("/nick ben")
    cleo.type("hello Ben")
    assert "hello Ben" in ben.shown()


def test_mentions(chat: Chat, kind: str) -> None:
    """Who wants to be rung is, when named; nobody else's bytes have a bell."""
    ann, ben = Guest(chat, kind, "Ann"), Guest(chat, kind, "Ben")
    ann.type("/bell mention")
    ben.type("ann, look", "annual report")
    if kind == "line":
        raw = ann.client.transport.received
        assert raw.count(b"\x07") == 1
        assert b"ann, look\x07\r\n" in raw
    assert "\x07" not in ben.shown()


def test_it_is_all_there_after_a_restart(tmp_path: Path, kind: str) -> None:
    """Names, settings, rooms, topics, bans, mutes, waiting messages and deeds outlive the daemon."""
    chat = KeptChat(tmp_path)
    ann, ben = registered(chat, kind, "Ann"), registered(chat, kind, "Ben")
    ann.type("/join #tea", "/topic leaves", "/room key k", "/mute Ben", "/ban Zoe 2h", "/set colour on")
    ben.leave()
    ann.type("/msg Ben later")
    chat.end()
    chat = KeptChat(tmp_path)
    ben = Guest(chat, kind, "Ben", "secret12")
    shown = ben.shown()
    assert "1 private message waited for you:" in shown
    assert "<Ann -> ben> later" in shown
    assert "needs its key" in ben.answer("/join #tea")
    assert "leaves" in ben.answer("/join #tea k")
    assert "You can't speak" in ben.answer("hello")
    ann = Guest(chat, kind, "Ann", "secret12")
    assert "zoe" in ann.answer("/bans #tea")
    assert any(line.split()[1:3] == ["colour", "on"] for line in ann.answer("/set").splitlines())
    assert "banned zoe for 2 h" in str(chat.done(chat.hub.records.deeds(9)))
    chat.end()
