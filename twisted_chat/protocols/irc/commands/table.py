"""How IRC's commands are declared: a table of their own, from which each comes to the one of all commands.

Here stands only what IRC asks for by itself: how many parameters there have to be, and whether one has to have
registered. What somebody may do is checked by the command that their verb stands for. What only asks stands for none: it
is answered from who is here and what is kept, as far as one may know of it, and is counted (`IrcConnection.look`).
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

    ``early``: before registration, too. ``alongside``: it need not wait for one's own messages. ``orders``: it waits
    for everybody's, as it changes what others may be changing too, or says that all is delivered.
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
