-- Schema 8. The way back: stop the daemon and put chat-schema-7.db, the copy made by the upgrade, in the place of chat.db.

-- What a room's operator forbids binds no operator of that room of the same rank or a higher one.
ALTER TABLE sanctions ADD COLUMN rank INTEGER NOT NULL DEFAULT 6;  -- of who made it: see Role in core/users/session.py; 6 is unknown

-- From where an account's password or key has come: others' guesses elsewhere don't delay its owner there.
ALTER TABLE accounts ADD COLUMN sources TEXT NOT NULL DEFAULT '[]';  -- JSON list of digests of addresses, with the secret in facts; the latest last

-- What is closed stays closed: a closed room survives a restart also if nobody owns it, and a later room of its name does not show
-- what was said before. Of a closed room that has ended its row stays, with closed = 0 and no owner, to say where a later one begins.
ALTER TABLE rooms ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;       -- 1 if its policy is, or was ever, closed
ALTER TABLE rooms ADD COLUMN begins INTEGER NOT NULL DEFAULT 0;       -- seq of the last message of an earlier room of this name
ALTER TABLE rooms ADD COLUMN shut_out TEXT NOT NULL DEFAULT '{}';     -- JSON object: folded name to a list of [first, last] seqs hidden from it
ALTER TABLE rooms ADD COLUMN guests TEXT NOT NULL DEFAULT '{}';       -- JSON object: folded name of a guest who is operator to a list of their secrets, hashed
-- A proof of who somebody is ends with the account and with its password.
ALTER TABLE accounts ADD COLUMN id TEXT NOT NULL DEFAULT '';          -- random: no later account of the name has it; '' if made before
ALTER TABLE accounts ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;  -- how often the password was changed

-- Operators claim their names with a code. Accounts from before that keep their rights.
ALTER TABLE accounts ADD COLUMN claimed INTEGER NOT NULL DEFAULT 2;     -- 0: not with a code; 1: with a code; 2: older than codes are

-- How many invitations one guest makes is bounded, whatever the guest is called.
ALTER TABLE invitations ADD COLUMN source TEXT NOT NULL DEFAULT '';   -- an account's folded name, or what stands for a guest's address; '' if made before
-- What operators of rooms do is kept apart from what those of the server do, and bounded by room and person.
ALTER TABLE deeds ADD COLUMN of_server INTEGER NOT NULL DEFAULT 1;    -- 1 if an operator of the server did it, or it was done to the whole server
CREATE INDEX deeds_by_room ON deeds (room, id);
CREATE INDEX deeds_by_who ON deeds (who, id) WHERE of_server = 0;
CREATE INDEX deeds_of_server ON deeds (id) WHERE of_server = 1;

-- The indexes of words and of rooms are in a file of their own: see index.sql.
DROP TRIGGER words_changed;
DROP TRIGGER words_gone;
DROP TABLE words;
DROP TABLE runs;
ALTER TABLE log DROP COLUMN indexed;
