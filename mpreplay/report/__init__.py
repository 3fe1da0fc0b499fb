"""A run in a readable form: a page, or a summary for a notebook."""
