-- Schema 5: a registered name can be proven by a key of ssh.

ALTER TABLE accounts ADD COLUMN keys TEXT NOT NULL DEFAULT '[]';  -- JSON list of public keys: 'ssh-ed25519 AAAA… laptop'
