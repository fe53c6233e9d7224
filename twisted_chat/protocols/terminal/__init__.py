"""What a terminal shows: event lines, wrapping and the line editor."""
