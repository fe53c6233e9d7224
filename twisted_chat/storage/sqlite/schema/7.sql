-- Schema 7: keeping a message costs half of what it did, once more. Where each room's messages are takes one row for many of them,
-- the index of words is merged less often, and a CHECK is written so that it costs nothing.

-- A CHECK can't be changed: the table is made anew. With IN and more than two values, SQLite makes a table of them each time.
CREATE TABLE messages_7 (
    seq    INTEGER PRIMARY KEY,  -- the sequence number: the order everybody saw
    time   REAL    NOT NULL,     -- when it was said, in seconds since 1970 UTC; for showing, not for ordering
    room   TEXT    NOT NULL,     -- the room's key, folded: '#lobby'; or whose inbox it is: '@ann'
    kind   TEXT    NOT NULL CHECK (kind = 'said' OR kind = 'emoted' OR kind = 'told'),
    author TEXT    NOT NULL,     -- the name as it was shown then
    text   TEXT    NOT NULL,     -- made safe before it came here: see core/text/sanitize.py; '(deleted)' if an operator took it out
    key    BLOB                  -- the message's own id, hashed with its sender's secret; NULL if the sender gave none
) STRICT;
INSERT INTO messages_7 SELECT seq, time, room, kind, author, text, key FROM messages;
DROP VIEW messages_by_room;
DROP TABLE messages;
ALTER TABLE messages_7 RENAME TO messages;
CREATE UNIQUE INDEX messages_by_key ON messages (key) WHERE key IS NOT NULL;
CREATE TRIGGER words_changed AFTER UPDATE OF text ON messages WHEN old.room LIKE '#%' AND old.seq <= (SELECT indexed FROM log) BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.seq, old.text);
    INSERT INTO words (rowid, text) VALUES (new.seq, new.text);
END;
CREATE TRIGGER words_gone AFTER DELETE ON messages WHEN old.room LIKE '#%' AND old.seq <= (SELECT indexed FROM log) BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.seq, old.text);
END;

-- Which messages a room has, those up to log.indexed: the room's runs follow one another. See storage/index/room_index.py.
CREATE TABLE runs (
    room  TEXT    NOT NULL,      -- as in messages
    first INTEGER NOT NULL,      -- the lowest of the numbers
    last  INTEGER NOT NULL,      -- the highest
    since REAL    NOT NULL,      -- none of them was said before, in seconds since 1970 UTC
    seqs  TEXT    NOT NULL,      -- JSON list of the numbers, in order; the oldest may have been taken out of messages since
    PRIMARY KEY (room, first)
) STRICT, WITHOUT ROWID;
INSERT INTO runs (room, first, last, since, seqs)
    SELECT room, min(seq), max(seq), min(time), json_group_array(seq) FROM (
        SELECT room, seq, time, (row_number() OVER (PARTITION BY room ORDER BY seq) - 1) / 256 AS part FROM places JOIN messages USING (room, seq)
        ORDER BY room, seq
    ) GROUP BY room, part;
DROP TABLE places;

-- So many parts of the index of words of one size become one: with the usual 4 each word is written anew more often.
INSERT INTO words (words, rank) VALUES ('automerge', 8);
