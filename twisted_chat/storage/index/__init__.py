"""What is derived from the messages, in a file that may be deleted at any time: rooms and words."""
