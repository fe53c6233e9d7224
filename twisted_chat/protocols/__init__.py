"""What is spoken on the port: codecs, connections and renderers. Nothing here touches the disk."""
