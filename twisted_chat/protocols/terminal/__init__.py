"""Output for terminals: event lines, wrapping and the line editor."""
