-- Schema 2: names, rooms and operators' deeds are kept; private messages too; messages can be searched.

-- A CHECK can't be changed: the table is made anew.
CREATE TABLE messages_2 (
    seq    INTEGER PRIMARY KEY,  -- the sequence number: the order everybody saw
    time   REAL    NOT NULL,     -- when it was said, in seconds since 1970 UTC; for showing, not for ordering
    room   TEXT    NOT NULL,     -- the room's key, folded: '#lobby'; or whose inbox it is: '@ann'
    kind   TEXT    NOT NULL CHECK (kind IN ('said', 'emoted', 'told')),
    author TEXT    NOT NULL,     -- the name as it was shown then
    text   TEXT    NOT NULL,     -- made safe before it came here: see core/text/sanitize.py; '(deleted)' if an operator took it out
    key    BLOB    UNIQUE        -- the message's own id, hashed with its sender's secret; NULL if the sender gave none
) STRICT;
INSERT INTO messages_2 SELECT seq, time, room, kind, author, text, key FROM messages;
DROP TABLE messages;
ALTER TABLE messages_2 RENAME TO messages;
CREATE INDEX messages_by_room ON messages (room, seq);

-- The words of messages, for searching. Its rowid is the message's seq; the texts themselves stand in messages.
CREATE VIRTUAL TABLE words USING fts5 (text, content = 'messages', content_rowid = 'seq', tokenize = 'unicode61 remove_diacritics 2');
INSERT INTO words (rowid, text) SELECT seq, text FROM messages WHERE room LIKE '#%';
CREATE TRIGGER words_added AFTER INSERT ON messages WHEN new.room LIKE '#%' BEGIN
    INSERT INTO words (rowid, text) VALUES (new.seq, new.text);
END;
CREATE TRIGGER words_changed AFTER UPDATE OF text ON messages WHEN old.room LIKE '#%' BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.seq, old.text);
    INSERT INTO words (rowid, text) VALUES (new.seq, new.text);
END;
CREATE TRIGGER words_gone AFTER DELETE ON messages WHEN old.room LIKE '#%' BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.seq, old.text);
END;

-- Registered names.
CREATE TABLE accounts (
    key      TEXT PRIMARY KEY,   -- the name, folded
    name     TEXT NOT NULL,      -- the name as it is shown
    password TEXT NOT NULL,      -- hashed: 'scrypt$N$r$p$salt$hash', the last two in base64
    created  REAL NOT NULL,      -- seconds since 1970 UTC
    settings TEXT NOT NULL,      -- JSON object: setting to value, see core/users/settings.py
    ignores  TEXT NOT NULL,      -- JSON list of folded names
    known    TEXT NOT NULL,      -- JSON list of folded names they have written to
    rooms    TEXT NOT NULL,      -- JSON list of the rooms they are in, or were in when they left
    read     TEXT NOT NULL       -- JSON object: room or inbox to the number up to which they have read
) STRICT;

-- Rooms that last: those with an owner, and the lobby once something about it was changed.
CREATE TABLE rooms (
    key     TEXT PRIMARY KEY,    -- folded, with its #
    owner   TEXT NOT NULL,       -- folded name; empty if nobody owns it
    topic   TEXT NOT NULL,
    created REAL NOT NULL,       -- seconds since 1970 UTC
    policy  TEXT NOT NULL        -- JSON object, see Policy in core/records.py
) STRICT;

-- Bans and mutes, those that have expired too until they are taken away.
CREATE TABLE sanctions (
    id     INTEGER PRIMARY KEY,
    kind   TEXT NOT NULL CHECK (kind IN ('ban', 'mute')),
    room   TEXT NOT NULL,        -- empty: the whole server
    target TEXT NOT NULL,        -- a folded name, an address, or a network
    by     TEXT NOT NULL,        -- folded name
    at     REAL NOT NULL,        -- seconds since 1970 UTC
    until  REAL,                 -- NULL: for good
    reason TEXT NOT NULL
) STRICT;

-- Codes that let a guest into a room.
CREATE TABLE invitations (
    code  TEXT PRIMARY KEY,      -- hashed: who reads this can't use it
    room  TEXT NOT NULL,
    by    TEXT NOT NULL,         -- folded name
    until REAL NOT NULL          -- seconds since 1970 UTC
) STRICT;

-- Facts about the whole server: 'motd', 'lockdown'.
CREATE TABLE facts (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- What operators did. Only ever added to.
CREATE TABLE deeds (
    id   INTEGER PRIMARY KEY,
    at   REAL NOT NULL,          -- seconds since 1970 UTC
    who  TEXT NOT NULL,          -- folded name
    room TEXT NOT NULL,          -- empty: the whole server
    what TEXT NOT NULL
) STRICT;
