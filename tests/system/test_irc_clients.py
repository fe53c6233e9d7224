"""Real IRC clients, in a pseudo-terminal, with somebody at telnet and somebody at our own client in the same room."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from daemons import CLIENT, ENVIRONMENT, Daemon, Talker, program, running
from pty_screen import Screen

PASSWORD = "correct horse battery"

Starts = Callable[[Path, int, str, bool], Screen]


def weechat(folder: Path, port: int, fingerprint: str, sasl: bool) -> Screen:
    """weechat as annie: inside TLS if there is a fingerprint to hold the server to, and logged in as ann by SASL."""
    path = program("weechat")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    tls, flood = ("tls", "anti_flood") if int(version.split(".")[0]) >= 4 else ("ssl", "anti_flood_prio_high")
    server = {"addresses": f"127.0.0.1/{port}", "nicks": "annie", tls: "on" if fingerprint else "off", flood: "0"}
    if fingerprint:
        server[f"{tls}_fingerprint"] = fingerprint.replace(":", "").lower()
    if sasl:
        server |= {"sasl_username": "ann", "sasl_password": PASSWORD}
    commands = ["/server add chat 127.0.0.1", *(f"/set irc.server.chat.{name} {value}" for name, value in server.items())]
    commands += ["/set weechat.look.paste_max_lines -1"]  # lines that are typed quickly are lines
    commands += ["/set irc.look.server_buffer independent", "/connect chat"]
    return Screen([path, "-d", str(folder), *(word for command in commands for word in ("-r", command))], ENVIRONMENT)


def irssi(folder: Path, port: int, fingerprint: str, sasl: bool) -> Screen:
    """irssi, likewise."""
    login = f'sasl_mechanism = "PLAIN"; sasl_username = "ann"; sasl_password = "{PASSWORD}";' if sasl else ""
    tls = f'use_tls = "yes"; tls_verify = "no"; tls_pinned_cert = "{fingerprint}";' if fingerprint else ""
    (folder / "config").write_text(
        f"""
        servers = ({{ address = "127.0.0.1"; chatnet = "chat"; port = "{port}"; autoconnect = "yes"; {tls} }});
        chatnets = {{ chat = {{ type = "IRC"; nick = "annie"; {login} }}; }};
        settings = {{ core = {{ real_name = "Ann"; user_name = "ann"; nick = "annie"; }};
                     "irc/core" = {{ cmd_queue_speed = "1msec"; }}; }};
        """
    )
    return Screen([program("irssi"), f"--home={folder}"], ENVIRONMENT)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon at which the name ann is registered."""
    with running(tmp_path / "state") as one:
        with closing(Talker(one.port, "ann")) as ann:
            ann.say("/register", PASSWORD)
            ann.until("ann is yours now.")
        yield one


@pytest.mark.parametrize("start", [weechat, irssi])
@pytest.mark.parametrize("way", ["plain", "TLS", "TLS and SASL"])
def test_a_real_client_is_one_among_others(start: Starts, way: str, daemon: Daemon, tmp_path: Path) -> None:
    """It joins and is shown what was said before; it talks with telnet and our client; receipt, topic and kick arrive."""
    name = "ann" if "SASL" in way else "annie"
    fingerprint = "" if way == "plain" else daemon.wait_for(r"SHA-256\): (\S+)")[1]
    (tmp_path / "client").mkdir()
    place = f"127.0.0.1:{daemon.port}"
    with ExitStack() as open_screens:

        def opened(screen: Screen) -> Screen:
            return open_screens.enter_context(closing(screen))

        bob = opened(Screen([program("telnet"), *place.split(":")], ENVIRONMENT))
        bob.shows("name")
        for line in ("bob", "/join #tea", "the kettle is on"):
            bob.type(line)
        bob.shows("the kettle is on")
        cleo = opened(Screen([*CLIENT, "--name", "cleo", "--room", "#tea", "--insecure-plain", place], ENVIRONMENT))
        bob.shows("cleo joined")

        client = opened(start(tmp_path / "client", daemon.port, fingerprint, "SASL" in way))
        client.shows("MOTD File is missing")  # the end of the welcome
        client.type("/join #tea")
        client.shows("the kettle is on")
        bob.shows(f"{name} joined")

        client.type("a cup for me")
        for other in (bob, cleo):
            other.shows(f"<{name}> a cup for me")
        cleo.type("and one for me")
        bob.type("here you are")
        client.shows("and one for me")
        client.shows("here you are")

        client.type("/quote CAP REQ echo-message")
        client.type("is this kept?")
        client.shows("is this kept?", 2)  # as it was typed, and as it came back from disk

        bob.type("/topic all about tea")
        client.shows("all about tea")
        bob.type(f"/op {name}")
        client.shows(f"+o {name}")
        client.type("/topic coffee")
        for other in (bob, cleo):
            other.shows("coffee")
        client.type("/kick cleo spilled")
        for other in (bob, cleo):
            other.shows("spilled")
        bob.type(f"/kick {name} enough")
        client.shows("enough")
