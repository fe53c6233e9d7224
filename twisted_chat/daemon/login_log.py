"""Failed logins in the daemon's log, for fail2ban and its like: see docs/fail2ban/.

1. A failure is one line of fixed words: ``[LOGIN FAILED] 203.0.113.7 by irc as Ann``, or, of a secret that is no
   account's, ``[LOGIN FAILED] 203.0.113.7 by http with token``. The address comes first. A name is that of a registered
   account, or ``-``: what was typed as a name may be a password. So nothing that anybody types stands in it.
2. In a minute, so many lines of one source and so many in all: what comes on top is summed up in a line of another form.
"""

from collections import Counter
from collections.abc import Callable

from twisted.logger import Logger

from twisted_chat.core.logins.attempts import FailedLogin, Kind
from twisted_chat.core.logins.sources import source_of

# How many lines are written in so many seconds: of one source, as many as any ban needs; and in all, 20 MB a day at the worst.
MOST_OF_A_SOURCE, MOST, SECONDS = 10, 100, 60.0
# What proves an account; any other secret is named by its kind.
ACCOUNTS = (Kind.PASSWORD, Kind.SSH_KEY)
# Protocols by the words that --protocols takes, where they are called otherwise.
WORDS = {"telnet or nc": "line", "browser": "web"}


def protocol_word(protocol: str) -> str:
    """Return one lower-case word for what a connection speaks."""
    return WORDS.get(protocol, protocol.lower())


# Filters of fail2ban name this namespace: it stays, wherever the class is. An attribute of the class would take the class name.
LOG = Logger(namespace="twisted_chat.login_log.LoginLog")


class LoginLog:
    """Writes what `core.logins.attempts` reports."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """``clock`` gives seconds and only goes forward."""
        self._clock = clock
        self._minute = clock()
        self._written: Counter[str] = Counter()  # by source, in this minute
        self._left_out = 0

    def __call__(self, failed: FailedLogin) -> None:
        """Write a line, if there have not been too many."""
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
        """Begin a new minute if it is time, and say how much the last one has left out."""
        now = self._clock()
        if now - self._minute < SECONDS:
            return
        if self._left_out:
            LOG.info("[LOGINS] {count} more failed logins were not written here.", count=self._left_out)
        self._minute, self._left_out = now, 0
        self._written.clear()
