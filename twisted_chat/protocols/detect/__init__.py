"""Find out which protocol a new connection speaks, and turn away what is not spoken."""
