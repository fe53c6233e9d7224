"""The chat itself. Nothing here knows of sockets, threads, files or clocks."""
