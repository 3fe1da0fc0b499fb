"""The conversation with the platform: the pure session, and the shells that carry it."""
