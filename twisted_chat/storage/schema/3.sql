-- Schema 3: the index of words is brought up to date many messages at a time. One by one it cost twice as much as keeping them.

ALTER TABLE log ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;  -- messages up to this number are in words
UPDATE log SET indexed = (SELECT coalesce(max(seq), 0) FROM messages);

DROP TRIGGER words_added;
DROP TRIGGER words_changed;
CREATE TRIGGER words_changed AFTER UPDATE OF text ON messages WHEN old.room LIKE '#%' AND old.seq <= (SELECT indexed FROM log) BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.seq, old.text);
    INSERT INTO words (rowid, text) VALUES (new.seq, new.text);
END;
DROP TRIGGER words_gone;
CREATE TRIGGER words_gone AFTER DELETE ON messages WHEN old.room LIKE '#%' AND old.seq <= (SELECT indexed FROM log) BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.seq, old.text);
END;
