"""Prove who somebody is: proofs, and the limits on guessing secrets."""
