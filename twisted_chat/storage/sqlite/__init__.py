"""The message log and the records in one SQLite file."""
