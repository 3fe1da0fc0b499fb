"""Sources of rows: frames, tables and files, read a slab at a time."""
