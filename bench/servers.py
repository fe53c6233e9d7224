"""The servers that are measured, and how each is started: limits off or raised, all else as it comes."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BENCH = Path(__file__).parent
TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]

# Everything that is not a limit stands as in Debian's /etc/ngircd/ngircd.conf. Names and idents are not looked up: each
# look-up is a process of its own, which would be measured as the cost of a connection.
NGIRCD = """
[Global]
Name = irc.example.net
Listen = 127.0.0.1
Ports = {port}
Info = bench
MotdPhrase = hello
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxPenaltyTime = 0
PingTimeout = 3600
PongTimeout = 3600
[Options]
DNS = no
Ident = no
PAM = no
"""

# As Debian's /etc/inspircd/inspircd.conf, but for the limits in <connect> and <performance softlimit>.
INSPIRCD = """
<server name="irc.local" description="bench" network="Localnet">
<admin name="bench" nick="bench" email="root@localhost">
<bind address="127.0.0.1" port="{port}" type="clients">
<connect allow="*" timeout="120" threshold="1000000" commandrate="1000000000" fakelag="no" pingfreq="3600"
  hardsendq="1073741824" softsendq="1073741824" recvq="1048576" localmax="100000" globalmax="100000" limit="100000"
  resolvehostnames="no" maxconnwarn="no">
<path datadir="{folder}" logdir="{folder}" rundir="{folder}">
<channels users="20" opers="60">
<dns server="127.0.0.1" timeout="5">
<options prefixquit="Quit: " syntaxhints="no" announcets="yes" hostintopic="yes" pingwarning="15" splitwhois="no">
<security userstats="Pu" maxtargets="20">
<performance quietbursts="yes" softlimit="100000" somaxconn="128" netbuffersize="10240">
<whowas groupsize="10" maxgroups="100000" maxkeep="3d">
"""


@dataclass(frozen=True, slots=True)
class Server:
    """One server, or one way to run it."""

    name: str
    dialect: str  # of the load
    command: Callable[[Path, int], list[str]]  # what to run, with a folder of its own and the port to listen on
    program: str = ""  # what has to be installed for it
    nodelay: bool = False  # whether TCP_NODELAY is forced upon it
    arriving: int = 32  # how many people at a time it lets in fastest

    @property
    def missing(self) -> bool:
        """Whether it is not installed here."""
        return bool(self.program) and found(self.program) is None


def found(program: str) -> str | None:
    """The path of a program, also where only root's PATH leads."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


@cache
def limits_off() -> list[str]:
    """The option that switches the daemon's limits off, if it has any."""
    listed = subprocess.run([*TWISTD, "chat", "--help"], cwd=BENCH.parent, capture_output=True, text=True, check=True)
    return ["--limits=off"] if "--limits" in listed.stdout else []


def chat(state: str = "") -> Callable[[Path, int], list[str]]:
    """Our daemon, keeping what is said in a folder of the run's unless ``state`` says otherwise."""

    def command(folder: Path, port: int) -> list[str]:
        listening = ["--host=127.0.0.1", f"--port={port}", f"--state={state or folder / 'state'}"]
        return [*TWISTD, "-n", "--pidfile=", "chat", *listening, *limits_off()]

    return command


def ngircd(folder: Path, port: int) -> list[str]:
    """ngIRCd in the foreground."""
    configuration = folder / "ngircd.conf"
    configuration.write_text(NGIRCD.format(port=port))
    return [found("ngircd") or "ngircd", "-n", "-f", str(configuration)]


def inspircd(folder: Path, port: int) -> list[str]:
    """InspIRCd in the foreground."""
    configuration = folder / "inspircd.conf"
    configuration.write_text(INSPIRCD.format(port=port, folder=folder))
    return [found("inspircd") or "inspircd", "--nofork", "--nolog", "--nopid", "--runasroot", f"--config={configuration}"]


def plain(folder: Path, port: int) -> list[str]:
    """A plain Twisted loop."""
    return [sys.executable, str(BENCH / "plain.py"), str(port)]


def limit(folder: Path, port: int) -> list[str]:
    """The C broadcaster, compiled into the run's folder's parent."""
    return [str(folder.parent / "limit"), str(port)]


SERVERS = {
    server.name: server
    for server in (
        Server("chat", "line", chat()),
        Server("chat-json", "json", chat()),
        Server("chat-web", "web", chat()),
        Server("chat-irc", "irc", chat()),
        Server("chat-none", "line", chat("none")),
        Server("ngircd", "irc", ngircd, "ngircd"),
        Server("ngircd-nodelay", "irc", ngircd, "ngircd", nodelay=True),
        Server("inspircd", "irc", inspircd, "inspircd", arriving=500),  # it lets people in once a second
        Server("inspircd-nodelay", "irc", inspircd, "inspircd", nodelay=True, arriving=500),
        Server("plain", "line", plain),
        Server("limit", "line", limit),
    )
}
