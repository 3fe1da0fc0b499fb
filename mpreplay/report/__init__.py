"""A run as people read it: one page, or the short form of a notebook."""
