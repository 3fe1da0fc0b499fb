"""The way from the rows of a source to the readings of a slab."""
