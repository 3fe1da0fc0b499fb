"""What became of values: rejects, books, the places that were written to. Pure."""
