"""What a replay should come to, said as plainly as Python can: a loop over rows and ``json.dumps``.

Slow and obvious on purpose. It shares no code with the package, save the facts in ``Measurepoint``.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mpreplay import Measurepoint, ThingModel

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
Key = tuple[str, str, int, str]


@dataclass(frozen=True)
class Row:
    """One row of a history: who, when, what. None where the row does not say."""

    product: str | None
    device: str | None
    time: int | None
    values: dict[str, Any] = field(default_factory=dict)


def is_absent(value: Any) -> bool:
    """Return whether there is no value: None, NaN, or a struct without members."""
    if isinstance(value, dict):
        return all(is_absent(v) for v in value.values())
    return value is None or (isinstance(value, float) and math.isnan(value))


def wire(value: Any, point: Measurepoint) -> Any:
    """Return a value that fits its point as ``json.dumps`` takes it."""
    match point.type:
        case "FLOAT":
            return float(str(np.float32(value)))
        case "DOUBLE":
            return float(value)
        case "BOOL":
            return int(value)
        case "TIMESTAMP":
            return str((value - EPOCH) // dt.timedelta(milliseconds=1))
        case "STRUCT":
            members = ((m.identifier, m) for m in point.members)
            return {n: wire(value[n], m) for n, m in members if not is_absent(value.get(n))}
        case "ARRAY":
            item = Measurepoint(point.identifier, str(point.item_type))
            return [wire(one, item) for one in value]
        case _:
            return value


def with_quality(value: Any, quality: int | None) -> Any:
    """Return a value as it travels with its quality, if it has one."""
    return value if quality is None else {"value": value, "quality": quality}


def as_it_is(value: Any) -> Any:
    """Return a value that does not fit its point as it travels where it is sent all the same."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return str((value - EPOCH) // dt.timedelta(milliseconds=1))
    return json.loads(json.dumps(value, default=str))


def can_travel(value: Any) -> bool:
    """Return whether JSON has a text for a value."""
    text = json.dumps(value, default=str)
    return "Infinity" not in text and not re.search(r"\\ud[89ab]..(?!\\ud[c-f])", text)


def is_allowed(value: Any, point: Measurepoint | None) -> bool:
    """Return whether a thing model allows a value that is not absent."""
    return point is not None and (fits(value, point) and keeps(value, point))


def fits(value: Any, point: Measurepoint) -> bool:
    """Return whether a value has the type of its point."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_number = is_number and abs(value) <= sys.float_info.max  # False for infinity and for 10**400
    match point.type:
        case "INT":
            return is_number and value == int(value)
        case "FLOAT" | "DOUBLE":
            return is_number
        case "BOOL":
            return isinstance(value, bool) or (is_number and value in (0, 1))
        case "ENUM":
            return type(value) is type(point.keys[0])
        case "STRING" | "DATE":
            return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)
        case "TIMESTAMP":
            is_aware = isinstance(value, dt.datetime) and value.tzinfo is not None
            return is_aware and value.microsecond % 1000 == 0
        case "STRUCT":
            members = {m.identifier: m for m in point.members}
            return isinstance(value, dict) and all(
                name in members and fits(part, members[name])
                for name, part in value.items()
                if not is_absent(part)
            )
        case _:
            item = Measurepoint(point.identifier, str(point.item_type))
            return isinstance(value, list) and all(
                not is_absent(v) and fits(v, item) for v in value
            )


def keeps(value: Any, point: Measurepoint) -> bool:
    """Return whether a value of the right type is within what its point allows."""
    match point.type:
        case "INT" | "DOUBLE":
            return _is_inside(value, point, point.bounds)
        case "FLOAT":
            if abs(value) > 3.4028235677973366e38:  # halfway to what would be the next float
                return False
            low, high = point.bounds
            rounded = tuple(None if b is None else float(np.float32(b)) for b in (low, high))
            return _is_inside(float(np.float32(value)), point, rounded)
        case "ENUM":
            return value in point.keys
        case "STRING":
            return len(value.encode()) <= point.max_bytes
        case "DATE":
            return _is_date(value)
        case "STRUCT":
            return all(
                keeps(value[m.identifier], m) if not is_absent(value.get(m.identifier))
                else not m.required
                for m in point.members
            )  # fmt: skip
        case "ARRAY":
            item = Measurepoint(point.identifier, str(point.item_type))
            return len(value) <= 1_024 and all(keeps(one, item) for one in value)
        case _:
            return True


def _is_inside(value: float, point: Measurepoint, bounds: Any) -> bool:
    low, high = bounds
    above = low is None or (value > low if point.exclusive_minimum else value >= low)
    below = high is None or (value < high if point.exclusive_maximum else value <= high)
    return above and below


def _is_date(text: str) -> bool:
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d %H:%M:%S").isoformat(" ") == text  # noqa: DTZ007
    except ValueError:
        return False


def fates(rows: list[Row], model: ThingModel, keep: str) -> dict[tuple[int, str], str]:
    """Return what becomes of each value: sent, copy, superseded, or withheld as invalid."""
    found: dict[tuple[int, str], str] = {}
    groups: dict[Key, list[tuple[int, str]]] = {}
    for number, row in enumerate(rows):
        for name, value in row.values.items():
            if is_absent(value):
                continue
            readable = None not in (row.product, row.device, row.time)
            point = model.measurepoints.get(name)
            if not readable or point is None or not is_allowed(value, point):
                found[number, name] = "withheld"
                continue
            key = (str(row.product), str(row.device), int(row.time or 0), name)
            groups.setdefault(key, []).append((number, json.dumps(wire(value, point))))
    for (_, _, _, name), readings in groups.items():
        chosen = readings[0 if keep == "first" else -1][1]
        first = True
        for number, text in readings:
            fate = "superseded" if text != chosen else "sent" if first else "copy"
            first = first and text != chosen
            found[number, name] = fate
    return found


def entries(
    rows: list[Row],
    model: ThingModel,
    own: tuple[str, str],
    *,
    marks: dict[str, list[int | None]] | None = None,
) -> list[dict[str, Any]]:
    """Return the entries of a request for rows without repeated times, sorted as they are sent.

    ``marks`` are the qualities of a point's values, one a row.
    """
    readable = [(n, r) for n, r in enumerate(rows) if None not in (r.product, r.device, r.time)]
    made = []
    for number, row in sorted(readable, key=lambda p: (p[1].product, p[1].device, p[1].time)):
        quality = {name: column[number] for name, column in (marks or {}).items()}
        there = {
            name: with_quality(wire(row.values[name], point), quality.get(name))
            for name, point in model.measurepoints.items()
            if not is_absent(row.values.get(name)) and is_allowed(row.values[name], point)
        }
        keys = {"productKey": row.product, "deviceKey": row.device}
        if there:
            keys = {} if (row.product, row.device) == own else keys
            made.append({**keys, "measurepoints": there, "time": row.time})
    return made


def request(made: list[dict[str, Any]], request_id: str, *, offline: bool, skip: bool) -> Any:
    """Return a whole request."""
    return {
        "id": request_id,
        "version": "1.0",
        "allowOfflineSubDevice": offline,
        "skipInvalidMeasurepoints": skip,
        "params": made,
        "method": "thing.measurepoint.resume.batch",
    }
