"""The fast lane: what is hottest in the making of requests, compiled where that is possible."""
