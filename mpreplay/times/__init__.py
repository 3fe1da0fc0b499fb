"""Columns of times: numbers, datetimes and texts, into milliseconds. Pure."""
