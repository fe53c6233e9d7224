"""What IRC clients ask. Each test quotes the rule it holds: modern.ircdocs.horse ("modern"), or IRCv3."""

import pytest
from irc_clients import SERVER, IrcClient
from irc_login import registered

from twisted_chat.config import Config, Limits
from twisted_chat.testing import Chat


@pytest.fixture
def chat() -> Chat:
    """A server."""
    return Chat(Config(server_name=SERVER, operator=("operuser",), limits=Limits.OFF))


def test_who(chat: Chat) -> None:
    """“352 <channel> <username> <host> <server> <nick> <flags> :<hopcount> <realname>”, then 315 (modern, WHO)."""
    foo, cool = IrcClient(chat, "foo"), IrcClient(chat, "coolNick")
    cool.send("JOIN #chan", "AWAY :x")
    (row, end) = foo.told("WHO coolnick")
    assert row[1:3] == ("*", "~username")
    assert row[4:] == (SERVER, "coolNick", "G", "0 Realname")
    assert end == ("315", "coolnick", "End of WHO list")
    assert foo.told("WHO #CHAN")[0][1:] == ("#CHAN", *row[2:5], "coolNick", "G@", "0 Realname")
    assert [one[0] for one in foo.told("WHO coolni*", "WHO *", "WHO zoe")] == ["352", "315", "352", "352", "315", "315"]
    cool.send("MODE coolNick +iB")
    assert [one[0] for one in foo.told("WHO coolni*", "WHO coolNick")] == ["315", "352", "315"]
    assert foo.told("WHO coolNick")[0][6] == "GB"
    assert foo.told("WHO coolNick %tcuhsnfdlaor,123")[0] == (
        ("354", "123", "*", "~username", row[3], SERVER, "coolNick", "GB", "0", "0", "0", "n/a", "Realname")
    )


def test_whois(chat: Chat) -> None:
    """“RPL_WHOISUSER … RPL_ENDOFWHOIS”, 401 for nobody; rooms with prefixes, as far as one may see (modern, WHOIS)."""
    registered(chat, "operuser", "operpassword")
    foo, bar = IrcClient(chat, "foo"), IrcClient(chat, "bar")
    bar.send("JOIN #one,#two", "MODE #two +s", "OPER operuser operpassword", "MODE bar +B")
    found = foo.told("WHOIS bar")
    assert [one[0] for one in found] == ["311", "319", "312", "313", "335", "317", "318"]
    assert (found[0][1:3], found[0][4:]) == (("bar", "~username"), ("*", "Realname"))
    assert found[1] == ("319", "bar", "@#one")
    assert found[2][:3] == ("312", "bar", SERVER)
    assert all(number.isdigit() for number in found[5][2:4])
    assert [one[0] for one in foo.told("WHOIS bar bar", "WHOIS My.Little.Server bar")].count("311") == 2
    assert [one[:2] for one in foo.told("WHOIS zoe")] == [("401", "zoe"), ("318", "zoe")]
    assert ("378", "foo", "is connecting from 192.0.2.1") in bar.told("WHOIS foo")


def test_whowas(chat: Chat) -> None:
    """“RPL_WHOWASUSER … newest first, RPL_ENDOFWHOWAS”; none: ERR_WASNOSUCHNICK and the end (modern, WHOWAS)."""
    foo = IrcClient(chat, "foo")
    for nick in ("bar", "bar"):
        client = IrcClient(chat, nick)
        client.send("QUIT")
        client.client.vanish()
    found = foo.told("WHOWAS bar")
    assert [one[0] for one in found] == ["314", "312", "314", "312", "369"]
    assert (found[0][1:3], found[0][4:]) == (("bar", "~username"), ("*", "Realname"))
    assert [one[0] for one in foo.told("WHOWAS bar 1", "WHOWAS zoe")] == ["314", "312", "369", "406", "369"]
    assert [one[0] for one in foo.told("WHOWAS bar 0", "WHOWAS bar -1")].count("314") == 4


def test_lusers(chat: Chat) -> None:
    """“There are <u> users and <i> invisible on <s> servers”; 255, 265, 266 (modern, LUSERS)."""
    foo, bar = IrcClient(chat, "foo"), IrcClient(chat, "bar")
    bar.send("MODE bar +i")
    found = {one[0]: one[1:] for one in foo.told("LUSERS")}
    assert found["251"] == ("There are 1 users and 1 invisible on 1 servers",)
    assert found["255"] == ("I have 2 clients and 0 servers",)
    assert found["265"][:2] == found["266"][:2] == ("2", "2")
    bar.send("QUIT")
    assert ("255", "I have 1 clients and 0 servers") in foo.told("LUSERS")


def test_own_modes(chat: Chat) -> None:
    """“RPL_UMODEIS”, 501 for unknown flags, 502 for others (modern, User mode)."""
    foo = IrcClient(chat, "foo")
    IrcClient(chat, "bar")
    assert foo.told("MODE foo +iw", "MODE foo", "MODE foo -w+w") == [
        ("MODE", "foo", "+iw"),
        ("221", "+iw"),
        ("MODE", "foo", "-w+w"),
    ]
    assert [one[0] for one in foo.told("MODE foo +x", "MODE bar +i", "MODE zoe +i", "MODE foo +o")] == ["501", "502", "401"]


def test_help_info_and_the_rest(chat: Chat) -> None:
    """704 to 706 or 524, 371 and 374, 391, 351, 365, 302, 303 (modern)."""
    foo = IrcClient(chat, "foo")
    IrcClient(chat, "bar")
    assert [one[:2] for one in foo.told("HELP privmsg")] == [("704", "privmsg"), ("705", "privmsg"), ("706", "privmsg")]
    assert [one[0] for one in foo.told("HELPOP", "HELP zap")] == ["704", "705", "706", "524"]
    assert [one[:2] for one in foo.told("INFO other.server", "TIME other.server")] == [("402", "other.server")] * 2
    assert [foo.told(f"INFO {target}")[-1][0] for target in (SERVER, "*Little*", "foo")] == ["374"] * 3
    assert [one[0] for one in foo.told("INFO", "TIME", "VERSION", "LINKS", "MOTD")] == [
        "371",
        "371",
        "374",
        "391",
        "351",
        "365",
        "422",
    ]
    assert foo.told("ISON bar zoe", "USERHOST bar zoe")[0] == ("303", "bar")
    assert foo.told("USERHOST bar zoe")[0][1].startswith("bar=+~username@")
    assert foo.told("ISON")[0][:2] == ("461", "ISON")


def test_monitor(chat: Chat) -> None:
    """“730 :target[!user@host]… 731 … 732 … 733 … 734” (IRCv3 monitor)."""
    foo, bar = IrcClient(chat, "foo"), IrcClient(chat, "bar")
    online, offline = foo.told("MONITOR + bar,baz")
    assert online[1].startswith("bar!~username@")
    assert offline == ("731", "baz")
    baz = IrcClient(chat, "baz")
    assert foo.heard()[0][:1] == ("730",)
    baz.send("NICK BAZ")
    assert foo.heard() == []
    baz.send("NICK qux")
    assert foo.heard() == [("731", "BAZ")]
    tel = chat.enter("baz")
    assert foo.heard()[0][1].startswith("baz!chat@")
    tel.send("/quit")
    assert foo.heard() == [("731", "baz")]
    assert foo.told("MONITOR L") == [("732", "bar,baz"), ("733", "End of MONITOR list")]
    assert [one[0] for one in foo.told("MONITOR S", "MONITOR + *!*@*")] == ["730", "731", "731"]
    assert foo.told("MONITOR - bar", "MONITOR C", "MONITOR L") == [("733", "End of MONITOR list")]
    bar.send("QUIT")
    assert foo.heard() == []
    assert foo.told("MONITOR + " + ",".join(f"n{number}" for number in range(101)))[-1][:1] in (("731",), ("734",))


def test_wallops(chat: Chat) -> None:
    """“WALLOPS … to all users with the w mode”, from operators only (modern, WALLOPS)."""
    registered(chat, "operuser", "operpassword")
    foo, bar, baz = IrcClient(chat, "foo"), IrcClient(chat, "bar"), IrcClient(chat, "baz")
    foo.send("OPER operuser operpassword")
    bar.send("MODE bar +w")
    bar.messages()
    assert [one[0] for one in baz.told("WALLOPS :hi")] == ["481"]
    foo.send("WALLOPS :hi all")
    assert bar.heard() == [("WALLOPS", "hi all")]
    assert baz.heard() == []
