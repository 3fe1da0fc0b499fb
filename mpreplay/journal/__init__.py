"""The files that outlive a run: its journal, locks, and the record of recent runs."""
