"""A chat as one writes it first: each line is written to each reader. What a plain Twisted loop costs.

It speaks as much of our line dialect as the load needs, and sends the same bytes a message. Nothing is checked,
announced, kept or bounded. ``python bench/plain.py PORT`` runs it.
"""

import sys
from collections import defaultdict

from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver

ROOMS: dict[bytes, set["Plain"]] = defaultdict(set)


class Plain(LineReceiver):
    """One person."""

    delimiter = b"\n"
    name = b""
    room = b"#lobby"

    def connectionMade(self) -> None:
        """Called by the transport."""
        self.transport.setTcpNoDelay(True)

    def connectionLost(self, reason: object = None) -> None:
        """Called by the transport."""
        ROOMS[self.room].discard(self)

    def lineReceived(self, line: bytes) -> None:
        """Called for each line."""
        if not self.name:
            self.name = line
            ROOMS[self.room].add(self)
            self.transport.write(b"Hello %s, you are now connected!\r\n" % line)
        elif line.startswith(b"/join "):
            ROOMS[self.room].discard(self)
            self.room = line.split()[1]
            ROOMS[self.room].add(self)
        elif line.startswith(b"/leave "):
            self.transport.write(b"-> You have left #lobby.\r\n")
        else:
            shown = b"[12:01] <%s> %s\r\n" % (self.name, line)
            for other in ROOMS[self.room]:
                if other is not self:
                    other.transport.write(shown)


def main() -> None:
    """Run it."""
    from twisted.internet import reactor

    reactor.listenTCP(int(sys.argv[1]), Factory.forProtocol(Plain), backlog=1024, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
