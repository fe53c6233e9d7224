"""One HTTP request: its body, its errors and its answer. `WebFactory.answer` finds what it asks for."""

import secrets
from http import HTTPStatus

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request, datetimeToString

from twisted_chat.core.errors import ChatError
from twisted_chat.core.events import Refused
from twisted_chat.protocols.connection import InternalError
from twisted_chat.protocols.jsonlines.codec import JSON
from twisted_chat.protocols.web.errors import STATUS, WEBSOCKET_VERSION, UpgradeNeeded, WrongMethod

# The longest body that is looked at, in bytes: a message, with room to spare.
LONGEST_BODY = 16 * 1024


class WebRequest(Request):
    """One request. Its body is read up to `LONGEST_BODY`; of what is longer, no more than that is held."""

    gone = False
    _parsePOSTFormSubmission = False
    log = Logger()

    def handleContentChunk(self, data: bytes) -> None:
        """Called by twisted.web with a piece of the body."""
        if self.content.tell() <= LONGEST_BODY:
            super().handleContentChunk(data)

    def gotLength(self, length: int | None) -> None:
        """Called by twisted.web before the body. It is never so long that it needs a file."""
        super().gotLength(min(length or 0, LONGEST_BODY))

    def connectionLost(self, reason: Failure) -> None:
        """Called by twisted.web: nobody waits for the answer any more."""
        self.gone = True
        super().connectionLost(reason)

    def process(self) -> None:
        """Called by twisted.web when the whole request has come."""
        self.setHeader(b"date", datetimeToString())
        self.setHeader(b"x-content-type-options", b"nosniff")
        self.setHeader(b"referrer-policy", b"no-referrer")
        self.setHeader(b"cache-control", b"no-store")  # the files of the page say otherwise
        try:
            self.channel.factory.answer(self)
        except ChatError as error:
            self.refuse(error)
        except Exception:
            self.broken(Failure())

    def broken(self, failure: Failure) -> None:
        """A bug: it is logged under an id, which the client is told."""
        case = secrets.token_hex(4)
        self.log.failure("bug {case}", failure, case=case)
        self.refuse(InternalError(f"That went wrong here, and is not your fault. It is noted as {case}."))

    def refuse(self, error: ChatError) -> None:
        """Say what can't be done."""
        status = STATUS.get(error.code, HTTPStatus.BAD_REQUEST)
        self.setResponseCode(status, status.phrase.encode())
        self.setHeader(b"content-type", b"application/json")
        if status is HTTPStatus.UNAUTHORIZED:
            self.setHeader(b"www-authenticate", b"Bearer")
        if isinstance(error, WrongMethod):
            self.setHeader(b"allow", error.allowed.encode())
        if isinstance(error, UpgradeNeeded):
            self.setHeader(b"upgrade", b"websocket")
            self.setHeader(b"connection", b"Upgrade")
            self.setHeader(b"sec-websocket-version", WEBSOCKET_VERSION)
        self.end(JSON.render([Refused(error.code, str(error))]))

    def end(self, body: bytes) -> None:
        """Send the body, and be done."""
        if self.gone:
            return
        self.setHeader(b"content-length", b"%d" % len(body))
        self.write(b"" if self.method == b"HEAD" else body)
        self.finish()

    def check_method(self, *methods: bytes) -> None:
        """Raise `WrongMethod` unless the request has one of these methods."""
        if self.method not in methods:
            raise WrongMethod(b", ".join(methods).decode())
