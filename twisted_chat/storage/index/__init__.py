"""The index of rooms and words. It is derived from the messages, in a file that may be deleted at any time."""
