"""The conversation with the platform: the pure session, and its shells."""
