"""Sessions, requests and stored values of the rehearsal platform, as DataFrames.

Pure: bytes in, frames out. Runs in the process of the user, so that the platform's own process
needs no pandas.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
import pandas as pd

from ..errors import ConfigError, HistoryError
from ..times.bounds import bound_of
from .holdings import decoded
from .judging import split_quality
from .rules import Record, entry_device, entry_time
from .world import Device, World

__all__ = ["milliseconds", "read_records", "requests_frame", "sessions_frame", "stored_frame"]

_NUMBERS: Final = {int, float}
_TIME: Final = "datetime64[ms, UTC]"
_SESSIONS: Final = {
    "product_key": "str",
    "device_key": "str",
    "client_id": "str",
    "connected_at": _TIME,
    "ended_at": _TIME,
    "how": "str",
}
_REQUESTS: Final = {
    "received_at": _TIME,
    "device_key": "str",
    "topic": "str",
    "request_id": "str",
    "n_bytes": "int64",
    "n_entries": "int64",
    "n_values": "int64",
    "code": "int64",
}


def milliseconds(instant: Any, name: str) -> int | None:
    """Return the first whole millisecond at or after an instant; naive means UTC."""
    try:
        return bound_of(instant, name)
    except HistoryError as error:
        raise ConfigError(error.message, argument=name, value=instant) from error


def sessions_frame(answer: bytes) -> pd.DataFrame:
    """Return the frame of ``sessions()``."""
    return _frame(answer, _SESSIONS)


def requests_frame(answer: bytes) -> pd.DataFrame:
    """Return the frame of ``requests()``."""
    return _frame(answer, _REQUESTS)


def _frame(answer: bytes, types: Mapping[str, str]) -> pd.DataFrame:
    rows = orjson.loads(answer)
    return pd.DataFrame(
        {name: _column([row[name] for row in rows], kind) for name, kind in types.items()}
    )


def _column(values: list[Any], kind: str) -> pd.Series:
    if kind != _TIME:
        return pd.Series(values, dtype=kind)
    return pd.Series(_times(np.array(values, dtype="datetime64[ms]")))


def _times(naive: np.ndarray[Any, Any]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(naive).tz_localize("UTC")


def read_records(answer: bytes) -> Iterator[Record]:
    """Yield the accepted requests; each is a line of JSON followed by its payload."""
    at = 0
    while at < len(answer):
        start = answer.index(b"\n", at) + 1
        product_key, device_key, received_at, skip, size = orjson.loads(answer[at:start])
        at = start + size
        yield Record((product_key, device_key), received_at, skip, answer[start:at])


def stored_frame(records: Iterable[Record], world: World) -> pd.DataFrame:
    """Return the frame of ``stored()``: per device, point and time the last write.

    Parameters
    ----------
    records : iterable of Record
        Accepted requests, in order.
    world : World
        Source of the models. A model distinguishes a value with its quality from a struct, and
        gives the points left out of a request that asked to skip invalid values.
    """
    written = _gather(records, world)
    qualities = _take_qualities(written, world)
    return _last_writes(written, qualities)


class _Written(NamedTuple):
    """All writes, in order: three lists per entry, two per value."""

    devices: list[Device]
    times: list[int]
    sizes: list[int]
    names: list[str]
    values: list[Any]


def _gather(records: Iterable[Record], world: World) -> _Written:
    """Take the entries apart; leave out skipped values by the platform's own rules."""
    written = _Written([], [], [], [], [])
    for record in records:
        params = decoded(record.payload)["params"]
        for entry in params if isinstance(params, list) else [params]:
            device = entry_device(entry, record.device)
            points = entry["measurepoints"]
            if record.skip:
                accept = world.checks(device[0]).accept
                points = {name: value for name, value in points.items() if accept(name, value)}
            written.devices.append(device)
            written.times.append(entry_time(entry, record.received_at))
            written.sizes.append(len(points))
            written.names.extend(points)
            written.values.extend(points.values())
    return written


def _take_qualities(written: _Written, world: World) -> np.ndarray[Any, Any]:
    """Replace values with quality by the bare values; return the qualities, -1 for none."""
    with_quality = {
        product_key: {name for name, point in model.measurepoints.items() if point.has_quality}
        for product_key in {device[0] for device in written.devices}
        if (model := world.model(product_key)) is not None
    }
    qualities = np.full(len(written.names), -1, np.int64)
    if not any(with_quality.values()):
        return qualities
    at = 0
    for (product_key, _), size in zip(written.devices, written.sizes, strict=True):
        points = with_quality.get(product_key, ())
        for index in range(at, at + size):
            if written.names[index] in points:
                bare, quality = split_quality(written.values[index])
                written.values[index] = bare
                qualities[index] = -1 if quality is None else quality
        at += size
    return qualities


def _last_writes(written: _Written, qualities: np.ndarray[Any, Any]) -> pd.DataFrame:
    devices, points = sorted(set(written.devices)), sorted(set(written.names))
    device_rank = {device: index for index, device in enumerate(devices)}
    point_rank = {name: index for index, name in enumerate(points)}
    ranks = np.array([device_rank[device] for device in written.devices], np.int64)
    device = np.repeat(ranks, written.sizes)
    time = np.repeat(np.array(written.times, np.int64), written.sizes)
    point = np.array([point_rank[name] for name in written.names], np.int64)
    # lexsort is stable: writes to the same device, time and point keep their order.
    order = np.lexsort((point, time, device))
    keys = np.stack([device[order], time[order], point[order]])
    is_last = np.append((keys[:, 1:] != keys[:, :-1]).any(axis=0), True)[: len(order)]
    rows = order[is_last]
    quality = qualities[rows]
    return pd.DataFrame(
        {
            "product_key": _texts([key for key, _ in devices], device[rows]),
            "device_key": _texts([key for _, key in devices], device[rows]),
            "time": _times(time[rows].astype("datetime64[ms]")),
            "measurepoint": _texts(points, point[rows]),
            "value": _values(written.values, rows),
            "quality": pd.arrays.IntegerArray(quality, quality < 0),
        }
    )


def _texts(names: list[str], codes: np.ndarray[Any, Any]) -> pd.Series:
    return pd.Series(names, dtype="str").take(codes).reset_index(drop=True)


def _values(values: list[Any], rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return float64 if all values are numbers that it holds, otherwise the values unchanged."""
    kept: np.ndarray[Any, Any] = np.fromiter(values, object, len(values))[rows]
    if not set(map(type, kept)) <= _NUMBERS:
        return kept
    try:
        numbers = kept.astype(np.float64)
    except OverflowError:  # an integer of more than 308 digits
        return kept
    large = np.abs(numbers) >= 2**53
    is_exact = all(int(n) == v for n, v in zip(numbers[large], kept[large], strict=True))
    return numbers if is_exact else kept
