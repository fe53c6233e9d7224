-- Schema 8. The way back: stop the daemon and put chat-schema-7.db, the copy made by the upgrade, in the place of chat.db.

-- What a room's operator forbids binds no operator of that room of the same rank or a higher one.
ALTER TABLE sanctions ADD COLUMN rank INTEGER NOT NULL DEFAULT 5;  -- of who made it: see Role in core/session.py; 5 binds everybody

-- From where an account's password or key has come: others' guesses elsewhere don't delay its owner there.
ALTER TABLE accounts ADD COLUMN sources TEXT NOT NULL DEFAULT '[]';  -- JSON list of digests of addresses, with the secret in facts; the latest last
