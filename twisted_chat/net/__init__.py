"""Sockets, endpoints, TLS and limits on connections. Nothing here knows the chat."""
