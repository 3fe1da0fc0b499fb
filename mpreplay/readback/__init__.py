"""Read-back: the values of a run beside the values that the platform holds."""
