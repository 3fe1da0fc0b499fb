"""Streams: rows that come once, kept in a file from their first use on."""
