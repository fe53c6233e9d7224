"""The IRC commands that a client sends."""
