"""The state of the chat and the only code that changes it."""
