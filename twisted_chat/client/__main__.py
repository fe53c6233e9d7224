"""The command ``twisted-chat [HOST[:PORT]]``: it parses the command line and chooses the front end."""

import argparse
import getpass
import os
import sys
from collections.abc import Sequence

from twisted_chat import __version__
from twisted_chat.client.connection import Conversation
from twisted_chat.client.encryption import Server, known_hosts
from twisted_chat.config import Config
from twisted_chat.core.errors import BadName
from twisted_chat.core.text import names

# The environment variable with which a script passes a password: other users could read it on the command line.
PASSWORD = "TWISTED_CHAT_PASSWORD"  # noqa: S105


def place(text: str) -> tuple[str, int]:
    """Parse ``HOST``, ``HOST:PORT``, ``[IPV6]:PORT`` or a bare IPv6 address into host and port. Raise `ValueError`."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.endswith("]")) or text.endswith("]"):
        host, port = text, str(Config().port)
    return host.strip("[]") or "127.0.0.1", int(port)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the client and exit with its status."""
    parser = argparse.ArgumentParser(
        prog="twisted-chat",
        description="Talk on a twisted_chat server.",
        epilog=f"A registered name's password is asked for, or taken from the environment: {PASSWORD}.",
    )
    parser.add_argument(
        "place",
        metavar="HOST[:PORT]",
        nargs="?",
        default=f"127.0.0.1:{Config().port}",
        type=place,
        help="the server (default: %(default)s)",
    )
    parser.add_argument("--name", help="your name (default: you are asked; in a pipe, your login name)")
    parser.add_argument("--room", help="the room to come into (default: where you were, else the lobby)")
    parser.add_argument("--code", help="an invitation")
    parser.add_argument(
        "--insecure-plain", action="store_true", help="don't encrypt: all you say and hear can be read on the way"
    )
    parser.add_argument("--version", action="version", version=f"twisted-chat {__version__}")
    given = parser.parse_args(arguments)
    try:
        room = names.room(given.room) if given.room else None
    except BadName as error:
        parser.error(str(error))
    host, port = given.place
    password = os.environ.get(PASSWORD)
    if sys.stdin.isatty() and sys.stdout.isatty():
        from twisted_chat.client.terminal import run
    else:
        from twisted_chat.client.pipe import run
    name = given.name or ("" if sys.stdin.isatty() and sys.stdout.isatty() else getpass.getuser())
    server = Server(host, port, known_hosts(), given.insecure_plain)
    sys.exit(run(server, lambda front: Conversation(front, name, room, password, given.code, plain=given.insecure_plain)))


if __name__ == "__main__":
    main()
