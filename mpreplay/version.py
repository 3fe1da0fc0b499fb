"""The version of this package, readable without any other module."""

__version__ = "0.1.0"
