"""Job files: the settings of a scheduled backfill, in one TOML file."""
