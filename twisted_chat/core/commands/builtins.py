"""All commands. Importing this module declares them in the one ``table``."""

from twisted_chat.core.command_table.table import table
from twisted_chat.core.commands import (
    accounts,
    claims,
    history,
    ignore,
    invitations,
    messages,
    moderation,
    queries,
    room_settings,
    rooms,
    server,
    ssh_keys,
    tokens,
)

__all__ = [
    "accounts",
    "claims",
    "history",
    "ignore",
    "invitations",
    "messages",
    "moderation",
    "queries",
    "room_settings",
    "rooms",
    "server",
    "ssh_keys",
    "table",
    "tokens",
]
