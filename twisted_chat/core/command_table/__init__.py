"""Declaration, look-up, parsing and prompting of commands. No command is declared here."""
