"""IRC clients that register with a password."""

import base64

from irc_clients import IrcClient

from twisted_chat.testing import Chat


def blob(account: str, password: str) -> bytes:
    """SASL PLAIN's message (RFC 4616)."""
    return base64.b64encode(f"{account}\0{account}\0{password}".encode())


def registered(chat: Chat, name: str, password: str = "opensesame") -> None:
    """Register a name, and go."""
    if code := chat.claim_code(name):
        client = IrcClient(chat)
        client.send("USER x 0 * :X", f"CLAIM {name} {code} {password}", "QUIT")
    else:
        client = IrcClient(chat, name)
        client.send(f"NS REGISTER {password}", "QUIT")
    client.client.vanish()
    chat.clock.advance(61)
