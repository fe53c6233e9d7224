"""Log failed logins for tools such as fail2ban: see docs/fail2ban/.

1. A failure is one line of fixed words: ``[LOGIN FAILED] 203.0.113.7 by irc as Ann``, or, for a secret that belongs to no
   account, ``[LOGIN FAILED] 203.0.113.7 by http with token``. The address comes first. The name is that of a registered
   account, or ``-``: a client may have typed a password as the name. So the line contains no typed text.
2. The lines per minute are limited, per source and in all. The excess is summed up in a line of another form.
"""

from collections import Counter
from collections.abc import Callable

from twisted.logger import Logger

from twisted_chat.core.logins.attempts import FailedLogin, Kind
from twisted_chat.core.logins.sources import source_of

# The most lines in so many seconds: per source, enough for any ban; and in all, 20 MB a day at worst.
MOST_OF_A_SOURCE, MOST, SECONDS = 10, 100, 60.0
# The secrets that belong to accounts. Any other secret is named by its kind.
ACCOUNTS = (Kind.PASSWORD, Kind.SSH_KEY)
# The words of --protocols for protocols with another name.
WORDS = {"telnet or nc": "line", "browser": "web"}


def protocol_word(protocol: str) -> str:
    """Return one lower-case word for a protocol."""
    return WORDS.get(protocol, protocol.lower())


# fail2ban filters contain this namespace: it stays if the class moves. A Logger in the class would take the class's name.
LOG = Logger(namespace="twisted_chat.login_log.LoginLog")


class LoginLog:
    """A writer of the failures that `core.logins.attempts` reports."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock`` returns monotonic seconds."""
        self._clock = clock
        self._minute = clock()
        self._written: Counter[str] = Counter()  # by source, in this minute
        self._left_out = 0

    def __call__(self, failed: FailedLogin) -> None:
        """Write a line, within the limits."""
        self.sum_up()
        source = source_of(failed.way.address)
        if self._written[source] >= MOST_OF_A_SOURCE or self._written.total() >= MOST:
            self._left_out += 1
            return
        self._written[source] += 1
        secret = f"as {failed.name or '-'}" if failed.kind in ACCOUNTS else f"with {failed.kind.value}"
        LOG.info(
            "[LOGIN FAILED] {address} by {protocol} {secret}",
            address=failed.way.address.partition("%")[0] or "-",
            protocol=protocol_word(failed.way.protocol),
            secret=secret,
        )

    def sum_up(self) -> None:
        """Begin a new minute if due, and log the number of lines that the last one left out."""
        now = self._clock()
        if now - self._minute < SECONDS:
            return
        if self._left_out:
            LOG.info("[LOGINS] {count} more failed logins were not written here.", count=self._left_out)
        self._minute, self._left_out = now, 0
        self._written.clear()
