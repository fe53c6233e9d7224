"""The table of IRC's commands (verbs). Each leads to a command of the common table.

A verb declares only the requirements of IRC itself: the number of parameters, and whether the client must be registered.
The command that the verb stands for checks permissions. A verb that only asks stands for no command: it is answered from
presence and the log, as far as the client may know, and is charged (`IrcConnection.look`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from twisted_chat.core.command_table.table import Answering

# The first argument is the connection, which cannot be named here: it imports this table.
Handler: TypeAlias = Callable[[Any, Sequence[str]], Answering | None]


@dataclass(frozen=True, slots=True)
class Verb:
    """A command of IRC.

    ``early``: it is allowed before registration. ``alongside``: it does not wait for the client's own messages.
    ``orders``: it waits for the messages of all clients, because it changes state that other clients may be changing too,
    or says that all is delivered.
    """

    handler: Handler
    needs: int  # parameters
    early: bool
    alongside: bool
    orders: bool


VERBS: dict[str, Verb] = {}


def verb(
    name: str, needs: int = 0, *, early: bool = False, alongside: bool = False, orders: bool = False
) -> Callable[[Handler], Handler]:
    """Declare the decorated handler as a command."""

    def declare(handler: Handler) -> Handler:
        VERBS[name] = Verb(handler, needs, early, alongside, orders)
        return handler

    return declare
