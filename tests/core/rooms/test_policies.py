"""What a room's operator can set, and guests who rule the rooms they make: one suite over every protocol."""

import pytest
from chat_clients import KINDS, Guest
from kept_chat import registered

from twisted_chat.config import Config
from twisted_chat.testing import Chat

pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def chat() -> Chat:
    """A server whose operator is Boss."""
    return Chat(Config(operator=("Boss",)))


def in_tea(chat: Chat, kind: str, *names: str) -> list[Guest]:
    """Guests in #tea; the first has made it."""
    guests = [Guest(chat, kind, name) for name in names]
    for guest in guests:
        guest.type("/join #tea")
    for guest in guests:
        guest.shown()
    return guests


def test_who_makes_a_room_rules_it_while_there(chat: Chat, kind: str) -> None:
    """A guest may do what an owner may, under any name of theirs, until they go; the next who is called so may not."""
    ann, ben = in_tea(chat, kind, "Ann", "Ben")
    assert "Only an operator of this room" in ben.answer("/kick Ann")
    assert "Done: you made Ben an operator." in ann.answer("/nick Anna", "/op Ben")
    assert "Done: you let only operators" in ben.answer("/room moderated")
    assert "Done: you took the operator's rights from Anna." in ben.answer("/deop Anna", "/op Anna", "/deop Anna")
    ann.type("/leave #tea", "/join #tea")
    assert "Only an operator of this room" in ann.answer("/kick Ben")
    assert "Done: you took the operator's rights from Ben." in ben.answer("/deop Ben")
    assert "Only an operator of this room" in ben.answer("/kick Anna")


def test_moderated_rooms(chat: Chat, kind: str) -> None:
    """Only operators and those with a voice speak; a guest's voice lasts as long as they are there."""
    ann, ben, cy = in_tea(chat, kind, "Ann", "Ben", "Cy")
    ann.type("/room moderated")
    assert "Ann let only operators and those with a voice speak" in ben.shown()
    assert "#tea is moderated" in ben.answer("hello")
    ann.type("/voice Ben")
    assert "Ann gave Ben a voice" in cy.shown()
    ben.type("now")
    assert "now" in cy.shown()
    assert "neither here nor a registered name" in ann.answer("/voice Zoe")
    assert "Ben has no voice" in ann.answer("/devoice Ben", "/devoice Ben")
    assert "#tea is moderated" in ben.answer("hello")
    assert "so already" in ann.answer("/room moderated on")
    assert "let everybody here speak" in ann.answer("/room moderated off")
    assert "moderated" not in ben.answer("hello")


def test_a_voice_that_lasts(chat: Chat, kind: str) -> None:
    """Of a registered name it does, and goes with the name."""
    ann, ben = registered(chat, kind, "Ann"), registered(chat, kind, "Ben")
    ann.type("/join #tea", "/room moderated", "/voice Ben")
    ben.type("/join #tea", "/leave #tea", "/join #tea")
    assert "moderated" not in ben.answer("hello")
    assert "ben" in ann.answer("/room")
    ben.type("/unregister secret12")
    assert chat.hub.rooms["#tea"].policy.voices == ()


def test_limits_and_topics(chat: Chat, kind: str) -> None:
    """A room takes so many; whoever was invited comes in all the same; a locked topic is its operators'."""
    (ann,) = in_tea(chat, kind, "Ann")
    ben = Guest(chat, kind, "Ben")
    ann.type("/room limit 1", "/room topic-locked", "/topic green")
    assert "#tea is full: it takes 1." in ben.answer("/join #tea")
    ann.type("/invite Ben")
    assert "green" in ben.answer("/join #tea")
    assert "Only an operator of this room may say what it is about." in ben.answer("/topic black")
    assert "There is no topic." in ann.answer("/topic -", "/topic")
    assert "/room takes" in ann.answer("/room limit 0", "/room limit x", "/room zap")
    assert "opened the room to everybody" in ann.answer("/room open")
    Guest(chat, kind, "Cy").type("/join #tea")
    assert chat.hub.rooms["#tea"].size == 3


def test_masks(chat: Chat, kind: str) -> None:
    """A ban of a mask keeps out and quiet, and sends nobody out; exceptions let through; nobody is told an address by it."""
    ann, ben = in_tea(chat, kind, "Ann", "Ben")
    assert "banned ben!*@*" in ann.answer("/ban ben!*@*")
    assert "You are banned from #tea, and can't speak there." in ben.answer("hello")
    ben.type("/leave #tea")
    assert "You are banned from #tea." in ben.answer("/join #tea")
    assert "ben!*@*" in ann.answer("/bans")
    ann.type("/except b*")
    assert "You are banned" not in ben.answer("/join #tea", "hello")
    assert "There is no" in ann.answer("/unexcept b*", "/unexcept b*")
    assert "You are banned" in ben.answer("hello")
    ann.type("/unban BEN!*@*")
    assert "You are banned" not in ben.answer("hello")
    ann.type("/room invite-only", "/welcome c*!*@*")
    assert "In #tea" in Guest(chat, kind, "Cy").answer("/join #tea")
    assert "only to those who were invited" in Guest(chat, kind, "Dee").answer("/join #tea")
    ann.type("/unwelcome c*!*@*")
    assert "only to those who were invited" in Guest(chat, kind, "Cid").answer("/join #tea")


def test_bans_end_with_the_room(chat: Chat, kind: str) -> None:
    """What a guest has banned in a room that comes and goes is gone with it, and so is the guest's rank."""
    (ann,) = in_tea(chat, kind, "Ann")
    ann.type("/ban Ben", "/leave #tea")
    assert not chat.hub.admission.sanctions.all
    ben = Guest(chat, kind, "Ben")
    assert "banned" not in ben.answer("/join #tea")


def test_outsiders(chat: Chat, kind: str) -> None:
    """A room may listen to those outside it; a notice is shown, and not kept."""
    (ann,) = in_tea(chat, kind, "Ann")
    ben = Guest(chat, kind, "Ben")
    assert "You are not in #tea" in ben.answer("/notice #tea beep")
    ann.type("/room outsiders")
    ann.shown()
    ben.type("/notice #tea beep", "/notice Ann boop")
    shown = ann.shown()
    assert "-Ben- beep" in shown
    assert "-Ben -> Ann- boop" in shown
    assert "Nothing was said" in ann.answer("/history")


def test_operators_by_password(chat: Chat, kind: str) -> None:
    """Whoever knows an operator's password may do what they may, under another name, until they end it."""
    registered(chat, kind, "Boss").leave()
    registered(chat, kind, "Eve").leave()
    ann, ben = Guest(chat, kind, "Ann"), Guest(chat, kind, "Ben")
    assert "not the password" in ann.answer("/oper Boss guess")
    assert "Eve is no operator" in ann.answer("/oper Eve secret12")
    assert "Only an operator of the server" in ann.answer("/disconnect Ben")
    assert "You are an operator of the server now" in ann.answer("/oper Boss secret12")
    ann.type("/disconnect Ben noise")
    assert "Ann has ended this connection: noise" in ben.shown()
    assert ben.client.closed
    assert "You are an operator of the server no longer." in ann.answer("/deoper")
    assert "Only an operator of the server" in ann.answer("/audit")


def test_about_oneself(chat: Chat, kind: str) -> None:
    """What one says of oneself stands in /whois."""
    ann, ben = Guest(chat, kind, "Ann"), Guest(chat, kind, "Ben")
    ann.type("/about keeps bees")
    assert "about themselves: keeps bees" in ben.answer("/whois Ann")
    ann.type("/about")
    assert "about themselves" not in ben.answer("/whois Ann")
