"""Cells as they come: Arrow arrays, Python objects, absent cells, texts, instants. Pure."""
