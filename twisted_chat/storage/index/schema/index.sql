-- The index of the log's messages: a file of its own, made of the table of messages in chat.db. It may be deleted at any time.

-- Each segment has tables of its own: rooms_ID, or words_ID with those that SQLite's FTS5 makes. See storage/index/segments.py.
CREATE TABLE segments (
    id    INTEGER PRIMARY KEY,
    kind  TEXT    NOT NULL,      -- 'rooms': which messages each room has; 'words': which messages have a word
    first INTEGER NOT NULL,      -- it has all messages with numbers from this one on ...
    last  INTEGER NOT NULL,      -- ... up to this one, but for those taken out of the log since
    bytes INTEGER NOT NULL,      -- roughly what it takes
    seal  INTEGER                -- CRC-32 of what it holds; NULL while it is written to
) STRICT;

-- One row.
CREATE TABLE origin (
    log  TEXT NOT NULL,          -- the id of the log that it was made from
    seq  INTEGER NOT NULL,       -- the newest message that was in it when something was last added
    time REAL    NOT NULL        -- when that was said
) STRICT;
