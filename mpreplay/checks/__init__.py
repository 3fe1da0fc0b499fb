"""Checks: the only room that decides about sending or withholding a value."""
