"""Canaries: secrets are unique words, outsiders ask for anything, and no byte they are sent may have such a word in it."""
