"""SSH in memory: coming in, being held to account, and ending."""

import pytest
from sshclients import SshClient, new_key, public_line

from twisted_chat.testing import Chat


def test_a_guest_comes_in_without_a_key() -> None:
    """The user name is the name, and what is typed is said."""
    chat = Chat()
    ann, ben = SshClient(chat, "Ann"), chat.enter("Ben")
    assert "Hello Ann, you are now connected!" in ann.lines()
    ann.send("hello")
    assert "[12:01] <Ann> hello" in ben.lines()
    ben.send("hello yourself", "/who")
    assert "[12:01] <Ben> hello yourself" in ann.lines()
    assert "-> In #lobby: Ann (ssh, encrypted), Ben (telnet or nc)" in ben.lines()


def test_exit_ends_the_session_with_status_0() -> None:
    """And the connection with it."""
    chat = Chat()
    ann = SshClient(chat, "Ann")
    ann.send("exit")
    assert (ann.session.status, ann.session.over) == (0, True)
    chat.clock.advance(chat.config.closing_seconds)
    assert ann.raw.closed
    assert not chat.connections


def test_a_registered_name_is_proven_by_password_and_then_by_a_key() -> None:
    """The key that was shown with the password is made one's own by /keys add; from then on it is enough."""
    chat, key = Chat(), new_key()
    chat.enter("Ann").send("/register secret", "exit")
    by_password = SshClient(chat, "Ann", "secret", keys=(key,))
    assert by_password.prompts == [b"Password for Ann: "]
    assert "Hello Ann, you are now connected!" in by_password.lines()
    by_password.send("/keys add")
    assert any("proves that you are Ann now" in line for line in by_password.lines())
    by_password.send("exit")
    by_key = SshClient(chat, "Ann", keys=(key,))
    assert by_key.prompts == []
    assert "Hello Ann, you are now connected!" in by_key.lines()


@pytest.mark.parametrize("keys", [(), (new_key(),)])
def test_nobody_is_somebody_else(keys: tuple[object, ...]) -> None:
    """Neither with a wrong password, nor with another key, nor with none; and why is said."""
    chat = Chat()
    chat.enter("Ann").send("/register secret", "exit")
    eve = SshClient(chat, "Ann", "guess", "guess again", "and again", "and once more", keys=keys)
    assert not eve.let_in
    assert eve.raw.closed
    assert "not the password of this name" in eve.last_words
    assert any("Ann is a registered name" in told for told in eve.told)
    assert not chat.hub.people


def test_keys_are_listed_and_taken_away() -> None:
    """By the beginning of a fingerprint; a line of a .pub file adds one."""
    chat, key = Chat(), new_key()
    ann = chat.enter("Ann")
    ann.send("/register secret", f"/keys add {public_line(key, 'laptop')}")
    ann.send("/keys")
    listed = next(line for line in ann.lines() if "laptop" in line)
    ann.send(f"/keys remove {listed.split()[1]}", "/keys list", "exit")
    assert "-> There are no keys." in ann.lines()
    assert not SshClient(chat, "Ann", keys=(key,)).let_in
