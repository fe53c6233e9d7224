"""Errors of HTTP requests, and the HTTP status of every error code."""

from http import HTTPStatus

from twisted_chat.core.errors import ChatError

# The version of the WebSocket protocol (RFC 6455, 4.1).
WEBSOCKET_VERSION = b"13"
# HTTP status by error code; any other code gives 400.
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
    """An address where there is nothing."""

    code = "not-found"


class WrongMethod(ChatError):
    """A method that the address does not allow."""

    code = "wrong-method"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"Here one can: {allowed}.")
        self.allowed = allowed


class TooLarge(ChatError):
    """A body longer than a message may be."""

    code = "too-large"


class UpgradeNeeded(ChatError):
    """A request that is not WebSocket in its one version, at an address that speaks nothing else."""

    code = "upgrade-needed"
