"""The protocols of a port: codecs, connections and renderers. No access to the disk."""
