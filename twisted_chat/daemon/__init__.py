"""The life of the process: start, signals, timers, log files. Nothing here knows the chat."""
