"""Accepted requests by device and time, selected in the platform's own process.

Pure. The times of each request are kept: a request outside the selection is not parsed again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from .rules import Record, entry_device, entry_time
from .world import Device

__all__ = ["Holdings", "decoded"]

# Every digit as a 0, to find integers beyond 64 bits by their lengths.
_DIGITS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_LONG: Final = (b"0" * 20, b"-" + b"0" * 19)

Span = tuple[int, int]


class Holdings:
    """The accepted requests of a platform, by device and time.

    Parameters
    ----------
    accepted : sequence of Record
        Accepted requests in order; the sequence may grow.
    """

    def __init__(self, accepted: Sequence[Record]) -> None:
        self._accepted = accepted
        self._spans: list[dict[Device, Span]] = []  # of each request: first and last time [ms]

    def select(
        self,
        product_key: str | None,
        device_key: str | None,
        start: int | None,
        end: int | None,
    ) -> Iterator[Record]:
        """Yield the requests cut down to the entries of a device in [start, end), in order.

        None means any device or any time. Times are in milliseconds.
        """

        def is_wanted(device: Device, first: int, last: int) -> bool:
            return (
                product_key in {None, device[0]}
                and device_key in {None, device[1]}
                and (start is None or last >= start)
                and (end is None or first < end)
            )

        for record, spans in zip(self._accepted, self._all_spans(), strict=True):
            if any(is_wanted(device, *span) for device, span in spans.items()):
                kept = [
                    entry
                    for entry, device, time in _entries(record)
                    if is_wanted(device, time, time)
                ]
                yield record._replace(payload=_encoded({"params": kept}))

    def _all_spans(self) -> list[dict[Device, Span]]:
        for record in self._accepted[len(self._spans) :]:
            spans: dict[Device, Span] = {}
            for _, device, time in _entries(record):
                first, last = spans.get(device, (time, time))
                spans[device] = min(first, time), max(last, time)
            self._spans.append(spans)
        return self._spans


def decoded(payload: bytes) -> Any:
    """Return the JSON of a payload, all integers with all their digits.

    Examples
    --------
    >>> decoded(b"[7, 36893488147419103233]")
    [7, 36893488147419103233]
    """
    digits = payload.translate(_DIGITS)
    # orjson makes floats of integers beyond 64 bits, json is slow.
    is_long = any(long in digits for long in _LONG)
    return json.loads(payload) if is_long else orjson.loads(payload)


def _encoded(document: Any) -> bytes:
    try:
        return orjson.dumps(document)
    except TypeError:  # an integer beyond 64 bits, or more levels than orjson writes
        return json.dumps(document, ensure_ascii=False).encode()


def _entries(record: Record) -> Iterator[tuple[dict[str, Any], Device, int]]:
    params = decoded(record.payload)["params"]
    for entry in params if isinstance(params, list) else [params]:
        yield entry, entry_device(entry, record.device), entry_time(entry, record.received_at)
