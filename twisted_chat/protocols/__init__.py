"""How bytes become commands and events become bytes: one file a dialect."""
