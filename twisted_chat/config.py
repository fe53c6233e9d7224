"""The settings: the only place where a default lives, each with its unit and its reason."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from twisted_chat.core.rate_limits import Bounds, GuessLimits, Numbers, Often, Rate, Retries
from twisted_chat.core.users.settings import Receipts

MIB = 1024 * 1024


class Limits(Enum):
    """Whether anybody is held to how often and how many."""

    ON = "on"
    OFF = "off"


def option(default: Any, doc: str, short: str | None = None) -> Any:
    """A setting that the command line, the environment and the INI file can change. ``doc`` is its line in ``--help``."""
    return field(default=default, metadata={"doc": doc, "short": short})


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the daemon was told to do. `tap` makes one from the command line, the environment and an INI file."""

    port: int | None = option(5555, "TCP port to listen on; 0 takes a free one.", "p")
    host: str = option("", "IP address to listen on. Default: every interface, IPv4 and IPv6.")
    listen: tuple[str, ...] = option(
        (),
        "Twisted endpoint to listen on, as unix:/run/chat or tcp:5555:interface=127.0.0.1; tls@tcp:5556 says what is"
        " spoken there. Repeatable; then --port counts only if it is given too.",
    )
    protocols: str = option("", "What is spoken, as line,json,tls; tls alone: all, but only inside TLS. Default: all.")
    tls: str = option(
        "",
        "auto (a certificate of our own), off, a folder with fullchain.pem and privkey.pem, or CERT:KEY."
        " Default: auto, if there is a state folder.",
    )
    require_tls: bool = option(False, "Take encrypted connections only, also from this machine.")
    state: str = option("", "Folder for what is kept, or none to keep nothing. Default: the user's state folder.")
    keep: float | None = option(None, "How long messages are kept, as 90d or 12h. Default: for ever.")
    keep_size: int | None = option(None, "How much of them, as 500M or 2G; the oldest go first. Default: no limit.")
    receipts: Receipts = option(
        Receipts.ALONE, "Who at a terminal is sent receipts: alone (who is alone in a room), always, or never."
    )
    exit_stops_server: bool = option(False, "Stop the daemon when anyone types exit.")
    log_messages: bool = option(False, "Write what is said in rooms to the daemon's log, too.")
    operator: tuple[str, ...] = option(
        (), "A name of an operator of the server, who takes it with the claim code in the state folder. Repeatable."
    )
    server_name: str = option("", "What IRC clients are told the server is called. Default: the machine's name.")
    irc_password: str = option("", "Password that IRC clients have to give, with PASS, to come in.")
    web_name: tuple[str, ...] = option(
        (), "A name by which browsers reach this server without encryption, as chat.example.org. Repeatable."
    )
    motd: str = option("", "File of UTF-8 text to show to everyone who comes in.")

    metrics: str = option("", "Twisted endpoint for Prometheus, as tcp:9555:interface=127.0.0.1. Default: none.")
    limits: Limits = option(Limits.ON, "off: nobody is held to a rate or a number of connections. For benchmarks only.")
    per_address: int | None = option(64, "Connections that one address (IPv6: one /64) may have at once.")
    unnamed_per_address: int | None = option(16, "How many of these may be without a name.")
    exempt: tuple[str, ...] = option(
        ("127.0.0.0/8", "::1"),
        "Network whose connections are not counted by address, or none. Repeatable. Tunnels and proxies come from loopback.",
    )

    new_per_address: Often | None = Often(600, 600.0)
    """New connections from one address: a browser opens seven each time it shows the page, and a class behind one address
    does so thirty times."""

    most_connections: int | None = None
    """Connections in all; None: as many as descriptors and memory allow, see `resources`."""

    naming_seconds: float | None = 60.0
    """Seconds without a line after which a connection that has no name is closed; each line gives as many again."""

    people_rate: Rate | None = Rate(40, 8.0)
    """Lines of a person: nobody types faster, and a paste of 100 lines is through in 8 s.

    A line costs one, and one more for each KiB. Beyond that nothing is dropped: it is read later."""

    programs_rate: Rate | None = Rate(200, 50.0)
    """Lines of a program: the output of a build at once, then half a screen a second."""

    lookups: Often | None = Often(60, 60.0)
    """Looking up (who, history …), for one person: the answers are long, and some are read from the disk."""

    searches: Often | None = Often(60, 60.0)
    """Searches from one address: they share the one thread that also keeps messages."""

    logins: Retries = Retries(3, 5.0, 600.0)
    """Wrong passwords from one address for one name: three at once, then 5 s, doubled up to 10 minutes (as ergo does)."""

    logins_a_source: Rate = Rate(30, 0.1)
    """Wrong passwords from one address, for all names: a class of 30 at once, then one in 10 s."""

    logins_an_account: Rate = Rate(10, 0.2)
    """Wrong passwords for one name, from all addresses it has not come from before: ten at once, then one in 5 s, each waiting
    for its turn. So many addresses try 17,290 a day at one name; and who comes in from a new one waits for seconds."""

    login_patience: float = 30.0
    """Seconds that a login waits for its turn, while others guess at its name: half of what one may wait for a name."""

    registrations: Often | None = Often(30, 600.0)
    """Attempts to register from one address: a class of 30 behind one address registers at once."""

    registered: Often | None = Often(300, 600.0)
    """New accounts on the whole server: a class of 30 registers at once (ergo's default)."""

    most_rooms: int = 20_000
    """Rooms on the whole server, with those that are kept: some 40 MB of memory."""

    most_accounts: int = 100_000
    """Accounts on the whole server: some 200 MB of memory, all of which are read at the start."""

    rooms_a_person: int = 100
    """Rooms one connection is in: each is a place where it is written to."""

    owned_rooms: int = 20
    """Rooms a registered name owns: each is kept for good."""

    devices: int = 10
    """Connections of one registered name at once."""

    bugs: Rate = Rate(3, 1 / 60)
    """Bugs of ours that one connection may run into before it is closed: whoever has found one should not fill the log."""

    grace: float = 0.3
    """Seconds before a silent client is greeted: clients that speak first do so at once, and people don't notice."""

    closing_seconds: float = 5.0
    """Seconds until a connection that was told goodbye is cut off, if the peer takes nothing."""

    draining_seconds: float = 4.0
    """Seconds until a shutdown stops waiting for the disk and for peers: done within 5 s in all."""

    patience: float = 60.0
    """Seconds without its socket taking a byte after which a full connection is cut off: the peer is gone."""

    request_seconds: float = 15.0
    """Seconds until an HTTP request has to have come whole, and that a connection is kept for the next one."""

    backlog: int = 1024
    """Connections the kernel holds until they are accepted: a class that comes in at once."""

    tail_bytes: int = 4 * MIB
    """Memory for the end of the log, in bytes: minutes of a busy room. Readers further behind read from disk."""

    batch_bytes: int = 64 * 1024
    """What a reader is sent of one batch, in bytes: about what a connection holds before it is full, and never much more."""

    waiting_bytes: int = 16 * MIB
    """Memory for messages that wait to be kept, in bytes: 5 s of a locked disk at thousands of messages a second."""

    message_limit: int = 4096
    """Longest message, in bytes of UTF-8."""

    def effective(self) -> "Config":
        """With the limits off, the same without any; else the same."""
        if self.limits is Limits.ON:
            return self
        unlimited: dict[str, Any] = dict.fromkeys(
            (
                "per_address",
                "unnamed_per_address",
                "new_per_address",
                "naming_seconds",
                "people_rate",
                "programs_rate",
                "lookups",
                "searches",
                "registrations",
                "registered",
            )
        )
        return replace(self, **unlimited)

    @property
    def numbers(self) -> Numbers:
        """How many connections there may be."""
        return Numbers(
            most=self.most_connections,
            per_address=self.per_address,
            unnamed=self.unnamed_per_address,
            new=self.new_per_address,
        )

    @property
    def bounds(self) -> Bounds:
        """What the hub holds people to."""
        return Bounds(
            message_bytes=self.message_limit,
            rooms_a_person=self.rooms_a_person,
            owned_rooms=self.owned_rooms,
            devices=self.devices,
            guesses=GuessLimits(
                pair=self.logins,
                source=self.logins_a_source,
                subject=self.logins_an_account,
                patience=self.login_patience,
            ),
            lookups=self.lookups,
            searches=self.searches,
            registrations=self.registrations,
            registered=self.registered,
            rooms=self.most_rooms,
            accounts=self.most_accounts,
        )


def state_folder(environment: Mapping[str, str]) -> Path:
    """Where to keep the log by default: systemd's folder, else the user's (XDG Base Directory Specification)."""
    if folder := environment.get("STATE_DIRECTORY"):
        return Path(folder.split(os.pathsep)[0])
    if home := environment.get("XDG_STATE_HOME"):
        return Path(home) / "twisted-chat"
    return Path("~/.local/state/twisted-chat").expanduser()
