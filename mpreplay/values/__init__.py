"""One column of one measurement point: into its type, out as JSON, out as text. Pure."""
