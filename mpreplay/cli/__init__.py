"""The command line. Each command is one call of the library."""
