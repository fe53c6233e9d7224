"""One HTTP request: its body, its errors and its answer. `WebFactory.answer` dispatches it."""

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

# Maximum size of a body that is read, in bytes: a message, with room to spare.
LONGEST_BODY = 16 * 1024


class WebRequest(Request):
    """One request. Its body is read up to `LONGEST_BODY`; the rest is discarded."""

    gone = False
    _parsePOSTFormSubmission = False
    log = Logger()

    def handleContentChunk(self, data: bytes) -> None:
        """Called by twisted.web with a piece of the body."""
        if self.content.tell() <= LONGEST_BODY:
            super().handleContentChunk(data)

    def gotLength(self, length: int | None) -> None:
        """Called by twisted.web before the body. The capped length keeps the body in memory, not in a file."""
        super().gotLength(min(length or 0, LONGEST_BODY))

    def connectionLost(self, reason: Failure) -> None:
        """Called by twisted.web when the client no longer waits for the answer."""
        self.gone = True
        super().connectionLost(reason)

    def process(self) -> None:
        """Called by twisted.web when the request is complete."""
        self.setHeader(b"date", datetimeToString())
        self.setHeader(b"x-content-type-options", b"nosniff")
        self.setHeader(b"referrer-policy", b"no-referrer")
        self.setHeader(b"cache-control", b"no-store")  # the page's files override this
        try:
            self.channel.factory.answer(self)
        except ChatError as error:
            self.refuse(error)
        except Exception:
            self.broken(Failure())

    def broken(self, failure: Failure) -> None:
        """Log a bug under an id, and send the id to the client."""
        case = secrets.token_hex(4)
        self.log.failure("bug {case}", failure, case=case)
        self.refuse(InternalError(f"That went wrong here, and is not your fault. It is noted as {case}."))

    def refuse(self, error: ChatError) -> None:
        """Answer with an error."""
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
        """Send the body, and finish the request."""
        if self.gone:
            return
        self.setHeader(b"content-length", b"%d" % len(body))
        self.write(b"" if self.method == b"HEAD" else body)
        self.finish()

    def check_method(self, *methods: bytes) -> None:
        """Raise `WrongMethod` unless the request has one of these methods."""
        if self.method not in methods:
            raise WrongMethod(b", ".join(methods).decode())
