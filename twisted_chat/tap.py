"""The entry point of ``twistd chat``: its options, and the service that they describe.

Raising the garbage collector's thresholds before the imports saves a tenth of the start-up time.
"""

import sys

from twisted.application.service import IService

from twisted_chat.daemon import resources

resources.collect_seldom()

from twisted_chat.config import Limits  # noqa: E402 (after the thresholds are raised)
from twisted_chat.daemon.log_observer import writer_for  # noqa: E402
from twisted_chat.options import Options, fail  # noqa: E402
from twisted_chat.service import LIMITS_OFF, CannotStart, make_service  # noqa: E402

__all__ = ["Options", "makeService"]


def makeService(options: Options) -> IService:
    """Called by twistd, before it becomes a daemon: what can't work is said here, on the terminal that started it."""
    if options.config.limits is Limits.OFF:
        print(f"twistd chat: {LIMITS_OFF}", file=sys.stderr)
    try:
        service = make_service(options.config)
        service.log_writer = writer_for(options.parent)
    except CannotStart as error:
        fail(str(error))
    except OSError as error:
        fail(f"The log file {error.filename} can't be opened: {error.strerror}.")
    return service
