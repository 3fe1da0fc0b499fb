"""The command line. Each command is a single call of the library."""
