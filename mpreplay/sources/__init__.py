"""Sources of rows: frames, tables, files and streams, read a slab at a time."""
