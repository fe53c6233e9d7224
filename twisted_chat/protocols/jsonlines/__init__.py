"""The protocol for programs: one JSON object a line."""
