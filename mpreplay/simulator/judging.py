"""Checks of JSON values against measurepoints.

Pure: a measurepoint becomes a function from a parsed JSON value to True or False, made once and
called a million times. Where the platform's documents leave a rule open, ``PlatformLimits``
decides; if it has no setting, the stricter rule applies, since it finds more mistakes.

References
----------
.. [1] EnOS Device Connection 2.0.9, "Creating a Model" and "Reporting Measurement Points".
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from ..model.measurepoint import (
    FLOAT_RANGE,
    INT_RANGE,
    MAX_ARRAY_ITEMS,
    QUALITY_RANGE,
    Measurepoint,
)
from ..model.thing_model import ThingModel
from .limits import PlatformLimits

__all__ = ["Check", "Checks", "check_of", "checks_of", "split_quality"]

Check = Callable[[Any], bool]

# JSON's numbers; type() keeps out bool, which Python counts among the integers.
_NUMBERS: Final = frozenset({int, float})
_DOUBLE_RANGE: Final = (-1.7976931348623157e308, 1.7976931348623157e308)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_TIMESTAMP: Final = re.compile(r"-?\d{1,16}", re.ASCII)
_BOOLS: Final[dict[str, Check]] = {
    "both": lambda value: type(value) in {int, bool} and value in {0, 1},
    "number": lambda value: type(value) is int and value in {0, 1},
    "boolean": lambda value: type(value) is bool,
}


class Checks(NamedTuple):
    """The checks of a whole thing model."""

    of: Mapping[str, Check]
    pass_through: bool

    def accept(self, identifier: str, value: Any) -> bool:
        """Return True if a value may be reported under an identifier."""
        check = self.of.get(identifier)
        return self.pass_through if check is None else check(value)


def checks_of(model: ThingModel, limits: PlatformLimits) -> Checks:
    """Return the checks of all measurepoints of a model."""
    return Checks(
        {name: check_of(point, limits) for name, point in model.measurepoints.items()},
        model.pass_through,
    )


def check_of(point: Measurepoint, limits: PlatformLimits) -> Check:
    """Return the function that checks JSON values against a measurepoint.

    Examples
    --------
    >>> check = check_of(Measurepoint("p", "INT", maximum=10), PlatformLimits())
    >>> [check(value) for value in (10, 5.0, 5.5, 11, True, "5", None)]
    [True, True, False, False, False, False, False]
    """
    check = _MAKERS[point.type](point, limits)
    return _with_quality(check) if point.has_quality else check


def split_quality(value: Any) -> tuple[Any, int | None]:
    """Split the content of a point with quality into the value and its quality, if any.

    Examples
    --------
    >>> split_quality({"value": 1.5, "quality": 9}), split_quality(1.5)
    ((1.5, 9), (1.5, None))
    """
    if type(value) is dict and value.keys() == {"value", "quality"}:
        return value["value"], value["quality"]
    return value, None


def _with_quality(check: Check) -> Check:
    low, high = QUALITY_RANGE

    def accept(value: Any) -> bool:
        bare, quality = split_quality(value)
        if quality is None:
            return check(value)
        return type(quality) is int and low <= quality <= high and check(bare)

    return accept


def _within(
    point: Measurepoint,
    limits: PlatformLimits,
    low: float,
    high: float,
    travelling: Callable[[float], float] = lambda bound: bound,
) -> Check:
    """Return the check of a number's range: the type's and, if enforced, the model's.

    Integers are compared with all their digits; ``travelling`` gives a bound as values travel.
    """
    bounds = (point.minimum, point.maximum) if limits.range_violations else (None, None)
    least, most = (None if bound is None else travelling(bound) for bound in bounds)
    low = low if least is None else max(low, least)
    high = high if most is None else min(high, most)
    no_low = least if point.exclusive_minimum else None
    no_high = most if point.exclusive_maximum else None
    if no_low is None and no_high is None:
        return lambda value: type(value) in _NUMBERS and low <= value <= high
    return lambda value: (
        type(value) in _NUMBERS and low <= value <= high and value not in (no_low, no_high)
    )


def _float(point: Measurepoint, limits: PlatformLimits) -> Check:
    """Return the check of a 32-bit number; the model's bounds count as 32-bit numbers, too.

    A value travels in the shortest text of its 32 bits: read as 64 bits, it lies beside the number
    that is meant. The largest, 3.4028235e38, would be no FLOAT.
    """
    within = _within(point, limits, *FLOAT_RANGE, travelling=_single)
    if point.exclusive_minimum or point.exclusive_maximum:
        return lambda value: type(value) in _NUMBERS and within(_single(value))
    # Rounding keeps the order: what lies between the bounds lies there afterwards.
    return lambda value: within(value) or (type(value) in _NUMBERS and within(_single(value)))


def _single(number: float) -> float:
    """Return the nearest 32-bit number; infinite beyond the largest."""
    try:
        single: float = struct.unpack("<f", struct.pack("<f", float(number)))[0]
    except OverflowError:
        return math.inf if number > 0 else -math.inf
    return single


def _double(point: Measurepoint, limits: PlatformLimits) -> Check:
    return _within(point, limits, *_DOUBLE_RANGE)


def _int(point: Measurepoint, limits: PlatformLimits) -> Check:
    within = _within(point, limits, *INT_RANGE)
    # How the platform coerces is not documented; 5.0 is the same number as 5, 5.5 is not.
    return lambda value: within(value) and (type(value) is int or value.is_integer())


def _bool(_: Measurepoint, limits: PlatformLimits) -> Check:
    return _BOOLS[limits.bool_form]


def _enum(point: Measurepoint, _: PlatformLimits) -> Check:
    keys = frozenset(point.keys)
    kinds = frozenset({int, float} if point.has_int_keys else {str} if keys else {int, str})
    return lambda value: type(value) in kinds and (not keys or value in keys)


def _string(point: Measurepoint, _: PlatformLimits) -> Check:
    most = point.max_bytes
    # A character takes at most four bytes, so short texts need no encoding.
    return lambda value: (
        type(value) is str and (len(value) * 4 <= most or len(value.encode()) <= most)
    )


def _date(_: Measurepoint, __: PlatformLimits) -> Check:
    def accept(value: Any) -> bool:
        if type(value) is not str or not _DATE.fullmatch(value):
            return False
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return False
        return True

    return accept


def _timestamp(_: Measurepoint, __: PlatformLimits) -> Check:
    return lambda value: type(value) is str and _TIMESTAMP.fullmatch(value) is not None


def _struct(point: Measurepoint, limits: PlatformLimits) -> Check:
    of = {member.identifier: check_of(member, limits) for member in point.members}
    required = frozenset(member.identifier for member in point.members if member.required)

    def accept(value: Any) -> bool:
        if type(value) is not dict or not value or not required <= value.keys() <= of.keys():
            return False
        return all(of[name](member) for name, member in value.items())

    return accept


def _array(point: Measurepoint, limits: PlatformLimits) -> Check:
    item = check_of(Measurepoint(point.identifier, str(point.item_type)), limits)
    return lambda value: (
        type(value) is list and len(value) <= MAX_ARRAY_ITEMS and all(map(item, value))
    )


_MAKERS: Final[dict[str, Callable[[Measurepoint, PlatformLimits], Check]]] = {
    "INT": _int,
    "FLOAT": _float,
    "DOUBLE": _double,
    "BOOL": _bool,
    "ENUM": _enum,
    "STRING": _string,
    "DATE": _date,
    "TIMESTAMP": _timestamp,
    "STRUCT": _struct,
    "ARRAY": _array,
    # Files travel over HTTP only.
    "FILE": lambda _, __: lambda _value: False,
    "ANY": lambda _, __: lambda value: value is not None,
}
