"""The shells that run a replay or a plan from its beginning to its end."""
