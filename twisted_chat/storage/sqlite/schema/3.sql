-- Schema 3: keeping a message costs half of what it did. The index of words is brought up to date many messages at a time,
-- and only messages with a key stand in the index of keys.

CREATE TABLE messages_3 (
    seq    INTEGER PRIMARY KEY,  -- the sequence number: the order everybody saw
    time   REAL    NOT NULL,     -- when it was said, in seconds since 1970 UTC; for showing, not for ordering
    room   TEXT    NOT NULL,     -- the room's key, folded: '#lobby'; or whose inbox it is: '@ann'
    kind   TEXT    NOT NULL CHECK (kind IN ('said', 'emoted', 'told')),
    author TEXT    NOT NULL,     -- the name as it was shown then
    text   TEXT    NOT NULL,     -- made safe before it came here: see core/text/sanitize.py; '(deleted)' if an operator took it out
    key    BLOB                  -- the message's own id, hashed with its sender's secret; NULL if the sender gave none
) STRICT;
INSERT INTO messages_3 SELECT seq, time, room, kind, author, text, key FROM messages;
DROP TABLE messages;
ALTER TABLE messages_3 RENAME TO messages;
CREATE INDEX messages_by_room ON messages (room, seq);
CREATE UNIQUE INDEX messages_by_key ON messages (key) WHERE key IS NOT NULL;

ALTER TABLE log ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;  -- the words of messages up to this number are in the index
UPDATE log SET indexed = (SELECT coalesce(max(seq), 0) FROM messages);

-- The words of messages, for searching. Their number in each is not kept: what is found is ordered by number, not by rank.
DROP TABLE words;
CREATE VIRTUAL TABLE words USING fts5 (
    text, content = 'messages', content_rowid = 'seq', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO words (rowid, text) SELECT seq, text FROM messages WHERE room LIKE '#%';
CREATE TRIGGER words_changed AFTER UPDATE OF text ON messages WHEN old.room LIKE '#%' AND old.seq <= (SELECT indexed FROM log) BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.seq, old.text);
    INSERT INTO words (rowid, text) VALUES (new.seq, new.text);
END;
CREATE TRIGGER words_gone AFTER DELETE ON messages WHEN old.room LIKE '#%' AND old.seq <= (SELECT indexed FROM log) BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.seq, old.text);
END;
