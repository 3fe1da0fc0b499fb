"""Job files: what a scheduled backfill is told, in one TOML file."""
