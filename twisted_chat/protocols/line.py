"""The protocol for people: telnet, nc, openssl s_client, anything that sends lines and shows what comes back."""

from twisted_chat.core.errors import ChatError
from twisted_chat.core.text import decode
from twisted_chat.protocols.connection import ChatFactory, LineConnection
from twisted_chat.protocols.telnet import Telnet
from twisted_chat.protocols.text import GREETING, PLAIN, sentence


class PersonProtocol(LineConnection):
    """One person at a terminal. Their first line is their name."""

    dialect = PLAIN
    kind = "telnet or nc"
    longest = 4096  # ssh-chat allows 1024, NATS 4096: room for a paragraph
    most = 16 * 1024

    def __init__(self, factory: ChatFactory) -> None:
        super().__init__(factory)
        self.telnet = Telnet()

    def dataReceived(self, data: bytes) -> None:
        """Called by the transport. Telnet is taken out before there are lines."""
        text = self.telnet.receive(data)
        self.write(self.telnet.replies())
        super().dataReceived(text)
        if self.telnet.abused:
            self.close("That is not telnet. Goodbye.")

    def greet(self) -> None:
        """Ask for the name."""
        self.write(GREETING.encode() + b"\r\n")

    def lineReceived(self, line: bytes) -> None:
        """Called for each line, without its end."""
        if line.strip() or self.session.question is not None:
            self.perform(lambda: self.factory.table.run(self.call(), decode(line)), None, nothing)

    def refuse(self, error: ChatError, request: str | None = None) -> None:
        """Tell the person what can't be done."""
        self.say_last(str(error))

    def say_last(self, text: str) -> None:
        """Say something to whoever is at the other end."""
        self.write(sentence(text))


def nothing() -> None:
    """People see what happened; they need no word that it is done."""


class PersonFactory(ChatFactory):
    """The ServerFactory of terminals."""

    protocol = PersonProtocol
