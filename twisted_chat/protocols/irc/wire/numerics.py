"""The numbered replies of IRC: one table, in the notation of modern.ircdocs.horse.

1. A layout lists the parameters after the client's nick. ``<word>`` is filled in, ``<word...>`` takes the remaining values,
   and other words stand as they are. The text follows `` :``; ``<word>`` is filled in there too. A word may occur twice.
2. The values come in the order in which the words first occur. Too few or too many values are a bug: `TypeError`.
3. A value is never a format. A value that cannot stand as a parameter becomes ``*`` (`wire.message`).
4. Numbers and layouts are those of modern.ircdocs.horse, or else those of the IRCv3 specification named.
"""

import re
from enum import Enum

from twisted_chat.protocols.irc.wire.message import format_body

_WORD = re.compile(r"<(\w+)(\.\.\.)?>")


class Numeric(Enum):
    """A numbered reply, under its usual name."""

    # Welcome
    RPL_WELCOME = "001", ":Welcome to the <network> Network, <nick>"
    RPL_YOURHOST = "002", ":Your host is <servername>, running version <version>"
    RPL_CREATED = "003", ":This server was created <datetime>"
    RPL_MYINFO = "004", "<servername> <version> <usermodes> <channelmodes> <channelmodes_with_parameter>"
    RPL_ISUPPORT = "005", "<tokens...> :are supported by this server"
    RPL_MOTDSTART = "375", ":- <server> Message of the day - "
    RPL_MOTD = "372", ":<line>"
    RPL_ENDOFMOTD = "376", ":End of /MOTD command."
    ERR_NOMOTD = "422", ":MOTD File is missing"

    # The server
    RPL_LUSERCLIENT = "251", ":There are <u> users and <i> invisible on <s> servers"
    RPL_LUSEROP = "252", "<ops> :operator(s) online"
    RPL_LUSERCHANNELS = "254", "<channels> :channels formed"
    RPL_LUSERME = "255", ":I have <c> clients and <s> servers"
    RPL_LOCALUSERS = "265", "<u> <m> :Current local users <u>, max <m>"
    RPL_GLOBALUSERS = "266", "<u> <m> :Current global users <u>, max <m>"
    RPL_TRYAGAIN = "263", "<command> :Please wait a while and try again."
    RPL_VERSION = "351", "<version> <server> :<comments>"
    RPL_ENDOFLINKS = "365", "* :End of /LINKS list"
    RPL_INFO = "371", ":<string>"
    RPL_ENDOFINFO = "374", ":End of INFO list"
    RPL_TIME = "391", "<server> :<time>"
    RPL_HELPSTART = "704", "<subject> :<line>"
    RPL_HELPTXT = "705", "<subject> :<line>"
    RPL_ENDOFHELP = "706", "<subject> :<line>"

    # People
    RPL_UMODEIS = "221", "<modes>"
    RPL_AWAY = "301", "<nick> :<message>"
    RPL_USERHOST = "302", ":<replies>"
    RPL_ISON = "303", ":<nicknames>"
    RPL_UNAWAY = "305", ":You are no longer marked as being away"
    RPL_NOWAWAY = "306", ":You have been marked as being away"
    RPL_WHOISUSER = "311", "<nick> <username> <host> * :<realname>"
    RPL_WHOISSERVER = "312", "<nick> <server> :<info>"
    RPL_WHOISOPERATOR = "313", "<nick> :is an IRC operator"
    RPL_WHOISIDLE = "317", "<nick> <secs> <signon> :seconds idle, signon time"
    RPL_ENDOFWHOIS = "318", "<nick> :End of /WHOIS list"
    RPL_WHOISCHANNELS = "319", "<nick> :<channels>"
    RPL_WHOISACCOUNT = "330", "<nick> <account> :is logged in as"
    RPL_WHOISBOT = "335", "<nick> :is a bot"  # IRCv3 bot-mode
    RPL_WHOISHOST = "378", "<nick> :is connecting from <address>"
    RPL_WHOISSECURE = "671", "<nick> :is using a secure connection"
    RPL_WHOWASUSER = "314", "<nick> <username> <host> * :<realname>"
    RPL_ENDOFWHOWAS = "369", "<nick> :End of WHOWAS"
    RPL_WHOREPLY = "352", "<channel> <username> <host> <server> <nick> <flags> :<hopcount> <realname>"
    RPL_WHOSPCRPL = "354", "<fields...>"  # IRCv3 whox
    RPL_ENDOFWHO = "315", "<mask> :End of WHO list"
    RPL_MONONLINE = "730", ":<targets>"  # IRCv3 monitor
    RPL_MONOFFLINE = "731", ":<targets>"
    RPL_MONLIST = "732", ":<targets>"
    RPL_ENDOFMONLIST = "733", ":End of MONITOR list"
    ERR_MONLISTFULL = "734", "<limit> <targets> :Monitor list is full."

    # Channels
    RPL_LISTSTART = "321", "Channel :Users  Name"
    RPL_LIST = "322", "<channel> <count> :<topic>"
    RPL_LISTEND = "323", ":End of /LIST"
    RPL_CHANNELMODEIS = "324", "<channel> <modestring> <arguments...>"
    RPL_CREATIONTIME = "329", "<channel> <creationtime>"
    RPL_NOTOPIC = "331", "<channel> :No topic is set"
    RPL_TOPIC = "332", "<channel> :<topic>"
    RPL_TOPICWHOTIME = "333", "<channel> <nick> <setat>"
    RPL_INVITELIST = "336", "<channel>"
    RPL_ENDOFINVITELIST = "337", ":End of /INVITE list"
    RPL_INVITING = "341", "<nick> <channel>"
    RPL_INVEXLIST = "346", "<channel> <mask>"
    RPL_ENDOFINVEXLIST = "347", "<channel> :End of Channel Invite Exception List"
    RPL_EXCEPTLIST = "348", "<channel> <mask>"
    RPL_ENDOFEXCEPTLIST = "349", "<channel> :End of channel exception list"
    RPL_BANLIST = "367", "<channel> <mask> <who> <set>"
    RPL_ENDOFBANLIST = "368", "<channel> :End of channel ban list"
    RPL_NAMREPLY = "353", "<symbol> <channel> :<names>"
    RPL_ENDOFNAMES = "366", "<channel> :End of /NAMES list"

    # Operators and accounts
    RPL_YOUREOPER = "381", ":You are now an IRC operator"
    RPL_LOGGEDIN = "900", "<mask> <account> :You are now logged in as <account>"
    RPL_LOGGEDOUT = "901", "<mask> :You are now logged out"
    RPL_SASLSUCCESS = "903", ":SASL authentication successful"
    ERR_SASLFAIL = "904", ":SASL authentication failed"
    ERR_SASLTOOLONG = "905", ":SASL message too long"
    ERR_SASLABORTED = "906", ":SASL authentication aborted"
    RPL_SASLMECHS = "908", "<mechanisms> :are available SASL mechanisms"

    # Refusals
    ERR_UNKNOWNERROR = "400", "<command> :<info>"
    ERR_NOSUCHNICK = "401", "<nick> :No such nick/channel"
    ERR_NOSUCHSERVER = "402", "<server> :No such server"
    ERR_NOSUCHCHANNEL = "403", "<channel> :No such channel"
    ERR_CANNOTSENDTOCHAN = "404", "<channel> :Cannot send to channel"
    ERR_TOOMANYCHANNELS = "405", "<channel> :You have joined too many channels"
    ERR_WASNOSUCHNICK = "406", "<nick> :There was no such nickname"  # with the nick, as RFC 2812 has it
    ERR_TOOMANYTARGETS = "407", "<target> :Too many targets"  # RFC 1459
    ERR_NOORIGIN = "409", ":No origin specified"
    ERR_INVALIDCAPCMD = "410", "<subcommand> :Invalid CAP command"  # IRCv3 capability-negotiation
    ERR_NORECIPIENT = "411", ":No recipient given (<command>)"
    ERR_NOTEXTTOSEND = "412", ":No text to send"
    ERR_INPUTTOOLONG = "417", ":Input line was too long"
    ERR_UNKNOWNCOMMAND = "421", "<command> :Unknown command"
    ERR_NONICKNAMEGIVEN = "431", ":No nickname given"
    ERR_ERRONEUSNICKNAME = "432", "<nick> :Erroneus nickname"
    ERR_NICKNAMEINUSE = "433", "<nick> :Nickname is already in use"
    ERR_USERNOTINCHANNEL = "441", "<nick> <channel> :They aren't on that channel"
    ERR_NOTONCHANNEL = "442", "<channel> :You're not on that channel"
    ERR_USERONCHANNEL = "443", "<nick> <channel> :is already on channel"
    ERR_NOTREGISTERED = "451", ":You have not registered"
    ERR_NEEDMOREPARAMS = "461", "<command> :Not enough parameters"
    ERR_ALREADYREGISTERED = "462", ":You may not reregister"
    ERR_PASSWDMISMATCH = "464", ":Password incorrect"
    ERR_YOUREBANNEDCREEP = "465", ":You are banned from this server."
    ERR_CHANNELISFULL = "471", "<channel> :Cannot join channel (+l)"
    ERR_UNKNOWNMODE = "472", "<letter> :is unknown mode char to me"
    ERR_INVITEONLYCHAN = "473", "<channel> :Cannot join channel (+i)"
    ERR_BANNEDFROMCHAN = "474", "<channel> :Cannot join channel (+b)"
    ERR_BADCHANNELKEY = "475", "<channel> :Cannot join channel (+k)"
    ERR_NEEDREGGEDNICK = "477", "<channel> :You need to be logged in for that"
    ERR_NOPRIVILEGES = "481", ":Permission Denied- You're not an IRC operator"
    ERR_CHANOPRIVSNEEDED = "482", "<channel> :You're not channel operator"
    ERR_UMODEUNKNOWNFLAG = "501", ":Unknown MODE flag"
    ERR_USERSDONTMATCH = "502", ":Cant change mode for other users"
    ERR_HELPNOTFOUND = "524", "<subject> :No help available on this topic"
    ERR_INVALIDMODEPARAM = "696", "<target> <letter> <parameter> :<description>"

    def __init__(self, number: str, layout: str) -> None:
        words, self._has_text, self._text = f" {layout}".partition(" :")
        self.number = number
        self.layout = layout
        self._params = words.split()
        self._names = list(dict.fromkeys(match[1] for match in _WORD.finditer(layout)))
        self._takes_rest = "..." in layout

    def params(self, *values: object, text: str | None = None) -> tuple[str, ...]:
        """Return the parameters after the client's nick. ``text`` replaces the usual text."""
        rest = values[len(self._names) - 1 :] if self._takes_rest else ()
        if len(values) != len(self._names) and not (self._takes_rest and len(values) >= len(self._names) - 1):
            raise TypeError(f"{self.name} takes {', '.join(self._names) or 'nothing'}")
        filled = {name: str(value) for name, value in zip(self._names, values, strict=False)}
        out: list[str] = []
        for word in self._params:
            if word.endswith("...>"):
                out += map(str, rest)
            else:
                out.append(filled[word[1:-1]] if word[0] == "<" else word)
        if self._has_text:
            out.append(_WORD.sub(lambda match: filled[match[1]], self._text) if text is None else text)
        return tuple(out)

    def line(self, server: str, client: str, *values: object, text: str | None = None) -> bytes:
        """Return the reply as a line, from this server to a client's nick (``*`` before it has one)."""
        params = self.params(*values, text=text)
        return format_body(server, self.number, (client, *params), text=bool(self._has_text))
