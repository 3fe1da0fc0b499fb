"""The pair of keys that names a device. Pure."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Device"]


class Device(NamedTuple):
    """The pair of keys that names a device."""

    product_key: str
    device_key: str
