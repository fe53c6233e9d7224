"""SSH in memory: coming in, being held to account, and ending."""

from pathlib import Path

import pytest
from ssh_clients import SshClient, new_key, public_line
from tls_client import credentials
from twisted.conch.ssh.keys import Key
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from twisted_chat.config import Config
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
    chat.enter("Ann").send("/register secret12", "exit")
    by_password = SshClient(chat, "Ann", "secret12", keys=(key,))
    assert by_password.prompts == [b"Password for Ann: "]
    assert "Hello Ann, you are now connected!" in by_password.lines()
    by_password.send("/keys add", "secret12")
    assert any("proves that you are Ann now" in line for line in by_password.lines())
    by_password.send("exit")
    by_key = SshClient(chat, "Ann", keys=(key,))
    assert by_key.prompts == []
    assert "Hello Ann, you are now connected!" in by_key.lines()


@pytest.mark.parametrize("keys", [(), (new_key(),)])
def test_nobody_is_somebody_else(keys: tuple[object, ...]) -> None:
    """Neither with a wrong password, nor with another key, nor with none; and why is said."""
    chat = Chat()
    chat.enter("Ann").send("/register secret12", "exit")
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
    ann.send("/register secret12", f"/keys add {public_line(key, 'laptop')}", "secret12")
    ann.send("/keys")
    listed = next(line for line in ann.lines() if "laptop" in line)
    ann.send(f"/keys remove {listed.split()[1]}", "/keys list", "exit")
    assert "-> There are no keys." in ann.lines()
    assert not SshClient(chat, "Ann", keys=(key,)).let_in


def done(chat: Chat, command: str, *lines: str, user: str = "Bob") -> tuple[int | None, list[str]]:
    """The exit status of a command, and what it has written."""
    client = SshClient(chat, user, command=command)
    if lines:
        client.send(*lines)
    client.end_input()
    assert client.session.over
    return client.session.status, client.lines()


def test_one_command_is_answered_and_that_is_all() -> None:
    """What needs no name is done as nobody: nobody notices."""
    chat = Chat()
    ann = chat.enter("Ann")
    ann.lines()
    assert done(chat, "who") == (0, ["-> In #lobby: Ann"])
    assert done(chat, "/who") == (0, ["-> In #lobby: Ann"])
    assert ann.lines() == []
    assert done(chat, "msg Ann are you there?") == (0, ["[12:01] <Bob -> Ann> are you there?"])
    assert ann.lines() == ["[12:01] <Bob -> Ann> are you there?"]


def test_what_is_piped_is_said() -> None:
    """In the room that is named, each line, and nothing comes back; the past of the room is not shown either."""
    chat = Chat()
    ann = chat.enter("Ann")
    ann.send("/join #ci", "earlier")
    ann.lines()
    assert done(chat, "say #ci", "one", "", "/two", "  three") == (0, [])
    assert ann.lines() == [
        "* Bob joined (2 here)",
        "[12:01] <Bob> one",
        "[12:01] <Bob> /two",
        "[12:01] <Bob>   three",
        "* Bob left (1 here)",
    ]
    assert done(chat, "say #ci all at once") == (0, [])
    assert "[12:01] <Bob> all at once" in ann.lines()


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("rm -rf /", "-> Unknown command /rm. Try /help"),
        ("msg Nobody hi", "-> Nobody here is called Nobody."),
        ("kick Ann", "-> You are in no room. Join one first: /join #lobby"),
        ("say #closed", "-> #closed"),
        ("say # hm", "-> A room name"),
    ],
)
def test_what_can_not_be_done_ends_with_status_1_and_why(command: str, why: str) -> None:
    """Nothing of the input is said then."""
    chat = Chat()
    chat.enter("Ann").send("/join #closed", "/room invite-only on")
    status, lines = done(chat, command, "a line", "another")
    assert status == 1
    assert len(lines) == 1
    assert lines[0].startswith(why)


def test_a_name_that_is_taken_is_status_1() -> None:
    """Nobody is asked for another one where nobody is."""
    chat = Chat()
    chat.enter("Bob")
    status, lines = done(chat, "say", "hello")
    assert (status, lines) == (1, ["-> The name Bob is taken. Please choose another."])


def test_where_only_what_is_encrypted_is_taken_ssh_is(tmp_path: Path) -> None:
    """It needs no TLS round it."""
    chat = Chat(Config(require_tls=True), credentials=credentials(tmp_path))
    assert "Hello Ann, you are now connected!" in SshClient(chat, "Ann").lines()
    plain = chat.connect()
    plain.send("Ben")
    assert any("Only encrypted connections are taken here." in line for line in plain.lines())


def test_a_port_for_ssh_alone_speaks_first() -> None:
    """As ssh-keyscan expects it; and nobody else is let in there."""
    chat = Chat(protocols={"ssh"})
    assert chat.connect().transport.received.startswith(b"SSH-2.0-twisted_chat\r\n")
    assert "Hello Ann, you are now connected!" in SshClient(chat, "Ann").lines()


def test_a_client_that_waits_for_the_server_is_answered_behind_the_greeting() -> None:
    """Where people are expected, too, ssh-keyscan is greeted as one, and comes to its key."""
    chat = Chat()
    client = chat.connect()
    chat.clock.advance(chat.config.grace)
    assert client.transport.received.startswith(b"Welcome to the chat server!")
    client.send_bytes(b"SSH-2.0-OpenSSH-keyscan\r\n")
    assert b"SSH-2.0-twisted_chat\r\n" in client.transport.received


def test_who_is_in_is_told_at_the_shutdown_and_who_is_not_yet_is_too() -> None:
    """The one by a line, the other by SSH's own words; neither is left behind."""
    chat = Chat()
    ann, nobody = SshClient(chat, "Ann"), SshClient(chat, opens=False)
    for undecided in tuple(chat.frame.undecided):
        undecided.close()
    for connection in tuple(chat.connections):
        connection.finish("Server is shutting down")
    assert "-> Server is shutting down" in ann.lines()
    nobody.flush()
    assert nobody.last_words == "The server is shutting down."
    assert not chat.frame.undecided


def test_a_name_that_is_held_for_a_dropped_line_is_its_guests() -> None:
    """Whose connection is cut is not gone for a minute, by SSH as elsewhere."""
    chat = Chat()
    ann = SshClient(chat, "Ann")
    ann.transport.protocol.connectionLost(Failure(ConnectionLost()))
    chat.turn()
    assert any("held for a guest whose line dropped" in line for line in SshClient(chat, "Ann").lines())


def test_a_key_that_has_signed_nothing_is_nobodys() -> None:
    """A guest is asked for none, so that there is none to add."""
    chat, key = Chat(), new_key()
    guest = SshClient(chat, "Ann", keys=(key,))
    guest.send("/register secret12", "/keys add")
    assert any("You have shown no key" in line for line in guest.lines())


def test_what_the_server_is_known_by_is_told() -> None:
    """The fingerprint is that of the key that clients are shown."""
    chat = Chat()
    ann = SshClient(chat, "Ann")
    assert Key.fromString(ann.host_key) == chat.host_key.key.public()
    assert chat.host_key.fingerprint.startswith("SHA256:")
