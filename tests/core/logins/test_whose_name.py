"""What is somebody's under a name does not pass to the next one of that name, however the name gets free."""

from collections.abc import Callable

import pytest
from chat_clients import Guest
from irc_clients import IrcClient
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from twisted_chat.core.rooms import permissions
from twisted_chat.core.users.session import Role
from twisted_chat.testing import Chat


def leaves(chat: Chat, bob: Guest) -> None:
    """A guest leaves."""
    bob.leave()


def renames(chat: Chat, bob: Guest) -> None:
    """A guest takes another name."""
    bob.type("/nick Rob")


def drops(chat: Chat, bob: Guest) -> None:
    """A guest's line drops, and does not come back."""
    bob.client.transport.protocol.connectionLost(Failure(ConnectionLost()))
    chat.turn()
    chat.clock.advance(61)


def gives_up(chat: Chat, bob: Guest) -> None:
    """An account is given up, and its owner leaves."""
    bob.type("/unregister bobspassword")
    bob.leave()


def goes_on(chat: Chat, bob: Guest) -> None:
    """An account is given up, and its owner goes on under another name."""
    bob.type("/unregister bobspassword", "/nick Rob")


WAYS = [(leaves, False), (renames, False), (drops, False), (gives_up, True), (goes_on, True)]
Passes = Callable[[Chat, Guest], None]


@pytest.mark.parametrize("next_registers", [False, True])
@pytest.mark.parametrize(("passes", "registered"), WAYS, ids=lambda one: getattr(one, "__name__", str(one)))
def test_the_next_one_of_a_name_has_nothing_of_the_one_before(passes: Passes, registered: bool, next_registers: bool) -> None:
    """No rank, voice, invitation or welcome in a room, no acquaintance, no reply, no waiting message, no marker."""
    chat = Chat()
    ann, bob = Guest(chat, "line", "Ann").type("/register annspassword"), Guest(chat, "line", "Bob")
    bob.type(*["/register bobspassword"] * registered, "/join #tea")
    ann.type(
        "/join #tea",
        "/join #private",
        "/room invite-only",
        "/room moderated",
        "/invite Bob",
        *["/welcome Bob", "/except Bob"] * registered,  # of a guest these are masks, which mean whoever is called so
    )
    bob.type("/join #private", "/join #tea")
    ann.type("/op Bob", "/voice Bob", "/msgs known", "/msg Bob the first secret")
    bob.type("/msg Ann hello")
    assert permissions.standing(chat.hub.people["bob"][0], chat.hub.rooms["#private"]) is Role.MODERATOR
    bob.type("/leave #private")
    if registered:
        bob.leave()
        ann.type("/msg Bob the second secret", "/reply the third secret")
        bob = Guest(chat, "line", "Bob", "bobspassword")
    passes(chat, bob)
    next_bob = Guest(chat, "line", "Bob")
    if next_registers:
        next_bob.type("/register otherpassword")
    shown = next_bob.shown()
    assert "Hello Bob" in shown
    assert "secret" not in shown + next_bob.answer("/history", "/since")
    room, session = chat.hub.rooms["#private"], chat.hub.people["bob"][0]
    assert "only to those who were invited" in next_bob.answer("/join #private")
    assert permissions.standing(session, room) is Role.MEMBER
    assert not permissions.has_voice(session, room)
    assert "bob!*@*" not in (*room.policy.excepted, *room.policy.welcome)
    assert "from people they don't know" in next_bob.answer("/msg Ann let me in")
    ann.shown()
    assert "not who wrote to you any more" in ann.answer("/reply the fourth secret")
    assert "secret" not in next_bob.shown()
    ann.type("/msg Bob welcome")
    next_bob.type("/msg Ann thanks")
    assert "<Bob -> Ann> thanks" in ann.shown()
    assert "<Ann -> Bob> yours" in next_bob.answer() + ("" if not ann.type("/reply yours") else next_bob.shown())


def test_a_guest_who_comes_back_or_registers_is_the_same() -> None:
    """By the code of /resume, by a rename, and by /register: those they know know them still."""
    chat = Chat()
    ann, bob = Guest(chat, "line", "Ann").type("/msgs known"), Guest(chat, "json", "Bob", client="bob's secret")
    ann.type("/msg Bob hello")
    bob.type("/msg Ann hello yourself")
    assert "<Bob -> Ann> hello yourself" in ann.shown()
    bob.client.transport.protocol.connectionLost(Failure(ConnectionLost()))
    chat.turn()
    bob = Guest(chat, "json", "Bob", client="bob's secret").type("/msg Ann back again")
    assert "back again" in ann.shown()
    taker = Guest(chat, "json", "Bob", client="bob's secret").type("/msg Ann from elsewhere")
    assert "from elsewhere" in ann.shown()
    taker.type("/register bobspassword", "/msg Ann for good")
    assert "for good" in ann.shown()
    assert "<Ann -> Bob> so be it" in ann.answer("/reply so be it")


def test_a_marker_is_an_accounts() -> None:
    """By IRC, how far the one before has read is not told to the next."""
    chat = Chat()
    Guest(chat, "line", "Ann").type("/register annspassword")
    bob = IrcClient(chat, "Bob", "draft/read-marker")
    bob.send("NS REGISTER bobspassword", "MARKREAD Ann timestamp=2026-11-23T12:00:00.000Z")
    assert "2026-11-23" in str(bob.told("MARKREAD Ann"))
    bob.send("CHAT /unregister bobspassword", "CHAT /register otherpassword")
    assert bob.told("MARKREAD Ann") == [("MARKREAD", "ann", "*")]
