"""IRC clients."""
