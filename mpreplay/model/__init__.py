"""The thing model: which measurement points a kind of device reports, and of which type."""
