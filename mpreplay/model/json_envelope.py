"""The JSON of a thing model around its points: where these stand, and what is amiss. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ConfigError
from .json_fields import kind_of
from .json_keys import EXAMPLE, as_flag, check_keys

__all__ = ["check_outer", "flag_of", "map_of_points", "no_points", "place_of_points"]


def check_outer(document: Mapping[str, Any], origin: str) -> None:
    """Raise if a key around the points is nearly one that is read."""
    try:
        check_keys(document, outer=True)
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from error


def place_of_points(document: Any, path: str = "", depth: int = 4) -> str:
    """Return where measurement points stand that are nested otherwise; empty if nowhere."""
    if not isinstance(document, Mapping) or not depth:
        return ""
    for name, inner in document.items():
        if name in {"measurepoints", "thingMeasurepointMap"} and path:
            return f" ({name!r} stands within {path}, and belongs at the top, or within 'data')"
        if found := place_of_points(inner, f"{path} > {name!r}" if path else repr(name), depth - 1):
            return found
    return ""


def map_of_points(data: Mapping[str, Any], name: str, origin: str) -> Mapping[str, Any]:
    """Return the measurement points of a model by identifier, as they should be written."""
    points = data[name]
    if isinstance(points, Mapping):
        return points
    raise ConfigError(
        f"{origin}: {name!r} must be an object of points by identifier, such as "
        f'{{"P": {{"dataType": "DOUBLE"}}}}, got {kind_of(points)}'
    )


def no_points(name: str, origin: str) -> ConfigError:
    """Return the error of a model without points."""
    return ConfigError(
        f"{origin}: {name!r} is empty, so that no value could be sent; expected the points that "
        f"the device reports, such as {EXAMPLE}, or 'allowAdditionalMeasurepoint': true"
    )


def flag_of(data: Mapping[str, Any], name: str, origin: str) -> bool:
    """Return a truth value of a model; False if it has none."""
    try:
        return as_flag(data.get(name), repr(name))
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from error
