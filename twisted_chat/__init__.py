"""The chat room you can reach with whatever is already on the machine."""

__version__ = "0.1.0"
