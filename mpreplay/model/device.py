"""The device, named by a pair of keys. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..errors.arguments import PAIR, wrong

__all__ = ["Device"]


class Device(NamedTuple):
    """A device, named by its product key and device key."""

    product_key: str
    device_key: str

    @classmethod
    def of(cls, given: Any, argument: str) -> Device:
        """Return a device that the caller gave as a pair of keys.

        Raises
        ------
        ConfigError
            If it is no such pair.
        """
        if not PAIR.holds(given):
            raise wrong(argument, given, "(product key, device key), a pair of texts")
        return cls(*given)
