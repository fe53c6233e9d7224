"""What the daemon must survive, proved on the real daemon: every case on every protocol. See README.md."""
