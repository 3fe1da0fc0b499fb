"""The column of a measurement point: into its type, out as JSON, out as text. Pure."""
