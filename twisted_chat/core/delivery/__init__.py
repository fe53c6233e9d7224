"""How a batch of the log reaches its readers, and receipts reach their senders."""
