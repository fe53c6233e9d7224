"""People and scripts who come in by ssh."""
