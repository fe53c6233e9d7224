"""Errors of HTTP requests, and the HTTP status of every error code."""

from http import HTTPStatus

from twisted_chat.core.errors import ChatError

# The version of the WebSocket protocol (RFC 6455, 4.1).
WEBSOCKET_VERSION = b"13"
# By the code of an error; any other is 400.
STATUS = {
    "wrong-token": HTTPStatus.UNAUTHORIZED,
    "banned": HTTPStatus.FORBIDDEN,
    "not-allowed": HTTPStatus.FORBIDDEN,
    "not-invited": HTTPStatus.FORBIDDEN,
    "not-found": HTTPStatus.NOT_FOUND,
    "not-in-room": HTTPStatus.NOT_FOUND,
    "wrong-method": HTTPStatus.METHOD_NOT_ALLOWED,
    "too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "upgrade-needed": HTTPStatus.UPGRADE_REQUIRED,
    "too-often": HTTPStatus.TOO_MANY_REQUESTS,
    "internal-error": HTTPStatus.INTERNAL_SERVER_ERROR,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "history-unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
}


class NotFound(ChatError):
    """There is nothing at this address."""

    code = "not-found"


class WrongMethod(ChatError):
    """What is there can't be asked that."""

    code = "wrong-method"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"Here one can: {allowed}.")
        self.allowed = allowed


class TooLarge(ChatError):
    """That is more than one message may have."""

    code = "too-large"


class UpgradeNeeded(ChatError):
    """What is there speaks WebSocket alone, in its one version."""

    code = "upgrade-needed"
