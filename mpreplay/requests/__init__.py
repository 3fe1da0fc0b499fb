"""The way from readings to the bytes of requests. Pure."""
