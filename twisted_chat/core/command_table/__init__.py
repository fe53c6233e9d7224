"""How a command is declared, found, read and asked for. No command is declared here."""
