"""Every command a person can type, one module a subject."""
