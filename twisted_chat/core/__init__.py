"""The chat itself: pure Python without sockets, files, threads or clocks."""
