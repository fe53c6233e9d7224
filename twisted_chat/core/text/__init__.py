"""Text, names, masks and durations: safe display and comparison."""
