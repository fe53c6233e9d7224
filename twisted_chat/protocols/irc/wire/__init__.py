"""The IRC message format, without any state: codec, numerics, modes, capabilities."""
