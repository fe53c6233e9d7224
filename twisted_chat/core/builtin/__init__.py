"""The commands, a few lines each. How they are found and checked stands in `core.commands`.

Each module declares its own in the one ``table``.
"""

from twisted_chat.core.builtin import (
    accounts,
    claims,
    invitations,
    keys,
    looking,
    moderation,
    people,
    policies,
    reading,
    rooms,
    server,
    talking,
    tokens,
)
from twisted_chat.core.builtin.table import table

__all__ = [
    "accounts",
    "claims",
    "invitations",
    "keys",
    "looking",
    "moderation",
    "people",
    "policies",
    "reading",
    "rooms",
    "server",
    "table",
    "talking",
    "tokens",
]
