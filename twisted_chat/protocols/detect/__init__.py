"""Detection of the protocol of a new connection, and rejection of clients of other protocols."""
