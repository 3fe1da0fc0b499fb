"""The one place that decides which values may be sent."""
