"""The checks of a history, and the only place to decide on the values to send."""
