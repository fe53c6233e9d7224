"""The protocol for people at telnet and nc."""
