"""A real daemon and every way in: real programs, in clear and encrypted; certificates exchanged; a socket passed in."""

import contextlib
import json
import re
import resource
import signal
import socket
import ssl
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from daemons import CHECKOUT, CLIENT, ENVIRONMENT, OPEN, PATIENCE, TWISTD, Daemon, Talker, program, running

from twisted_chat.net.certificates import CERTIFICATE, KEY, load, make

# How many people talk over TLS while the certificate is exchanged.
PEOPLE = 100


class TlsTalker(Talker):
    """A socket that speaks lines inside TLS, whoever the server is."""

    def __init__(self, port: int, name: str | None = None) -> None:
        super().__init__(port)
        OPEN.remove(self.socket)
        self.socket = trusting().wrap_socket(self.socket)
        OPEN.append(self.socket)
        if name is not None:
            self.say(name)
            self.until(f"Hello {name}, you are now connected!")

    def until(self, text: str) -> str:
        """All that came up to and with this text. It waits for decrypted bytes, which a socket can't be asked for."""
        while text.encode() not in self.seen:
            data = self.socket.recv(65536)
            assert data, f"closed before {text!r}: {self.seen!r}"
            self.seen += data
        return super().until(text)


def trusting() -> ssl.SSLContext:
    """Takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def spoken(output: str) -> list[str]:
    """What Ann and Ben said, in the order in which it came."""
    return re.findall(r"<(?:Ann|Ben)> (\w+)", output)


def test_every_way_in_leads_to_one_room(tmp_path: Path) -> None:
    """telnet, nc, openssl, the client encrypted and not, programs: each line once at each, in one order; a form is no chat."""
    with running(tmp_path, "--limits=off") as daemon:
        place = f"127.0.0.1:{daemon.port}"
        commands = {
            "Tina": [program("telnet"), "127.0.0.1", str(daemon.port)],
            "Nina": [program("nc"), "127.0.0.1", str(daemon.port)],
            "Olga": [program("openssl"), "s_client", "-quiet", "-connect", place],
            "Olaf": [program("openssl"), "s_client", "-quiet", "-tls1_2", "-connect", place],
            "Cleo": [*CLIENT, place, "--name", "Cleo"],
            "Paul": [*CLIENT, place, "--name", "Paul", "--insecure-plain"],
        }
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        running_programs = {name: subprocess.Popen(command, env=ENVIRONMENT, **pipes) for name, command in commands.items()}
        for name in ("Tina", "Nina", "Olga", "Olaf"):
            running_programs[name].stdin.write(f"{name}\n".encode())
            running_programs[name].stdin.flush()
        watcher, program_in_tls = Talker(daemon.port, "Watcher"), TlsTalker(daemon.port)
        program_in_tls.ask(type="hello", name="Jason")
        program_in_tls.until('"type":"people"')
        here = ""
        while any(name not in here for name in commands):
            watcher.say("/who")
            watcher.until("-> In #lobby: ")
            here = watcher.until("\r\n")
        assert {name: re.search(rf"{name} \((.*?)\)", here)[1] for name in (*commands, "Jason", "Watcher")} == {
            "Tina": "telnet or nc",
            "Nina": "telnet or nc",
            "Olga": "telnet or nc, encrypted",
            "Olaf": "telnet or nc, encrypted",
            "Cleo": "JSON, encrypted",
            "Paul": "JSON",
            "Jason": "JSON, encrypted",
            "Watcher": "telnet or nc",
        }
        ann, ben = Talker(daemon.port, "Ann"), TlsTalker(daemon.port, "Ben")
        for number in range(50):
            ann.say(f"a{number}")
            ben.say(f"b{number}")
            if number == 25:
                for scheme in ("http", "https"):
                    curl = [program("curl"), "-skv", "-d", "Eve\nhello\n", f"{scheme}://{place}/"]
                    done = subprocess.run(curl, capture_output=True, timeout=PATIENCE, text=True)
                    assert done.returncode == 0
                    assert "< HTTP/1.1 405 Method Not Allowed" in done.stderr
                    assert json.loads(done.stdout)["code"] == "wrong-method"
        everything = {f"{who}{number}" for who in "ab" for number in range(50)}
        watched = ""
        while not everything <= set(spoken(watched)):
            watched += watcher.until("\r\n")
        order = spoken(watched)
        assert len(order) == 100
        for name, process in running_programs.items():
            output = ""
            while len(spoken(output)) < 100:
                line = process.stdout.readline().decode()
                assert line, f"{name} ended: {output}"
                output += line
            assert spoken(output) == order, name
            process.kill()
            process.communicate()
        said = []
        while len(said) < 100:
            line = program_in_tls.until("\n")
            if line.startswith('{"type":"said"'):
                said.append(json.loads(line)["text"])
        assert said == order
        watcher.say("/who")
        assert "Eve" not in watcher.until("-> In #lobby:") + watcher.until("\r\n")
        assert "hello" not in watched


def test_an_ssh_client_shows_its_user_how_to_come_in(tmp_path: Path) -> None:
    """Where SSH is not spoken: in its own protocol, and not as an error of it."""
    with running(tmp_path, "--protocols=line,json,irc,tls") as daemon:
        command = [program("ssh"), "-p", str(daemon.port), "-o", "BatchMode=yes", "bob@127.0.0.1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
        assert f"SSH is not spoken here. Come in with: openssl s_client -quiet -connect 127.0.0.1:{daemon.port}" in done.stderr


def test_a_new_certificate_drops_nobody(tmp_path: Path) -> None:
    """SIGHUP while 100 people talk over TLS: all go on, newcomers are shown the new one, and a broken one changes nothing."""
    with running(tmp_path, "--limits=off") as daemon:
        old = fingerprint(tmp_path)
        assert old == daemon.wait_for(r"certificate \(SHA-256\): ([0-9A-F:]+)")[1]
        people = [TlsTalker(daemon.port, f"Person{number}") for number in range(PEOPLE)]
        assert seen_by(people[0]) == old
        for number, person in enumerate(people):
            person.say(f"before {number}")
        (tmp_path / "tls" / CERTIFICATE).unlink()
        make(tmp_path / "tls")
        new = fingerprint(tmp_path)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for(re.escape(new))
        newcomer = TlsTalker(daemon.port, "Newcomer")
        assert seen_by(newcomer) == new != old
        newcomer.say("/fingerprint")
        newcomer.until(new)
        (tmp_path / "tls" / KEY).write_text("nothing")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for(r"The certificate stays the old one\. The file .*privkey\.pem is not a key in PEM form\.")
        assert seen_by(TlsTalker(daemon.port, "Latest")) == new
        for number, person in enumerate(people):
            person.say(f"after {number}")
        for person in people:
            seen = others_words(person)
            assert len(seen) == len(set(seen)) == 2 * PEOPLE - 2


def others_words(person: TlsTalker) -> list[str]:
    """What one person saw of the others, up to the last word of each of them."""
    while len(found := re.findall(rb"> ((?:before|after) \d+)\r\n", person.seen)) < 2 * PEOPLE - 2:
        data = person.socket.recv(65536)
        assert data, f"dropped: {person.seen!r}"
        person.seen += data
    return [words.decode() for words in found]


def fingerprint(state: Path) -> str:
    """What the certificate in a state folder is known by."""
    return load(state / "tls" / CERTIFICATE, state / "tls" / KEY).fingerprint.hex


def seen_by(talker: TlsTalker) -> str:
    """What the certificate that somebody was shown is known by, by Python's own TLS."""
    return sha256(talker.socket.getpeercert(binary_form=True)).digest().hex(":").upper()


def test_who_goes_without_a_goodbye_has_gone(tmp_path: Path) -> None:
    """Control-C ends openssl in the middle of TLS: the name is free at once, as it is with nc; half a line is not said."""
    with running(tmp_path) as daemon:
        watcher = TlsTalker(daemon.port, "Watcher")
        command = [program("openssl"), "s_client", "-quiet", "-connect", f"127.0.0.1:{daemon.port}"]
        olga = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        olga.stdin.write(b"Olga\nwhole\nhalf")
        olga.stdin.flush()
        watcher.until("<Olga> whole")
        olga.send_signal(signal.SIGINT)
        olga.communicate()
        watcher.until("* Olga left")
        TlsTalker(daemon.port, "Olga").say("again")
        assert "half" not in watcher.until("<Olga> again")


def test_noise_inside_tls_is_no_news(tmp_path: Path) -> None:
    """Handshakes that break off, and records that are none: nothing of it is in the log, and others talk on."""
    with running(tmp_path) as daemon:
        ann = TlsTalker(daemon.port, "Ann")
        for noise in (b"\x16\x03", b"\x16\x03\x01\x00\x05hello" * 9, b"\x16\x03\x01\xff\xff" + b"\xff" * 70000):
            talker = Talker(daemon.port)
            talker.socket.sendall(noise)
            talker.socket.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                while talker.socket.recv(65536):
                    pass
        broken = TlsTalker(daemon.port, "Broken")
        raw = socket.socket(fileno=broken.socket.detach())
        raw.sendall(b"\x17\x03\x03\x00\x10" + bytes(16))
        raw.close()
        ann.until("* Broken left")
        ann.say("well")
        ann.until("I received your message - 'well'")
        daemon.end()
        assert not re.search("Traceback|Unhandled|Error", daemon.output)


def test_stalled_readers_inside_tls_cost_little_memory(tmp_path: Path) -> None:
    """Ten that take nothing while 20 MB are said: each costs what a buffer holds; one that reads on misses nothing."""
    with running(tmp_path, "--limits=off", "--receipts=never") as daemon:
        stalled = [TlsTalker(daemon.port, f"Stalled{number}") for number in range(10)]
        speaker = Talker(daemon.port)
        speaker.ask(type="hello", name="Speaker")
        speaker.until('"type":"people"')
        before = memory(daemon)
        for number in range(5000):
            speaker.ask(type="say", text=f"{number:04}".ljust(4000, "x"), id=str(number))
            if number % 100 == 99:
                speaker.until(f'"id":"{number}"')
        assert memory(daemon) - before < 48 * 1024 * 1024, "the tail of 4 MB, what is read and written, and 10 buffers"
        seen: list[int] = []
        while len(seen) < 5000:
            _, _, text = stalled[0].until("\r\n").partition("<Speaker> ")
            seen += [int(text[:4])] if text else []
        assert seen == list(range(5000))


def memory(daemon: Daemon) -> int:
    """The daemon's resident memory, in bytes."""
    return int(Path(f"/proc/{daemon.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_socket_that_is_passed_in(tmp_path: Path) -> None:
    """As systemd does: it listens before the daemon is there, and is told when that is ready, and when it stops."""
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notices.bind(str(tmp_path / "notify"))
    notices.settimeout(PATIENCE)
    listener = socket.create_server(("127.0.0.1", 0))
    early = Talker(listener.getsockname()[1])
    # What systemd does between fork and exec: the socket becomes descriptor 3, for this process.
    launcher = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); "
    launcher += "os.execvp(sys.argv[2], sys.argv[2:])"
    options = ["chat", "--listen=systemd:domain=INET:index=0", f"--state={tmp_path / 'state'}"]
    command = [sys.executable, "-c", launcher, str(listener.fileno()), *TWISTD, "-n", "--pidfile=", *options]
    environment = ENVIRONMENT | {
        "LISTEN_FDS": "1",
        "LISTEN_FDNAMES": "twisted-chat.socket",
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
    }
    process = subprocess.Popen(
        command, env=environment, pass_fds=[listener.fileno()], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    try:
        assert notices.recv(100) == b"READY=1"
        early.say("Early")
        early.until("Hello Early, you are now connected!")
        process.terminate()
        assert notices.recv(100) == b"STOPPING=1"
        assert "Server is shutting down" in early.rest()
        assert process.wait(PATIENCE) == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()
        notices.close()
        listener.close()


def test_the_unit_starts_what_there_is() -> None:
    """Each option in the unit's command line is one of ours, and it says how it is told that the daemon is ready."""
    unit = (CHECKOUT / "docs" / "twisted-chat.service").read_text("utf-8")
    found = re.search(r"^ExecStart=\S+/(twistd -n --pidfile= chat .*)$", unit, re.MULTILINE)
    assert found is not None
    assert "Type=notify" in unit
    done = subprocess.run([*TWISTD, *found[1].split()[1:], "--help"], env=ENVIRONMENT, capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tls=/nowhere"], "The file /nowhere/fullchain.pem can't be read: No such file or directory."),
        (["--state=none", "--tls=auto"], "With --tls auto there has to be a folder to keep the key in: see --state."),
        (["--state=none", "--require-tls"], "With --require-tls there has to be a certificate: see --tls."),
        (["--tls=off", "--listen=tls@unix:/x"], "On unix:/x nothing would be spoken: no TLS, and no clear text either."),
        (["--require-tls", "--listen=json@unix:/x"], "On unix:/x nothing would be spoken: no TLS, and no clear text either."),
        (["--protocols=line,smoke"], "--protocols: there is no protocol 'smoke'; there are: line, tls, json, web, ssh, irc"),
        (["--listen=smoke@tcp:0"], "--listen: there is no protocol 'smoke'; there are: line, tls, json, web, ssh, irc"),
    ],
)
def test_what_can_not_be_encrypted_is_one_line(options: list[str], words: str, tmp_path: Path) -> None:
    """Said on the terminal, and nothing is started."""
    command = [*TWISTD, "-n", "--pidfile=", "chat", f"--state={tmp_path}", "--port=0", *options]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (1, f"twistd chat: {words}\n")


def test_the_key_is_ours_alone(tmp_path: Path) -> None:
    """Made once, readable by nobody else, and the same after a restart."""
    with running(tmp_path) as daemon:
        first = daemon.wait_for(r"certificate \(SHA-256\): ([0-9A-F:]+)")[1]
        daemon.end()
    assert oct((tmp_path / "tls" / KEY).stat().st_mode & 0o777) == "0o600"
    with running(tmp_path) as daemon:
        assert daemon.wait_for(r"certificate \(SHA-256\): ([0-9A-F:]+)")[1] == first
