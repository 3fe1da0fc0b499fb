"""Files of readings: found in folders, marked by their bytes, counted against their footers."""
