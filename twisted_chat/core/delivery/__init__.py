"""Delivery of the log's batches to their readers, and of receipts to their senders."""
