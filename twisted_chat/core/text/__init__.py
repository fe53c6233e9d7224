"""Text, names, masks and durations: what may be shown, and how text is compared."""
