"""Measurement points as pandera columns, whose checks decide about sending a value.

Pure. A column's values have the Arrow type of ``Measurepoint.arrow_type``; absent values are null
and are not checked. The room ``values`` converts them before: a check here finds values of the
right type that the thing model forbids.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.compute as pc

from .measurepoint import INT_RANGE, MAX_ARRAY_ITEMS, Measurepoint
from .rules import KEYS_SHOWN, Why, in_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Rule", "arrow_of", "rules_of", "schema_of", "series_of"]

# Documented for DATE: yyyy-MM-dd HH:mm:ss (EnOS 2.0.9, "Creating a Model").
DATE_FORMAT: Final = "%Y-%m-%d %H:%M:%S"
DATE_PATTERN: Final = r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$"

# Returns a mask, True where a value is allowed; the mask is ignored at nulls.
Allowed = Callable[[pa.Array], "NDArray[np.bool_]"]


def schema_of(points: Iterable[Measurepoint], name: str) -> pandera.DataFrameSchema:
    """Return the pandera schema of a frame with one column per measurement point."""
    columns = {p.identifier: _column(p) for p in points if p.has_schema}
    return pandera.DataFrameSchema(columns, name=name, strict=False)


def series_of(array: pa.Array) -> pd.Series:
    """Return an Arrow array as a Series that shares its memory."""
    return pd.Series(pd.array(array, dtype=pd.ArrowDtype(array.type)))


def arrow_of(series: pd.Series) -> pa.Array:
    """Return the Arrow array behind a Series, in one piece."""
    array = pa.array(series)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _column(point: Measurepoint) -> pandera.Column:
    return pandera.Column(
        pd.ArrowDtype(point.arrow_type()),
        [
            pandera.Check(
                _OnSeries(point, number, rule.allowed),
                name=rule.check,
                error=in_words(rule.why),
                statistics={"why": rule.why},  # the facts, for the details of violations
            )
            for number, rule in enumerate(rules_of(point))
        ],
        nullable=True,
        required=False,
        title=point.name or None,
        description=point.unit or None,
    )


class _OnSeries:
    """A rule of a point as pandera asks for it; it travels as the point and the rule's number."""

    def __init__(self, point: Measurepoint, number: int, allowed: Allowed | None = None) -> None:
        self._of = (point, number)
        self._allowed = rules_of(point)[number].allowed if allowed is None else allowed

    def __call__(self, series: pd.Series) -> pd.Series:
        """Return a mask, True where a value is allowed."""
        return pd.Series(self._allowed(arrow_of(series)), index=series.index)

    def __reduce__(self) -> tuple[type[_OnSeries], tuple[Measurepoint, int]]:
        return _OnSeries, self._of


class Rule(NamedTuple):
    """A rule of a measurement point: the check's name, the reason, the function for the mask."""

    check: str
    why: Why
    allowed: Allowed


def rules_of(point: Measurepoint) -> list[Rule]:
    """Return the rules of a point."""
    match point.type:
        case "INT" | "FLOAT" | "DOUBLE":
            return _range_rules(point)
        case "ENUM":
            keys = pa.array(point.keys, point.arrow_type())
            shown = list(point.keys[: KEYS_SHOWN + 1])  # an extra key shows that the list goes on
            return [_rule("enum", (shown,), lambda a: _mask(pc.is_in(a, keys)))]
        case "STRING":
            most = point.max_bytes
            return [_rule("length", (most,), lambda a: _is_short(a, most))]
        case "DATE":
            return [_rule("date", (), _is_date)]
        case "STRUCT":
            return [rule for n, m in enumerate(point.members) for rule in _member_rules(n, m)]
        case "ARRAY":
            return _array_rules(point)
        case _:
            return []


def _rule(kind: str, facts: tuple[Any, ...], allowed: Allowed) -> Rule:
    return Rule(kind, (kind, facts, None), allowed)


def _range_rules(point: Measurepoint) -> list[Rule]:
    own = (point.minimum, point.maximum)
    rules: list[Rule] = []
    # The conversion has already checked the ranges of the other types.
    if point.type == "INT" and own != point.bounds:
        whole = Measurepoint(point.identifier, "INT")
        inside = _is_inside(whole, *INT_RANGE)
        rules.append(Rule("range", ("int_range", (), None), inside))
    if point.range_text:
        facts = (*own, point.exclusive_minimum, point.exclusive_maximum, point.unit)
        rules.append(_rule("range", facts, _is_inside(point, *own)))
    return rules


def _is_inside(point: Measurepoint, low: float | None, high: float | None) -> Allowed:
    if point.type == "INT":
        return _is_between(*_whole_bounds(point, low, high))
    least, no_less = _float_bound(point, -np.inf if low is None else low, np.inf)
    most, no_more = _float_bound(point, np.inf if high is None else high, -np.inf)
    no_less &= point.exclusive_minimum
    no_more &= point.exclusive_maximum

    def is_inside(array: pa.Array) -> NDArray[np.bool_]:
        numbers = array.to_numpy(zero_copy_only=False)
        with np.errstate(invalid="ignore"):  # absent values are NaN here
            above = numbers > least if no_less else numbers >= least
            below = numbers < most if no_more else numbers <= most
        return np.asarray(above & below, bool)

    return is_inside


def _float_bound(point: Measurepoint, bound: float, inward: float) -> tuple[Any, bool]:
    """Return a bound as a number of the point's type, and whether it is the bound itself.

    A bound of a DOUBLE between two of its numbers is the next number inside; one of a FLOAT is
    rounded as its values are.
    """
    with np.errstate(over="ignore"):
        if point.type == "FLOAT":
            return np.float32(bound), True
        try:
            nearest = np.float64(bound)
        except OverflowError:  # an integer beyond all floats
            return np.float64(np.inf if bound > 0 else -np.inf), False
        is_outside = bound > float(nearest) if inward > 0 else bound < float(nearest)
        if is_outside:
            return np.nextafter(nearest, inward), False
    return nearest, float(nearest) == bound


def _whole_bounds(point: Measurepoint, low: float | None, high: float | None) -> tuple[int, int]:
    """Return the least and the largest integer of a range, as far as 64 bits hold them."""
    least, most = -(2**63), 2**63 - 1
    if low is not None and low > least:
        least = most + 1 if low > most else math.ceil(low)
        least += point.exclusive_minimum and least == low
    if high is not None and high < most:
        most = -(2**63) - 1 if high < -(2**63) else math.floor(high)
        most -= point.exclusive_maximum and most == high
    return least, most


def _is_between(least: int, most: int) -> Allowed:
    def is_between(array: pa.Array) -> NDArray[np.bool_]:
        # As integers: among floats, neighbours beyond 2^53 are one number.
        numbers = array.fill_null(0).to_numpy(zero_copy_only=False)
        return np.asarray((numbers >= least) & (numbers <= most), bool)

    return is_between


def _member_rules(number: int, member: Measurepoint) -> list[Rule]:
    """Return the rules of a struct's member, as rules on the struct."""
    name = member.identifier
    field = [number]  # by its place: Arrow takes a name that begins with a dot for a path

    def on_member(allowed: Allowed) -> Allowed:
        def check(array: pa.Array) -> NDArray[np.bool_]:
            values = pc.struct_field(array, field)
            return allowed(values) | _mask(values.is_null())

        return check

    rules = [
        Rule(f"{name}: {rule.check}", ("member", (name,), rule.why), on_member(rule.allowed))
        for rule in rules_of(member)
    ]
    if member.required:
        rules.append(
            Rule(
                f"{name}: required",
                ("required", (name,), None),
                lambda array: _mask(pc.struct_field(array, field).is_valid()),
            )
        )
    return rules


def _array_rules(point: Measurepoint) -> list[Rule]:
    item = Measurepoint(point.identifier, str(point.item_type))
    rules = [
        _rule(
            "items",
            (MAX_ARRAY_ITEMS,),
            lambda a: _mask(pc.less_equal(pc.list_value_length(a), MAX_ARRAY_ITEMS)),
        )
    ]

    def on_items(allowed: Allowed) -> Allowed:
        def check(array: pa.Array) -> NDArray[np.bool_]:
            good = np.ones(len(array), bool)
            parents = pc.list_parent_indices(array).to_numpy()
            good[parents[~allowed(array.flatten())]] = False
            return good

        return check

    rules += [
        Rule(f"item {rule.check}", ("item", (), rule.why), on_items(rule.allowed))
        for rule in rules_of(item)
    ]
    return rules


def _is_short(array: pa.Array, most: int) -> NDArray[np.bool_]:
    return _mask(pc.less_equal(pc.binary_length(array), most))


def _is_date(array: pa.Array) -> NDArray[np.bool_]:
    # strptime alone also takes 2024-1-5: the pattern requires every digit.
    parsed = pc.strptime(array, format=DATE_FORMAT, unit="s", error_is_null=True)
    shaped = pc.match_substring_regex(array, DATE_PATTERN)
    # strptime turns 30 February into 1 March, which differs when written back.
    written = pc.strftime(parsed, format=DATE_FORMAT)
    return _mask(shaped) & _mask(pc.equal(written, array))


def _mask(array: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(array.fill_null(False).to_numpy(zero_copy_only=False), dtype=bool)
