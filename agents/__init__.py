"""The participants: one species a file, each a short rule over its own accounts and the public market."""
