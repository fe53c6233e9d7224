"""One person: session, name, account, settings, keys. No rooms."""
