"""The fates of values: rejects, books, the devices and points written to. Pure."""
