"""The doors that data come in by: whatever holds readings becomes a history."""
