"""The thing model: the measurement points of a kind of device, with their types."""
