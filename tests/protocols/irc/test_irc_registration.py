"""Coming in by IRC, and who one is there. Each test quotes the rule it holds: modern.ircdocs.horse ("modern"), or IRCv3."""

import re

import pytest
from irc_clients import SERVER, IrcClient, commands
from irc_login import blob, registered

from twisted_chat.config import Config, Limits
from twisted_chat.testing import Chat


@pytest.fixture
def chat() -> Chat:
    """A server."""
    return Chat(Config(server_name=SERVER, operator=("operuser",), limits=Limits.OFF))


def test_the_order_of_the_welcome(chat: Chat) -> None:
    """“RPL_WELCOME, RPL_YOURHOST, RPL_CREATED, RPL_MYINFO, at least one RPL_ISUPPORT”, LUSERS, MOTD (modern, Registration)."""
    client = IrcClient(chat)
    client.send("NICK foo", "USER username * * :Realname")
    found = client.messages()
    assert commands(found)[:5] == ["001", "002", "003", "004", "005"]
    assert set(commands(found)[4:-1]) <= {"005", "251", "252", "254", "255", "265", "266"}
    assert commands(found)[-1] == "422"
    assert all(message.params[0] == "foo" for message in found)
    assert found[3].params[1] == SERVER
    assert all(re.fullmatch("[a-zA-Z]+", letters) for letters in found[3].params[3:])
    for message in found:
        if message.command == "005":
            assert len(message.params) <= 15
            assert all(param.isascii() and param.count("=") <= 1 for param in message.params[1:-1])


def test_the_motd_is_shown() -> None:
    """“the server MUST then respond as though the client sent it the MOTD command” (modern, Registration)."""
    chat = Chat(Config(server_name=SERVER, limits=Limits.OFF))
    chat.hub.facts["motd"] = "one\ntwo"
    client = IrcClient(chat)
    client.send("NICK foo", "USER u * * :R")
    assert commands(client.messages())[-4:] == ["375", "372", "372", "376"]


def test_nothing_else_than_registering_comes_first(chat: Chat) -> None:
    """“ERR_NOTREGISTERED: … a command the client issued cannot be processed because they are not registered” (modern)."""
    client = IrcClient(chat)
    assert client.told("JOIN #chan", "PING x") == [("451", "You have not registered"), ("PONG", SERVER, "x")]
    assert client.ask("JOIN #chan")[0].params[0] == "*"


def test_registration_waits_for_cap_end(chat: Chat) -> None:
    """“the server MUST NOT complete registration until the client sends CAP END” (IRCv3 capability-negotiation)."""
    client = IrcClient(chat)
    client.send("cap ls 302", "nick foo", "user u * * :R", "CAP LS 302", "CAP REQ :multi-prefix")
    assert "001" not in commands(client.messages())
    assert "001" in commands(client.ask("CAP END"))


def test_capabilities(chat: Chat) -> None:
    """NAK and ACK repeat what was asked; LIST what is enabled; what is unknown is 410 (IRCv3 capability-negotiation)."""
    client = IrcClient(chat)
    assert client.told("CAP LIST") == [("CAP", "*", "LIST", "")]
    assert client.told("CAP NOTACOMMAND") == [("410", "NOTACOMMAND", "Invalid CAP command")]
    assert client.told("CAP REQ :foo multi-prefix") == [("CAP", "*", "NAK", "foo multi-prefix")]
    assert client.told("CAP REQ :multi-prefix userhost-in-names") == [("CAP", "*", "ACK", "multi-prefix userhost-in-names")]
    assert client.told("CAP LIST") == [("CAP", "*", "LIST", "multi-prefix userhost-in-names")]
    assert "=" not in client.told("CAP LS")[0][-1]
    client.send("NICK foo", "USER u * * :R", "CAP END")
    client.messages()
    timed = client.ask("CAP REQ server-time", "CAP LIST")
    assert "time" in timed[-1].tags
    assert all(not message.tags for message in client.ask("CAP REQ :-server-time", "CAP LIST"))


def test_passwords() -> None:
    """“ERR_PASSWDMISMATCH: … the password … is incorrect”, and the connection ends (modern, PASS)."""
    chat = Chat(Config(server_name=SERVER, irc_password="testpassword", limits=Limits.OFF))
    for first, wanted in (("PASS testpassword", "001"), ("PASS wrong", "464"), ("PING x", "PONG")):
        client = IrcClient(chat)
        found = commands(client.ask(first, "NICK foo", "USER u * * :R"))
        assert found[0] == wanted
        assert ("001" in found) is (wanted == "001")
        assert client.client.closed is (wanted != "001")
        client.client.vanish()
        chat.clock.advance(61)


def test_nicks(chat: Chat) -> None:
    """433 in use, 432 erroneous, 431 none; the old one still works, the freed one is free at once (modern, NICK)."""
    foo = IrcClient(chat, "foo")
    bar = IrcClient(chat, "bar")
    assert [one[0] for one in bar.told("NICK FOO")] == ["433"]
    assert [one[0] for one in bar.told("NICK *", "NICK :", "NICK")] == ["432", "431", "431"]
    assert [one[0] for one in bar.told("NICK еvan")] == ["432"]
    bar.send("JOIN #chan")
    foo.ask("JOIN #chan")
    assert bar.told("NICK Bar") == [("NICK", "Bar")]
    assert foo.heard() == [("NICK", "Bar")]
    assert bar.told("NICK Bar") == []
    assert foo.told("NICK baz") == [("NICK", "baz")]
    assert bar.heard() == [("NICK", "baz")]
    assert bar.told("NICK foo") == [("NICK", "foo")]
    assert "001" in commands(IrcClient(chat).ask("NICK *", "NICK valid", "USER u * * :R"))


def test_a_nick_wanted_twice_goes_to_one(chat: Chat) -> None:
    """Two who ask for one nick before either has registered: exactly one gets it."""
    one, other = IrcClient(chat), IrcClient(chat)
    one.send("NICK foo")
    other.send("NICK foo")
    found = [commands(client.ask("USER u * * :R")) for client in (one, other)]
    assert sum("001" in answer for answer in found) == 1
    assert found[1] == ["433"]
    assert "001" in commands(other.ask("NICK foo2"))


def test_words_of_commands_are_names_too(chat: Chat) -> None:
    """At a terminal a bare ``quit`` is a command, so nobody is called so; ``nick`` is not."""
    assert IrcClient(chat, "nick").told("PING 1") == [("PONG", SERVER, "1")]
    assert [one[0] for one in IrcClient(chat).told("NICK quit", "USER u * * :R")] == ["432"]


def test_user(chat: Chat) -> None:
    """“the minimum length of <username> is 1 … the server SHOULD reply with ERR_NEEDMOREPARAMS” (modern, USER)."""
    assert IrcClient(chat).ask("NICK foo", "USER username * * :")[0].params[:2] == ("foo", "USER")
    client = IrcClient(chat)
    assert "001" in commands(client.ask("NICK foo", "USER 😊😊😊😊 * * :realname"))
    assert any("realname" in one[-1] for one in client.told("WHOIS foo"))
    client = IrcClient(chat)
    client.client.send_bytes(b"NICK bar\r\nUSER u * * :L\xe4tin\r\n")
    assert commands(client.messages()) == ["FAIL"]
    assert [one[0] for one in client.told("USER u * * :R", "USER u * * :R")][-1] == "462"


def test_ping(chat: Chat) -> None:
    """“PONG … <token>” as it was sent; without one ERR_NOORIGIN or ERR_NEEDMOREPARAMS (modern, PING)."""
    foo = IrcClient(chat, "foo")
    assert foo.told("PING abcdef", "PING", "PING :") == [
        ("PONG", SERVER, "abcdef"),
        ("461", "PING", "Not enough parameters"),
        ("PONG", SERVER, ""),
    ]


def test_quit_is_answered_with_an_error(chat: Chat) -> None:
    """“The server acknowledges this by replying with an ERROR message and closing the connection” (modern, QUIT)."""
    visitor = chat.connect()
    visitor.send("QUIT :chkport\r")
    assert visitor.transport.received.startswith(b"ERROR :Closing link: ")
    assert b"chkport" in visitor.transport.received
    assert visitor.closed


def test_sasl(chat: Chat) -> None:
    """“AUTHENTICATE +”, then 900 and 903; wrong is 904, an unknown mechanism 908 and 904 (IRCv3 sasl-3.1)."""
    registered(chat, "jilles")
    client = IrcClient(chat)
    client.send("CAP LS 302", "CAP REQ sasl")
    client.messages()
    assert client.told("AUTHENTICATE PLAIN") == [("AUTHENTICATE", "+")]
    found = client.ask(f"AUTHENTICATE {blob('jilles', 'opensesame').decode()}")
    assert commands(found) == ["900", "903"]
    assert found[0].params[2] == "jilles"
    assert found[0].params[0] == "*"
    found = client.ask("NICK foo", "USER u * * :R", "CAP END")
    assert found[0].params == ("jilles", "Welcome to the TwistedChat Network, jilles"), "the account's name is the nick"
    other = IrcClient(chat)
    other.send("CAP REQ sasl")
    other.messages()
    assert [one[0] for one in other.told("AUTHENTICATE FOO")] == ["908", "904"]
    assert [one[0] for one in other.told("AUTHENTICATE PLAIN", f"AUTHENTICATE {blob('jilles', 'x').decode()}")][1:] == ["904"]
    assert [one[0] for one in other.told("AUTHENTICATE PLAIN", "AUTHENTICATE *")][1:] == ["906"]


def test_long_passwords_by_sasl(chat: Chat) -> None:
    """“if the payload is exactly 400 bytes, … AUTHENTICATE + ” ends it; longer ones come in pieces (IRCv3 sasl-3.1)."""
    registered(chat, "foo", "x" * 300)
    payload = blob("foo", "x" * 300).decode()
    client = IrcClient(chat)
    client.send("CAP REQ sasl", "AUTHENTICATE PLAIN", f"AUTHENTICATE {payload[:400]}")
    client.messages()
    assert commands(client.ask(f"AUTHENTICATE {payload[400:] or '+'}")) == ["900", "903"]


def test_a_registered_nick_needs_its_password(chat: Chat) -> None:
    """By PASS, by SASL, or it is in use: on IRC a name is as much its owner's as at a terminal."""
    registered(chat, "ann")
    assert commands(IrcClient(chat).ask("NICK ann", "USER u * * :R")) == ["433"]
    assert "001" in commands(IrcClient(chat).ask("PASS opensesame", "NICK ann", "USER u * * :R"))
    assert commands(IrcClient(chat).ask("PASS wrong", "NICK ann", "USER u * * :R")) == ["464"]
    owner = IrcClient(chat)
    assert "001" in commands(owner.ask("PASS ann:opensesame", "NICK other", "USER u * * :R"))
    guest = IrcClient(chat, "guest1")
    assert [one[0] for one in guest.told("NICK ann")] == ["433"]
    owner.send("QUIT")
    found = guest.told("NS IDENTIFY ann opensesame")
    assert [one[0] for one in found] == ["NICK", "900", "NOTICE"]


def test_accounts_are_made(chat: Chat) -> None:
    """“REGISTER <account> {<email> | "*"} <password>”, “REGISTER SUCCESS <account> <message>” (IRCv3 account-registration)."""
    assert IrcClient(chat).told("REGISTER * * opensesame")[0][:3] == ("FAIL", "REGISTER", "COMPLETE_CONNECTION_REQUIRED")
    foo = IrcClient(chat, "foo")
    assert foo.told("REGISTER bar * opensesame")[0][:3] == ("FAIL", "REGISTER", "ACCOUNT_NAME_MUST_BE_NICK")
    found = foo.told("REGISTER * * opensesame")
    assert found[0][:3] == ("REGISTER", "SUCCESS", "foo")
    assert found[1][0] == "900"
    assert foo.told("REGISTER * * opensesame")[0][:3] == ("FAIL", "REGISTER", "ALREADY_AUTHENTICATED")
    bar = IrcClient(chat, "bar")
    found = bar.told("PRIVMSG NickServ :REGISTER opensesame foo@example.org")
    assert found[0] == ("NOTICE", "bar", "Account created")
    assert chat.hub.registry.accounts.keys() == {"foo", "bar"}


def test_operators(chat: Chat) -> None:
    """“RPL_YOUREOPER … the client is now an IRC operator”, and MODE +o; else 464, without a password 461 (modern, OPER)."""
    registered(chat, "operuser", "operpassword")
    registered(chat, "jane", "operpassword")
    baz = IrcClient(chat, "baz")
    assert [one[0] for one in baz.told("OPER operuser", "OPER operuser nope", "OPER nobody x", "OPER jane operpassword")] == [
        "461",
        "464",
        "464",
        "464",
    ]
    assert baz.told("OPER operuser operpassword") == [("381", "You are now an IRC operator"), ("MODE", "baz", "+o")]
    assert ("252", "1", "operator(s) online") in baz.told("LUSERS")
    assert baz.told("MODE baz -o") == [("MODE", "baz", "-o")]
    assert ("252", "0", "operator(s) online") in baz.told("LUSERS")


def test_kill(chat: Chat) -> None:
    """“ERR_NOPRIVILEGES” for others; whom an operator kills is told so and gone (modern, KILL)."""
    registered(chat, "operuser", "operpassword")
    ircop, alice, bob = IrcClient(chat, "ircop"), IrcClient(chat, "alice"), IrcClient(chat, "bob")
    assert [one[0] for one in alice.told("KILL bob :x", "KILL alice :x")] == ["481", "481"]
    ircop.send("OPER operuser operpassword", "JOIN #chan")
    bob.send("JOIN #chan")
    ircop.messages()
    assert ("QUIT", "disconnected by ircop: noise") in ircop.told("KILL bob :noise")
    assert commands(bob.messages())[-1] == "ERROR"
    assert bob.client.closed


def test_an_invitation_is_used(chat: Chat) -> None:
    """The code that /invite shows lets an IRC client in as it does everybody: into the room."""
    ann = chat.enter("Ann")
    ann.send("/join #tea", "/room invite-only", "/invite")
    shown = "\n".join(ann.lines())
    code = re.findall(r"irssi .* /quote CODE (\S+)", shown)[0]
    foo = IrcClient(chat, "foo")
    assert [one[0] for one in foo.told("JOIN #tea")] == ["473"]
    assert [one[0] for one in foo.told(f"CODE {code}", "JOIN #tea")] == ["NOTICE", "JOIN", "353", "366"]
