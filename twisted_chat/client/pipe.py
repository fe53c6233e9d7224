"""The client without a terminal: each input line is a message, and other users' messages are output lines.

The client ends when every line has its receipt. The exit status is 0 if all messages are on disk.
"""

import sys
from collections.abc import Callable
from typing import Any

from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_chat.client.connection import ConnectionFactory, Conversation, Front
from twisted_chat.client.encryption import Endpoint, Server
from twisted_chat.core.events import Event, Receipt, Refused, RoomEvent, Whispered
from twisted_chat.core.text.sanitize import altered_words, clean
from twisted_chat.protocols.terminal.rendering import Plain
from twisted_chat.protocols.terminal.wrapping import ENDLESS

# The limit of messages without a receipt. Reading pauses at it, so that the pipe fills up instead of our memory.
MOST_PENDING = 200
# The time after which the client gives up a lost connection, in seconds.
GIVE_UP_SECONDS = 60.0


@implementer(IHalfCloseableProtocol)
class Pipe(LineReceiver):
    """Standard input and output, and the conversation's front end."""

    delimiter = b"\n"
    MAX_LENGTH = 16 * 1024 * 1024

    def __init__(self, reactor: Any, server: Server, converse: Callable[[Front], Conversation]) -> None:
        self.status = 0
        self._reactor = reactor
        self._input_ended = self._ending = self._output_gone = False
        self._giving_up: Any = None
        self._conversation = converse(self)
        self._dialect = Plain(columns=ENDLESS)  # programs that read a pipe expect one line for a message
        endpoint = Endpoint(reactor, server, self._tell, self._end)
        self._service = ClientService(endpoint, ConnectionFactory(self._conversation), backoffPolicy(), reactor)

    def start(self) -> None:
        """Connect. The client ends if its first connection fails, and tries later ones again."""
        self._service.whenConnected(failAfterFailures=1).addCallbacks(self._connected, self._unreachable)
        self._service.startService()

    def _connected(self, _: object) -> None:
        StandardIO(self, reactor=self._reactor)

    def _unreachable(self, failure: Failure) -> None:
        self._end(f"can't connect: {failure.getErrorMessage()}")

    # Standard input and output

    def lineReceived(self, data: bytes) -> None:
        """Called by LineReceiver for each line of input."""
        text = data.decode("utf-8", "replace").rstrip("\r")
        if text.strip():
            if text.encode() != data.rstrip(b"\r"):
                self._tell(f"what is not UTF-8 is replaced: {text}")
            self._conversation.say(text)
            if len(self._conversation.pending) >= MOST_PENDING:
                self.pauseProducing()

    def readConnectionLost(self) -> None:
        """Called by StandardIO at the end of input. The last line may have no line end."""
        rest = self.clearLineBuffer()
        if rest:
            self.lineReceived(rest)
        self._input_ended = True
        self._end_if_done()

    def writeConnectionLost(self) -> None:
        """Called by StandardIO when the reader of the output is gone. The client still sends the input."""
        self._output_gone = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by StandardIO when all output is written."""
        self._stop()

    # The conversation's front end

    def happened(self, event: Event) -> None:
        """Show other users' messages and actions."""
        if self._giving_up is not None and self._conversation.welcome is not None:
            self._giving_up.cancel()
            self._giving_up = None
        shown = isinstance(event, RoomEvent) and (not self._dialect_hides(event) or isinstance(event, Whispered))
        if shown and self.connected and not self._output_gone:
            self.transport.write(self._dialect.render([event]).replace(b"\r\n", b"\n"))

    def _dialect_hides(self, event: RoomEvent) -> bool:
        name: str = str(getattr(event, "author", "") or getattr(event, "name", ""))
        return self._conversation.mine(name)

    def settled(self, text: str, answer: Event) -> None:
        """Set the exit status to 1 if a message was refused or not persisted."""
        if isinstance(answer, Refused):
            self._complain(answer.text)
        elif isinstance(answer, Receipt) and not answer.kept:
            self._complain(f"shown, but not kept: {text}")
        if isinstance(answer, Receipt) and answer.stored is not None:
            self._tell(altered_words(answer.stored))
        if self.paused and len(self._conversation.pending) < MOST_PENDING // 2:
            self.resumeProducing()
        self._end_if_done()

    def turned_away(self, why: Refused) -> None:
        """End the client: the server has refused the name."""
        self._end(why.text)

    def lost(self) -> None:
        """Wait for the next connection, at most `GIVE_UP_SECONDS`."""
        if not self._ending and self._giving_up is None:
            self._giving_up = self._reactor.callLater(GIVE_UP_SECONDS, self._end, "the connection is lost")

    # The end

    def _end_if_done(self) -> None:
        if self._input_ended and not self._conversation.pending and not self._ending:
            self._conversation.leave()
            self._end()

    def _complain(self, why: str) -> None:
        self.status = 1
        self._tell(why)

    def _tell(self, line: str) -> None:
        print(f"twisted-chat: {clean(line)}", file=sys.stderr)  # the text may come from the server

    def _end(self, why: str = "") -> None:
        if self._ending:
            return
        self._ending = True
        if self._giving_up is not None and self._giving_up.active():
            self._giving_up.cancel()
        if why:
            self._complain(why)
        self._reactor.callLater(0, self._stop_service)  # not from within the service's own callbacks

    def _stop_service(self) -> None:
        self._service.stopService().addBoth(self._close_output)

    def _close_output(self, _: object) -> None:
        if self.connected and not self._output_gone:
            self.transport.loseConnection()
        else:
            self._stop()

    def _stop(self) -> None:
        if not self._ending:
            self._complain("the terminal is gone")
        if self._reactor.running:
            self._reactor.stop()


def run(server: Server, converse: Callable[[Front], Conversation]) -> int:
    """Run until the input has ended and every message has its receipt. Return the exit status."""
    from twisted.internet import reactor

    pipe = Pipe(reactor, server, converse)
    reactor.callWhenRunning(pipe.start)
    reactor.run()
    return pipe.status
