"""The way from a source to the readings of a slab."""
