"""Programs, which speak one JSON object a line."""
