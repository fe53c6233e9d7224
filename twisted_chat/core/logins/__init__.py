"""Proofs of identity, and the limits on guessing secrets."""
