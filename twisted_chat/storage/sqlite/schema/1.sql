-- The message log. One row a message; what is not a message (joined, left, renamed ...) is not kept.

CREATE TABLE messages (
    seq    INTEGER PRIMARY KEY,  -- the sequence number: the order everybody saw
    time   REAL    NOT NULL,     -- when it was said, in seconds since 1970 UTC; for showing, not for ordering
    room   TEXT    NOT NULL,     -- the room's key, folded: '#lobby'
    kind   TEXT    NOT NULL CHECK (kind IN ('said', 'emoted')),
    author TEXT    NOT NULL,     -- the name as it was shown then
    text   TEXT    NOT NULL,     -- made safe before it came here: see core/text/sanitize.py
    key    BLOB    UNIQUE        -- the message's own id, hashed with its sender's secret; NULL if the sender gave none
) STRICT;

CREATE INDEX messages_by_room ON messages (room, seq);

-- One row. Facts about the log itself.
CREATE TABLE log (
    id       TEXT    NOT NULL,   -- names this log: a reader's position means nothing in another
    reserved INTEGER NOT NULL    -- numbers up to this one may have been used; after a crash the next one is above it
) STRICT;
