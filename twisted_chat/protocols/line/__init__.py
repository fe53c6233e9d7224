"""People at telnet and nc."""
