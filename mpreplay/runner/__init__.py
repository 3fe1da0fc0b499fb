"""The shells that run a replay or a plan from begin to end."""
