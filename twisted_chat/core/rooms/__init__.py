"""Rooms and the rules about who may do what in them."""
