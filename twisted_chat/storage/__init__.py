"""Where the chat is kept."""
