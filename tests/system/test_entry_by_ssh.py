"""OpenSSH and plink at a real daemon: in a terminal of their own, in pipes, and what they are refused."""

import codecs
import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest
from daemons import PATIENCE, Daemon, Talker, program

# Asks nobody about the server's key, and remembers none.
TRUSTING = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-F", "none")
# Shows what the server says before one is in, as OpenSSH does by default.
TALKING = ("-o", "LogLevel=INFO")
# What colours text (SGR, ECMA-48).
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A key of somebody's own."""
    path = tmp_path / "id"
    subprocess.run([program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "laptop", "-f", str(path)], check=True)
    return path


def ssh(daemon: Daemon, user: str, *rest: str, options: tuple[str, ...] = (), keys: tuple[Path, ...] = ()) -> list[str]:
    """The command line of OpenSSH, which has these keys only."""
    known = [part for one in keys for part in ("-i", str(one))]
    alone = ("-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none") + (() if keys else ("-o", "PubkeyAuthentication=no"))
    place = ("-p", str(daemon.port), f"{user}@127.0.0.1")
    return [program("ssh"), *options, *TRUSTING, *alone, *known, *place, *rest]


class Terminal:
    """A program in a pseudo-terminal."""

    def __init__(self, command: list[str]) -> None:
        self.pid, self._fd = pty.fork()
        if not self.pid:
            os.execvpe(command[0], command, os.environ | {"TERM": "xterm"})
        self.seen = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def until(self, *texts: str) -> str:
        """Read until these have come, in this order. What follows stays for the next time."""
        taken = ""
        for text in texts:
            deadline = time.monotonic() + PATIENCE
            while text not in self.seen:
                assert time.monotonic() < deadline, f"{text!r} did not come, but {self.seen!r}"
                assert self._read(), f"ended before {text!r}: {self.seen!r}"
            before, self.seen = self.seen.split(text, 1)
            taken += before + text
        return taken

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._fd, text.encode())

    def status(self) -> int:
        """Wait for the end."""
        while self._read():
            pass
        os.close(self._fd)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        with contextlib.suppress(OSError):  # Linux says so that the program has gone
            if select.select([self._fd], [], [], PATIENCE)[0]:
                data = os.read(self._fd, 65536)
                self.seen = COLOUR.sub("", self.seen + self._decoder.decode(data))
                return bool(data)
        return False


def one_command(command: list[str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.parametrize("has_key", [False, True])
def test_a_guest_comes_in_by_openssh(daemon: Daemon, key: Path, has_key: bool) -> None:
    """With a key that nobody knows, or with none; nothing is asked; and exit is status 0."""
    name = f"Guest{has_key}"
    guest = Terminal(ssh(daemon, name, keys=(key,) if has_key else ()))
    guest.until(f"Hello {name}, you are now connected!")
    watcher = Talker(daemon.port, f"W{has_key}")
    guest.until(f"W{has_key} joined")
    watcher.say("\u65e5\u672c\u8a9e and \U0001f44b")
    guest.until(f"<W{has_key}> \u65e5\u672c\u8a9e and \U0001f44b")
    guest.type("hello from ssh\r")
    watcher.until(f"<{name}> hello from ssh")
    watcher.say("/who")
    assert f"{name} (ssh, encrypted)" in watcher.until("\r\n") + watcher.until("\r\n")
    guest.type("exit\r")
    assert guest.status() == 0


def test_a_guest_comes_in_by_plink(daemon: Daemon) -> None:
    """Without a key, as nothing is asked of a guest; the server's key is named, as it is not yet known."""
    fingerprint = daemon.wait_for(r"ssh key \(ED25519\): (\S+)")[1]
    command = [program("plink"), "-ssh", "-batch", "-hostkey", fingerprint, "-P", str(daemon.port)]
    guest = Terminal([*command, "Plinius@127.0.0.1"])
    guest.until("Hello Plinius, you are now connected!")
    guest.type("salve\r")
    guest.until("<Plinius> salve")
    guest.type("exit\r")
    assert guest.status() == 0


def test_a_registered_name_by_password_and_by_key(daemon: Daemon, key: Path) -> None:
    """The password is asked for and not shown; /keys add makes the key that was offered one of hers; then it is enough."""
    ann = Talker(daemon.port, "Ann")
    ann.say("/register", "correct horse", "exit")
    ann.until("Ann is yours now")
    wrong = Terminal(ssh(daemon, "Ann", options=(*TALKING, "-o", "NumberOfPasswordPrompts=1")))
    wrong.until("Ann is a registered name.", "Password for Ann: ")
    wrong.type("wrong donkey\r")
    assert wrong.status() == 255
    assert "donkey" not in wrong.seen
    right = Terminal(ssh(daemon, "Ann", keys=(key,), options=TALKING))
    right.until("That key is none of those of Ann.", "/keys add", "Password for Ann: ")
    right.type("correct horse\r")
    assert "horse" not in right.until("Hello Ann, you are now connected!")
    right.type("/keys add\r")
    right.until("To add a key to Ann, your password:")
    right.type("correct horse\r")
    right.until("proves that you")
    right.type("exit\r")
    assert right.status() == 0
    by_key = Terminal(ssh(daemon, "Ann", keys=(key,), options=("-o", "PasswordAuthentication=no")))
    by_key.until("Hello Ann, you are now connected!")
    by_key.type("/keys\r")
    by_key.until("SHA256:", "ssh-ed25519")
    by_key.type("\x04")
    assert by_key.status() == 0
    batch = one_command(ssh(daemon, "Ann", "who", options=("-o", "BatchMode=yes")))
    assert batch.returncode == 255
    assert "Permission denied (publickey,keyboard-interactive)" in batch.stderr


@pytest.mark.parametrize("kind", [("rsa", "-b", "2048"), ("ecdsa", "-b", "256"), ("ecdsa", "-b", "521")])
def test_other_kinds_of_keys(daemon: Daemon, tmp_path: Path, kind: tuple[str, ...]) -> None:
    """RSA and ECDSA prove a name as well."""
    path, name = tmp_path / "id", f"K{kind[0]}{kind[2]}"
    subprocess.run([program("ssh-keygen"), "-q", "-t", *kind, "-N", "", "-f", str(path)], check=True)
    owner = Talker(daemon.port, name)
    owner.say("/register secret12", f"/keys add {path.with_suffix('.pub').read_text('ascii').strip()}", "secret12", "exit")
    owner.until("proves that you are")
    done = one_command(ssh(daemon, name, f"msg {name} it is me", keys=(path,), options=("-o", "BatchMode=yes")))
    assert (done.returncode, done.stderr) == (0, "")


def test_pipes_and_commands_have_their_exit_status(daemon: Daemon) -> None:
    """What is piped is said, and receipted; what can't be done is status 1, and why."""
    watcher = Talker(daemon.port, "Piper")
    watcher.say("/join #ci", "/who")
    watcher.until("In #ci: Piper")
    done = one_command(ssh(daemon, "build", "say", "#ci"), "compiling\nlinking\ndone")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    watcher.until("<build> compiling")
    watcher.until("<build> linking")
    watcher.until("<build> done")
    who = one_command(ssh(daemon, "nobody-here", "who", "#ci"))
    assert (who.returncode, who.stdout) == (0, "-> In #ci: Piper\n")
    assert one_command(ssh(daemon, "x", "format c:")).returncode == 1
    plain = one_command(ssh(daemon, "Nina", options=("-T",)), "hello\n/who\n")
    assert plain.returncode == 0
    assert "Hello Nina, you are now connected!\n" in plain.stdout


def test_what_is_not_for_guests_is_refused_and_logged(daemon: Daemon, tmp_path: Path) -> None:
    """Forwarding of ports, agents and screens, and files: the session goes on without, or there is none."""
    files = ["-P", str(daemon.port), *TRUSTING]
    assert one_command([program("sftp"), *files, "Sven@127.0.0.1"]).returncode == 255
    assert one_command([program("scp"), *files, str(tmp_path / "id"), "Sven@127.0.0.1:x"]).returncode != 0
    forwarded = ssh(daemon, "Fred", "-N", options=("-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:9"))
    assert one_command(forwarded).returncode == 255
    through = one_command(ssh(daemon, "Lisa", options=("-W", "127.0.0.1:9")))  # what -L does for each connection it takes
    assert "stdio forwarding failed" in through.stderr
    agent = Terminal(ssh(daemon, "Axel", options=("-A", "-X")))
    agent.until("Hello Axel, you are now connected!")
    agent.type("exit\r")
    assert agent.status() == 0
    for what in ("the request subsystem", "the request tcpip-forward", "a channel direct-tcpip"):
        daemon.wait_for(rf"\[SSH\] \('127\.0\.0\.1', \d+\) was refused {what}\.")


def test_the_line_that_is_typed_stays_whole(daemon: Daemon) -> None:
    """While 200 messages come, at any speed, what was typed stands below them, and is said as it was typed."""
    typist, other = Terminal(ssh(daemon, "Tim")), Talker(daemon.port, "Otto")
    typist.until("Hello Tim, you are now connected!")
    text = "a line that takes its time, \u6f22\u5b57 and \U0001f600 too"
    for number, character in enumerate(text):
        typist.type(character)
        other.say(*(f"{number}.{again}" for again in range(5)))
    typist.until(f"<Otto> {len(text) - 1}.4")
    typist.type("\r")
    other.until(f"<Tim> {text}")
    os.kill(typist.pid, signal.SIGKILL)
    assert typist.status() == -signal.SIGKILL
    assert not re.search("Traceback", daemon.output)
