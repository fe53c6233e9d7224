"""The bundled client: in a pipe, lines in and lines out; on a terminal, a line editor that messages never disturb."""
