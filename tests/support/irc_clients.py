"""An IRC client in memory: what it sends, and what comes back, as messages."""

from twisted_chat.protocols.irc.wire.message import Message, parse
from twisted_chat.testing import Chat

SERVER = "My.Little.Server"


class IrcClient:
    """One client, registered unless it has no nick."""

    def __init__(self, chat: Chat, nick: str = "", *caps: str, sasl: bytes = b"") -> None:
        self.chat = chat
        self.nick = nick
        self.client = chat.connect("irc")
        if nick:
            self.client.send("CAP LS 302")
            if caps:
                self.client.send(f"CAP REQ :{' '.join(caps)}")
            if sasl:
                self.client.send("AUTHENTICATE PLAIN", f"AUTHENTICATE {sasl.decode()}")
            self.client.send(f"NICK {nick}", "USER username * * :Realname", "CAP END")
            self.messages()

    def send(self, *lines: str) -> None:
        """Send lines."""
        self.client.send(*[line + "\r" for line in lines])

    def messages(self) -> list[Message]:
        """What has come since this was asked last."""
        data, self.client.transport.received = self.client.transport.received, b""
        assert data == b"" or data.endswith(b"\r\n")
        found = [parse(line) for line in data.split(b"\r\n") if line]
        return [message for message in found if message is not None]

    def ask(self, *lines: str) -> list[Message]:
        """Send lines; what has come then."""
        self.messages()
        self.send(*lines)
        return self.messages()

    def told(self, *lines: str) -> list[tuple[str, ...]]:
        """The same as commands with their parameters, without one's own nick after a number."""
        return [plainly(message) for message in self.ask(*lines)]

    def heard(self) -> list[tuple[str, ...]]:
        """What has come, likewise."""
        return [plainly(message) for message in self.messages()]


def plainly(message: Message) -> tuple[str, ...]:
    """A message as its command and parameters; of a number, without whom it is for."""
    return (message.command, *(message.params[1:] if message.command.isdigit() else message.params))


def commands(messages: list[Message]) -> list[str]:
    """The commands of messages."""
    return [message.command for message in messages]
