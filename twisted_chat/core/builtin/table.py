"""The one table of all commands."""

from twisted_chat.core.commands import Table

table = Table()
