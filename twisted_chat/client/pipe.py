"""The client without a terminal: lines in are messages, messages of others are lines out.

It ends when every line has its receipt. The status is 0 if all are on disk.
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

# How many messages may be without a receipt before no more is read: the pipe waits, not our memory.
MOST_PENDING = 200
# How long it is tried to get a lost connection back, in seconds.
GIVE_UP_SECONDS = 60.0


@implementer(IHalfCloseableProtocol)
class Pipe(LineReceiver):
    """Standard input and output, and the front of the conversation."""

    delimiter = b"\n"
    MAX_LENGTH = 16 * 1024 * 1024

    def __init__(self, reactor: Any, server: Server, converse: Callable[[Front], Conversation]) -> None:
        self.status = 0
        self._reactor = reactor
        self._input_ended = self._ending = self._output_gone = False
        self._giving_up: Any = None
        self._conversation = converse(self)
        self._dialect = Plain(columns=ENDLESS)  # who reads a pipe counts on a message being one line
        endpoint = Endpoint(reactor, server, self._tell, self._end)
        self._service = ClientService(endpoint, ConnectionFactory(self._conversation), backoffPolicy(), reactor)

    def start(self) -> None:
        """Connect. A first connection that fails is the end; later ones are tried again."""
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
        """Called by StandardIO: the input has ended. Its last line may have no end."""
        rest = self.clearLineBuffer()
        if rest:
            self.lineReceived(rest)
        self._input_ended = True
        self._end_if_done()

    def writeConnectionLost(self) -> None:
        """Called by StandardIO: nobody reads the output. The input is still said."""
        self._output_gone = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called by StandardIO, when all was written."""
        self._stop()

    # The conversation's front

    def happened(self, event: Event) -> None:
        """Show what others say and do."""
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
        """Count what was not kept against us."""
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
        """The name can't be had: nothing can be said under it."""
        self._end(why.text)

    def lost(self) -> None:
        """Wait for the next connection, but not for ever."""
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
        print(f"twisted-chat: {clean(line)}", file=sys.stderr)  # it may be the server's words

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
    """Talk until the input has ended and all is receipted. Returns the exit status."""
    from twisted.internet import reactor

    pipe = Pipe(reactor, server, converse)
    reactor.callWhenRunning(pipe.start)
    reactor.run()
    return pipe.status
