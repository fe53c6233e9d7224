"""Rooms by IRC. Each test quotes the rule it holds: modern.ircdocs.horse ("modern"), or IRCv3."""

from collections.abc import Callable

import pytest
from irc_clients import SERVER, IrcClient, commands, plainly

from twisted_chat.config import Config, Limits
from twisted_chat.testing import Chat

Join = Callable[..., IrcClient]


@pytest.fixture
def chat() -> Chat:
    """A server."""
    return Chat(Config(server_name=SERVER, limits=Limits.OFF, rooms_a_person=3))


@pytest.fixture
def join(chat: Chat) -> Join:
    """Comes in and joins #chan."""

    def come_in(nick: str, *caps: str) -> IrcClient:
        client = IrcClient(chat, nick, *caps)
        client.ask("JOIN #chan")
        return client

    return come_in


def test_join(chat: Chat) -> None:
    """“JOIN … then RPL_TOPIC, … (not sent if there is none), RPL_NAMREPLY, RPL_ENDOFNAMES” (modern, JOIN)."""
    foo, bar = IrcClient(chat, "foo"), IrcClient(chat, "bar")
    found = foo.ask("JOIN #Chan")
    assert [plainly(one) for one in found] == [
        ("JOIN", "#chan"),
        ("353", "=", "#chan", "@foo"),
        ("366", "#chan", "End of /NAMES list"),
    ]
    assert found[0].source.startswith("foo!~username@")
    assert bar.told("JOIN #chan")[1] == ("353", "=", "#chan", "bar @foo")
    assert foo.heard() == [("JOIN", "#chan")]
    assert bar.told("JOIN #chan") == []
    assert [one[0] for one in bar.told("JOIN #valid,inv@lid")] == ["JOIN", "353", "366", "403"]
    assert [one[:2] for one in bar.told("JOIN #bad!name", "JOIN #" + "x" * 33)] == [
        ("403", "#bad!name"),
        ("403", "#" + "x" * 33),
    ]
    assert [one[:2] for one in bar.told("JOIN #three,#four")][-1] == ("405", "#four")
    assert commands(bar.ask("JOIN 0")) == ["PART"] * 3


def test_part(join: Join, chat: Chat) -> None:
    """“the message will be sent to every client on the channel”; ERR_NOTONCHANNEL, ERR_NOSUCHCHANNEL (modern, PART)."""
    foo, bar = join("foo"), join("bar")
    outside = IrcClient(chat, "baz")
    foo.messages()
    assert bar.told("PART #chan :bye everyone") == [("PART", "#chan", "bye everyone")]
    assert foo.heard() == [("PART", "#chan", "bye everyone")]
    assert [one[:2] for one in outside.told("PART #chan", "PART #nowhere")] == [("442", "#chan"), ("403", "#nowhere")]
    assert foo.heard() == []
    assert foo.told("PART #chan") == [("PART", "#chan")]


def test_names(join: Join, chat: Chat) -> None:
    """“If the channel name is invalid or the channel does not exist, one RPL_ENDOFNAMES” (modern, NAMES)."""
    foo = join("foo")
    assert foo.told("NAMES #chan") == [("353", "=", "#chan", "@foo"), ("366", "#chan", "End of /NAMES list")]
    assert [one[:2] for one in foo.told("NAMES invalid", "NAMES #none")] == [("366", "invalid"), ("366", "#none")]
    foo.ask("JOIN #other")
    both = [("353", "=", "#chan", "@foo"), ("353", "=", "#other", "@foo")]
    assert foo.told("NAMES #chan,#other") == [*both, ("366", "#chan,#other", "End of /NAMES list")]
    assert IrcClient(chat, "out").told("NAMES") == [*both, ("366", "*", "End of /NAMES list")]
    foo.send("MODE #chan +s")
    assert ("353", "@", "#chan", "@foo") in foo.told("NAMES #chan")
    assert IrcClient(chat, "bar").told("NAMES #chan") == [("366", "#chan", "End of /NAMES list")]
    hosts = IrcClient(chat, "qux", "userhost-in-names", "multi-prefix")
    foo.send("MODE #chan +v foo", "MODE #chan -s")
    assert hosts.told("JOIN #chan")[1][3].startswith("@+foo!~username@")


def test_topic(join: Join, chat: Chat) -> None:
    """331 none, 332 and 333 with one; an empty one clears; +t needs an operator; TOPIC to all (modern, TOPIC)."""
    foo, bar = join("foo"), join("bar")
    foo.messages()
    assert foo.told("TOPIC #chan") == [("331", "#chan", "No topic is set")]
    assert bar.told("TOPIC #chan :T0P1C") == [("TOPIC", "#chan", "T0P1C")]
    assert foo.heard() == [("TOPIC", "#chan", "T0P1C")]
    assert [one[:3] for one in foo.told("TOPIC #chan")] == [("332", "#chan", "T0P1C"), ("333", "#chan", "bar")]
    assert [one[0] for one in IrcClient(chat, "baz").told("JOIN #chan")] == ["JOIN", "332", "333", "353", "366"]
    assert foo.told("TOPIC #chan :", "MODE #chan +t") == [("TOPIC", "#chan", ""), ("MODE", "#chan", "+t")]
    bar.messages()
    assert [one[:2] for one in bar.told("TOPIC #chan :x", "TOPIC #none :x")] == [("482", "#chan"), ("403", "#none")]
    foo.send("MODE #chan +v bar")
    bar.messages()
    assert bar.told("TOPIC #chan :x")[0][:2] == ("482", "#chan")


def test_kick(join: Join, chat: Chat) -> None:
    """“KICK <channel> <user> *( "," <user> ) [<comment>]”: to all; 482, 441, 442, 403 (modern, KICK)."""
    foo, bar, baz = join("foo"), join("bar"), join("baz")
    outside = IrcClient(chat, "qux")
    for client in (foo, bar):
        client.messages()
    assert bar.told("KICK #chan foo :no")[0][:2] == ("482", "#chan")
    assert [one[:2] for one in outside.told("KICK #chan foo", "KICK #none foo")] == [("442", "#chan"), ("403", "#none")]
    assert foo.told("KICK #chan qux")[0][:3] == ("441", "qux", "#chan")
    assert foo.told("KICK #chan bar,baz :bye") == [("KICK", "#chan", "bar", "bye"), ("KICK", "#chan", "baz", "bye")]
    assert bar.heard() == [("KICK", "#chan", "bar", "bye")]
    assert baz.heard() == [("KICK", "#chan", "baz", "bye")]
    bar.send("JOIN #chan")
    foo.messages()
    assert foo.told("KICK #chan bar") == [("KICK", "#chan", "bar", "foo")]
    baz.send("JOIN #chan")
    foo.send("MODE #chan +o baz")
    foo.messages()
    assert baz.told("KICK #chan foo :you, too")[-1] == ("KICK", "#chan", "foo", "you, too")
    assert bar.told("PRIVMSG #chan :x")[-1][:2] == ("404", "#chan")


def test_invite(join: Join, chat: Chat) -> None:
    """“RPL_INVITING … to the command issuer, and an INVITE message … to the target user” (modern, INVITE)."""
    foo, bar, baz = join("foo"), IrcClient(chat, "bar"), IrcClient(chat, "baz")
    watching, old = IrcClient(chat, "watching", "invite-notify"), IrcClient(chat, "old")
    for other in (watching, old):
        other.ask("JOIN #chan")
    foo.messages()
    assert foo.told("INVITE nobody2 #chan")[0][:2] == ("401", "nobody2")
    assert baz.told("INVITE bar #chan")[0][:2] == ("442", "#chan")
    foo.send("MODE #chan +il 1")
    assert bar.told("JOIN #chan")[0][:2] == ("473", "#chan")
    assert foo.told("INVITE bar #chan")[-1] == ("341", "bar", "#chan")
    (invitation,) = bar.messages()
    assert (invitation.command, invitation.params, invitation.source.split("!")[0]) == ("INVITE", ("bar", "#chan"), "foo")
    assert watching.heard()[-1] == ("INVITE", "bar", "#chan")
    assert "INVITE" not in commands(old.messages())
    assert bar.told("INVITE")[0] == ("336", "#chan")
    assert bar.told("JOIN #chan")[0] == ("JOIN", "#chan")
    foo.messages()
    assert foo.told("INVITE bar #chan")[0][:3] == ("443", "bar", "#chan")
    assert bar.told("INVITE baz #chan")[0][:2] == ("482", "#chan")
    assert baz.heard() == []


def test_modes_are_told_and_taken_away(join: Join) -> None:
    """“RPL_CHANNELMODEIS, RPL_CREATIONTIME”; what is set is echoed in one MODE (modern, MODE)."""
    foo = join("foo")
    assert [one[:3] for one in foo.told("MODE #chan")] == [("324", "#chan", "+n"), ("329", "#chan", one(foo))]
    assert foo.told("MODE #chan +imst") == [("MODE", "#chan", "+imst")]
    assert foo.told("MODE #chan +i") == []
    assert foo.told("MODE #chan")[0] == ("324", "#chan", "+imnst")
    assert foo.told("MODE #chan -imnst") == [("MODE", "#chan", "-imnst")]
    assert foo.told("MODE #chan")[0] == ("324", "#chan", "+")
    assert foo.told("MODE #chan +p")[0][:2] == ("472", "p")
    assert foo.told("MODE #none +i")[0][:2] == ("403", "#none")


def one(client: IrcClient) -> str:
    """The time that client's room was made."""
    return str(int(client.chat.hub.rooms["#chan"].record.created))


def test_operators_and_voices(join: Join, chat: Chat) -> None:
    """Creator has +o and gives it; 482 by others, 441 of who is outside, or nobody (modern, ``ERR_CHANOPRIVSNEEDED``)."""
    foo, bar = join("foo"), join("bar", "multi-prefix")
    IrcClient(chat, "out")
    foo.messages()
    assert [one[0] for one in bar.told("MODE #chan +o bar")] == ["482"]
    assert [one[:2] for one in foo.told("MODE #chan +o out", "MODE #chan +o nobody2")] == [("441", "out"), ("441", "nobody2")]
    assert foo.told("MODE #chan +o bar") == [("MODE", "#chan", "+o", "bar")]
    assert bar.heard() == [("MODE", "#chan", "+o", "bar")]
    assert foo.told("MODE #chan +v bar") == [("MODE", "#chan", "+v", "bar")]
    bar.messages()
    assert bar.told("NAMES #chan")[0][3] == "@+bar @foo"
    assert foo.told("MODE #chan +o bar") == []
    assert foo.told("MODE #chan -o foo") == [("MODE", "#chan", "-o", "foo")]
    assert foo.told("MODE #chan +i")[0][:2] == ("482", "#chan")


def test_a_guests_rank_goes_with_them(join: Join, chat: Chat) -> None:
    """A nick that is free is anybody's: who takes it has not what its last owner was given; a new nick keeps it."""
    foo, bar = join("foo"), join("bar")
    foo.send("MODE #chan +o bar", "NICK fox")
    assert ("353", "=", "#chan", "@bar @fox") in foo.told("NAMES #chan")
    bar.send("QUIT")
    thief = join("bar")
    assert thief.told("MODE #chan +i")[0][:2] == ("482", "#chan")


def test_bans(join: Join, chat: Chat) -> None:
    """“+b … <nick>!<user>@<host>”: 474, 404 for who is inside, 367 and 368; without regard to case (modern, Ban)."""
    op, bar = join("chanop"), IrcClient(chat, "Bar")
    assert op.told("MODE #chan +b bar") == [("MODE", "#chan", "+b", "bar!*@*")]
    assert bar.told("JOIN #chan")[0][:2] == ("474", "#chan")
    assert [one[:5] for one in op.told("MODE #chan +b")] == [
        ("367", "#chan", "bar!*@*", "chanop", str(int(chat.now()))),
        ("368", "#chan", "End of channel ban list"),
    ]
    assert op.told("MODE #chan +b BAR!*@*") == []
    assert op.told("MODE #chan -b BAR!*@*") == [("MODE", "#chan", "-b", "bar!*@*")]
    assert op.told("MODE #chan -b BAR!*@*") == []
    assert bar.told("JOIN #chan")[0] == ("JOIN", "#chan")
    op.send("MODE #chan +b bar")
    bar.messages()
    assert [one[:2] for one in bar.told("PRIVMSG #chan :hi")] == [("404", "#chan")]
    assert op.told("MODE #chan +v bar")[-1] == ("MODE", "#chan", "+v", "Bar")
    bar.messages()
    assert bar.told("PRIVMSG #chan :hi") == []


def test_bans_of_hosts_outlast_nicks(join: Join, chat: Chat) -> None:
    """The host that is shown stands for the address: whoever is banned by it can't come back under another name."""
    op, bar = join("chanop"), join("bar")
    host = bar.ask("NICK bax")[0].source.partition("@")[2]
    assert "192.0.2.1" not in host
    op.send(f"MODE #chan +b *!*@{host}")
    bar.send("PART #chan")
    bar.messages()
    assert [one[0] for one in bar.told("NICK bay", "JOIN #chan")] == ["NICK", "474"]
    stranger = chat.connect("irc", "192.0.2.7")
    stranger.send("NICK baz", "USER u * * :R", "JOIN #chan")
    assert any(" JOIN #chan" in line for line in stranger.lines())


def test_exceptions(join: Join, chat: Chat) -> None:
    """“+e: … clients which are exempt from ban checks”, “+I: … exempt from invite-only” (modern); 348 349, 346 347."""
    op, bar = join("chanop"), IrcClient(chat, "bar")
    op.send("MODE #chan +bi *!*@*")
    assert op.told("MODE #chan +e bar", "MODE #chan +I Bar!*@*") == [
        ("MODE", "#chan", "+e", "bar!*@*"),
        ("MODE", "#chan", "+I", "bar!*@*"),
    ]
    assert op.told("MODE #chan +e", "MODE #chan I") == [
        ("348", "#chan", "bar!*@*"),
        ("349", "#chan", "End of channel exception list"),
        ("346", "#chan", "bar!*@*"),
        ("347", "#chan", "End of Channel Invite Exception List"),
    ]
    assert bar.told("JOIN #chan")[0] == ("JOIN", "#chan")
    assert bar.told("PRIVMSG #chan :hi") == []
    assert op.told("MODE #chan -eI bar!*@* bar!*@*")[-1] == ("MODE", "#chan", "-eI", "bar!*@*", "bar!*@*")
    assert IrcClient(chat, "baz").told("JOIN #chan")[0][0] == "474"


def test_keys(join: Join, chat: Chat) -> None:
    """“ERR_BADCHANNELKEY”; a bad one is ERR_INVALIDMODEPARAM and told to nobody (modern, Key Channel Mode)."""
    op, bar = join("chanop"), IrcClient(chat, "bar")
    assert op.told("MODE #chan +k beer") == [("MODE", "#chan", "+k", "*")]
    assert [one[:2] for one in bar.told("JOIN #chan", "JOIN #chan wine")] == [("475", "#chan")] * 2
    assert bar.told("JOIN #chan beer")[0] == ("JOIN", "#chan")
    for key in (":pass key", "x" * 400, ":"):
        found = op.told(f"MODE #chan +k {key}")[-1]
        assert found[:4] in (("696", "#chan", "k", "*"),)
    assert op.told("MODE #chan -k")[-1] == ("MODE", "#chan", "-k", "*")
    assert IrcClient(chat, "baz").told("JOIN #chan")[0] == ("JOIN", "#chan")


def test_limits(join: Join, chat: Chat) -> None:
    """“+l … ERR_CHANNELISFULL”; a limit that is no number of people is ERR_INVALIDMODEPARAM (modern, Client Limit)."""
    op = join("chanop")
    assert op.told("MODE #chan +l 1") == [("MODE", "#chan", "+l", "1")]
    assert IrcClient(chat, "bar").told("JOIN #chan")[0][:2] == ("471", "#chan")
    for wrong in ("0", "-1", "abc", ":"):
        assert op.told(f"MODE #chan +l {wrong}")[0][:3] == ("696", "#chan", "l")
    assert op.told("MODE #chan -l") == [("MODE", "#chan", "-l")]
    assert IrcClient(chat, "baz").told("JOIN #chan")[0] == ("JOIN", "#chan")


def test_moderated_and_outsiders(join: Join, chat: Chat) -> None:
    """“+m … only members with voice, or operators may speak”, “+n … only members may send” (modern, Channel Modes)."""
    op, bar, out = join("chanop"), join("bar"), IrcClient(chat, "out")
    assert out.told("PRIVMSG #chan :hi")[0][:2] == ("404", "#chan")
    op.send("MODE #chan -n+m")
    op.messages()
    assert [client.told("PRIVMSG #chan :hi")[-1][:2] for client in (bar, out)] == [("404", "#chan")] * 2
    assert op.heard() == []
    op.send("MODE #chan +v bar")
    bar.messages()
    assert bar.told("PRIVMSG #chan :voiced") == []
    assert ("PRIVMSG", "#chan", "voiced") in op.heard()
    op.send("MODE #chan -m")
    assert out.told("PRIVMSG #chan :from outside") == []
    assert ("PRIVMSG", "#chan", "from outside") in op.heard()


def test_list(join: Join, chat: Chat) -> None:
    """“LIST [<channel>{,<channel>}] [<elistcond>{,<elistcond>}]” (modern, LIST); nobody is in the lobby: it is not listed."""
    foo = IrcClient(chat, "foo")
    assert [one[0] for one in foo.told("LIST")] == ["321", "323"]
    join("bar")
    assert ("322", "#chan", "1", "") in foo.told("LIST")
    assert [one[0] for one in foo.told("LIST #none")] == ["321", "323"]
    for mask, listed in (
        ("*an", True),
        ("!#chan", False),
        (">0", True),
        (">1", False),
        ("C>2", False),
        ("C<2", True),
        ("T<9", False),
    ):
        assert (("322", "#chan", "1", "") in foo.told(f"LIST {mask}")) is listed
    member = IrcClient(chat, "member")
    member.send("JOIN #chan")
    IrcClient(chat, "op").send("JOIN #hid", "MODE #hid +s")
    assert not [one for one in member.told("LIST") if "#hid" in one]


def test_away(join: Join, chat: Chat) -> None:
    """“RPL_NOWAWAY”, “RPL_UNAWAY”; RPL_AWAY to who writes and in WHOIS; away-notify to room mates (modern; IRCv3)."""
    bar, qux = join("bar"), join("qux", "away-notify")
    assert bar.told("AWAY :gone fishing")[-1] == ("306", "You have been marked as being away")
    assert qux.heard() == [("AWAY", "gone fishing")]
    assert qux.told("PRIVMSG bar :there?") == [("301", "bar", "gone fishing")]
    assert ("301", "bar", "gone fishing") in qux.told("WHOIS bar")
    assert qux.told("USERHOST bar")[0][1].startswith("bar=-~username@")
    assert bar.told("AWAY")[-1] == ("305", "You are no longer marked as being away")
    assert qux.heard() == [("AWAY",)]
    bar.send("AWAY :again", "PART #chan", "JOIN #chan")
    assert [one[0] for one in qux.heard()] == ["AWAY", "PART", "JOIN", "AWAY"]


def test_everybody_is_in_one_room(join: Join, chat: Chat) -> None:
    """A person at a terminal, a program and an IRC client see each other come, talk, change things, and go."""
    tel = chat.enter("Tel")
    tel.send("/join #chan")
    program = chat.enter("Prog", "json", rooms={"#chan": None})
    foo = IrcClient(chat, "foo")
    tel.send("before")
    found = foo.told("JOIN #chan")
    assert found[-1] == ("PRIVMSG", "#chan", "[12:01] before")
    tel.lines()
    program.lines()
    foo.send("PRIVMSG #chan :hello", "PRIVMSG #chan :\x01ACTION waves\x01", "NOTICE #chan :beep", "TOPIC #chan :tea")
    assert tel.lines() == ["[12:01] <foo> hello", "[12:01] * foo waves", "[12:01] -foo- beep", "* foo set the topic: tea"]
    assert [one["type"] for one in program.objects()] == ["said", "emoted", "noticed", "topic"]
    foo.messages()
    tel.send("/msg foo psst")
    assert foo.heard() == [("PRIVMSG", "foo", "psst")]
    tel.send("hi", "/me bows", "/room moderated", "/voice foo", "/slow 5", "/nick Telly")
    tel.send("/kick foo loud")
    assert foo.heard() == [
        ("PRIVMSG", "#chan", "hi"),
        ("PRIVMSG", "#chan", "\x01ACTION bows\x01"),
        ("MODE", "#chan", "+m"),
        ("MODE", "#chan", "+v", "foo"),
        ("NOTICE", "#chan", "Tel made the room slow: one message in 5 s."),
        ("NICK", "Telly"),
        ("KICK", "#chan", "foo", "loud"),
    ]


def test_whatever_can_be_typed_can_be_asked_for(join: Join) -> None:
    """CHAT runs any command of the one table; what it does is shown as IRC has it, and what it answers as notices."""
    foo = join("foo")
    assert foo.told("CHAT /slow 5")[0] == ("NOTICE", "foo", "Done: you made the room slow: one message in 5 s.")
    assert foo.told("CHAT /room")[0][-1].split() == ["owner", "nobody"]
    assert foo.told("CHAT /nick fox")[-1] == ("NICK", "fox")
    assert foo.told("CHAT /join #tea")[0] == ("JOIN", "#tea")
    assert foo.told("CHAT /leave #tea")[0] == ("PART", "#tea")
    assert foo.told("CHAT /zap")[0][:2] == ("400", "CHAT")
    assert "Choose a password for fox:" in foo.told("CHAT /register")[0][-1]
    assert "fox is yours now" in foo.told("CHAT opensesame")[0][-1]
