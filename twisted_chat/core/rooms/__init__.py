"""Rooms and their permissions."""
