"""Message logs, records and passwords. Nothing here knows a protocol."""
