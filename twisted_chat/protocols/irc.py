"""The protocol of IRC clients: irssi, weechat, and all the others. docs/irc.md says what of IRC there is.

The pieces: `irc_codec` (lines), `irc_connection` (one client), `irc_dialect` (events), and the verbs, by subject.
"""

from __future__ import annotations

from twisted_chat.core.events import History, People
from twisted_chat.protocols import (
    irc_asking,
    irc_joining,
    irc_modesetting,
    irc_past,
    irc_registration,
    irc_talking,
    irc_watching,
    irc_welcome,
)
from twisted_chat.protocols.irc_connection import IrcConnection, PeopleFactory

# Where the verbs are declared.
VERBS_IN = (irc_asking, irc_joining, irc_modesetting, irc_past, irc_registration, irc_talking, irc_watching)

# What a client can ask for, with values.
OFFERED = {
    "account-notify": "",
    "account-tag": "",
    "away-notify": "",
    "batch": "",
    "cap-notify": "",
    "draft/account-registration": "",
    "draft/chathistory": "",
    "draft/read-marker": "",
    "echo-message": "",
    "extended-join": "",
    "extended-monitor": "",
    "labeled-response": "",
    "message-tags": "",
    "multi-prefix": "",
    "sasl": "PLAIN",
    "server-time": "",
    "setname": "",
    "standard-replies": "",
    "userhost-in-names": "",
}


class IrcProtocol(IrcConnection):
    """One IRC client."""

    def welcome(self) -> None:
        """One has registered."""
        irc_welcome.welcome(self)

    def arrive(self, people: People, past: History | None) -> None:
        """One has come into a room."""
        irc_welcome.arrive(self, people, past)

    offered = OFFERED


class IrcFactory(PeopleFactory):
    """The ServerFactory of IRC clients."""

    protocol = IrcProtocol
