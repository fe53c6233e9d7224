-- Schema 6: scripts speak and read in a room with a token.

CREATE TABLE tokens (
    digest TEXT PRIMARY KEY,     -- of the token: who reads this can't use it
    name   TEXT NOT NULL,        -- the bot's, as it is shown
    room   TEXT NOT NULL,
    by     TEXT NOT NULL,        -- folded name of who made it
    at     REAL NOT NULL         -- seconds since 1970 UTC
) STRICT;
