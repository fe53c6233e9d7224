"""Hash and check passwords, off the reactor thread."""
