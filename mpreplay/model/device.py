"""The device, named by a pair of keys. Pure."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Device"]


class Device(NamedTuple):
    """A device, named by its product key and device key."""

    product_key: str
    device_key: str
