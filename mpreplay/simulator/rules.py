"""The platform's verdicts on requests with measurement points.

Pure: a request and the world come in, a verdict goes out; the time is an argument. The checks run
in a fixed order and the first failure gives the code of the whole request: size (1008),
empty (1251), JSON and shape (1220), method (1260), then entry by entry 1212, 1206, 1204.

References
----------
.. [1] EnOS Device Connection 2.3, "Reporting Offline Measurement Points in Batch".
.. [2] EnOS Device Connection 3.0, "Common Parameters" (1008, 1009, 1220, 1251, 1260).
.. [3] EnOS Device Connection 2.1 to 3.0, "Sub-Device Login" (705, 740, 742).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

from .limits import PlatformLimits
from .world import Device, World

__all__ = [
    "MESSAGES",
    "METHODS",
    "Record",
    "Request",
    "Verdict",
    "entry_device",
    "entry_time",
    "judge",
    "read_request",
    "reply",
]

# Topic tail -> method; the batch forms carry a list of entries. [1]
METHODS: Final = {
    "thing/measurepoint/post": "thing.measurepoint.post",
    "thing/measurepoint/post/batch": "thing.measurepoint.post.batch",
    "thing/measurepoint/resume": "thing.measurepoint.resume",
    "thing/measurepoint/resume/batch": "thing.measurepoint.resume.batch",
}
# The documents' own words, [1] to [3]; they have none for 429, 1251, 1255 and 1256.
MESSAGES: Final = {
    200: "",
    429: "Too many requests",
    705: "It failed to query device, not existed this device",
    740: "Sub device not belong the gateway",
    742: "Sign check failed",
    1008: "Msg size is too large, discard the message",
    1009: "Publish to topic with no write permission",
    1204: "Model validate failed",
    1206: "Measurepoint post data format error",
    1212: "No sub-device permission",
    1220: "Payload format error",
    1251: "Payload is empty",
    1255: "Adding to the topology failed",
    1256: "Deleting from the topology failed",
    1260: "Methods not consistent",
}
_VERSIONS: Final = ("1.0", "1.1")  # the documents' and the Java SDK's
_MISSING: Final = object()


class Request(NamedTuple):
    """A request as far as readable; ``code`` is 200 unless a check failed."""

    code: int
    id: str
    document: dict[str, Any]

    @property
    def params(self) -> Any:
        """Content of the request."""
        return self.document.get("params")


class Record(NamedTuple):
    """An accepted request, kept as received."""

    device: Device  # of entries without keys
    received_at: int  # [ms]
    skip: bool
    payload: bytes


class Verdict(NamedTuple):
    """The verdict on a request with measurement points."""

    code: int
    request_id: str
    n_entries: int
    n_values: int
    record: Record | None = None


def reply(request_id: str, code: int, data: Any = None, text: str = "") -> bytes:
    """Return the platform's reply, with the code's own text unless another is given.

    Examples
    --------
    >>> reply("123", 200)
    b'{"id":"123","code":200,"data":{},"message":""}'
    """
    return orjson.dumps(
        {
            "id": request_id,
            "code": code,
            "data": {} if data is None else data,
            "message": text or MESSAGES.get(code, ""),
        }
    )


def read_request(
    payload: bytes,
    method: str,
    max_bytes: int | None,
    *,
    may_be_empty: bool = False,
    needs_version: bool = True,
) -> Request:
    """Read the fields common to all requests, in the platform's order of checks [2]_.

    The common page calls the version mandatory, but the sample of a sign-in has none [3]_.

    Examples
    --------
    >>> read_request(b"", "thing.measurepoint.resume.batch", None).code
    1251
    """
    try:
        document = orjson.loads(payload)
    except ValueError:
        document = _MISSING
    fields = document if isinstance(document, dict) else {}
    code = 200
    if max_bytes is not None and len(payload) >= max_bytes:
        code = 1008
    elif not payload.strip() or (
        isinstance(document, dict) and not may_be_empty and _is_empty(fields.get("params"))
    ):
        code = 1251
    elif not isinstance(document, dict) or not _is_envelope(fields, needs_version=needs_version):
        code = 1220
    elif fields.get("method") != method:
        code = 1260
    return Request(code, _id_text(fields.get("id")), fields)


def _is_envelope(fields: Mapping[str, Any], *, needs_version: bool) -> bool:
    if isinstance(fields.get("id"), bool | list | dict):
        return False
    version = fields.get("version")
    # A tuple compares by equality: the version that a client sends may have no hash.
    return version in _VERSIONS or (version is None and not needs_version)


def _id_text(given: Any) -> str:
    """Return an id as the reply carries it: a number comes back as text [3]_."""
    if type(given) is float and given.is_integer():
        given = int(given)  # JSON does not tell 7.0 from 7
    return str(given) if type(given) in {str, int, float} else ""


def _is_empty(params: Any) -> bool:
    return params is None or (isinstance(params, list | dict | str) and not params)


def judge(world: World, device: Device, tail: str, payload: bytes, now: int) -> Verdict:
    """Judge a request with measurement points.

    Parameters
    ----------
    world : World
        Devices, topology, models and limits.
    device : tuple of str
        Device of the topic.
    tail : str
        Part of the topic after the keys; a key of ``METHODS``.
    payload : bytes
        The request.
    now : int
        Time of receipt. [ms]

    Returns
    -------
    Verdict
        With the record to keep if the request is accepted.
    """
    request = read_request(payload, METHODS[tail], world.limits.max_bytes)
    is_batch = tail.endswith("/batch")
    entries = _entries(request.params, is_batch=is_batch)
    n_values = sum(_n_values(entry) for entry in entries or ())
    allow = skip = False
    code = request.code
    if code in {200, 1260}:
        flags = [
            _flag(request.document.get(name, False)) if is_batch else False
            for name in ("allowOfflineSubDevice", "skipInvalidMeasurepoints")
        ]
        if entries is None or None in flags:
            code = 1220
        allow, skip = map(bool, flags)
    if code == 200 and entries is not None:
        code = _entries_code(world, device, entries, allow=allow, skip=skip)
    record = Record(device, now, skip, payload) if code == 200 else None
    return Verdict(code, request.id, len(entries or ()), n_values, record)


def _entries(params: Any, *, is_batch: bool) -> list[dict[str, Any]] | None:
    """Return the entries of a request, or None if their shape is wrong."""
    entries = params if is_batch else [params]
    if not isinstance(entries, list):
        return None
    return entries if all(map(_is_shaped_like_an_entry, entries)) else None


def _is_shaped_like_an_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and all(
        isinstance(entry.get(key), str | None) for key in ("productKey", "deviceKey")
    )


def _n_values(entry: Mapping[str, Any]) -> int:
    points = entry.get("measurepoints")
    return len(points) if isinstance(points, dict) else 0


def _flag(given: Any) -> bool | None:
    """Return a flag, or None if invalid; the vendor's Python SDK writes '' for false."""
    if given is True:
        return True
    return None if given else False


def _entries_code(
    world: World, own: Device, entries: list[dict[str, Any]], *, allow: bool, skip: bool
) -> int:
    """Return the code of the first entry that fails, or 200."""
    permitted: dict[Device, bool] = {own: True}
    for entry in entries:
        device = entry_device(entry, own)
        may = permitted.get(device)
        if may is None:
            in_topology = world.gateway_of.get(device) == own
            may = permitted[device] = in_topology and (allow or world.is_online(device, own))
        if not may:
            return 1212
        if not _is_well_formed(entry, world.limits):
            return 1206
        if not skip and not _fits_the_model(world, device[0], entry["measurepoints"]):
            return 1204
    return 200


def entry_device(entry: Mapping[str, Any], own: Device) -> Device:
    """Return the device of an entry; missing keys are the topic's [1]_."""
    return entry.get("productKey") or own[0], entry.get("deviceKey") or own[1]


def entry_time(entry: Mapping[str, Any], received_at: int) -> int:
    """Return the time of an accepted entry; a missing time is that of the receipt."""
    return int(entry.get("time", received_at))


def _is_well_formed(entry: Mapping[str, Any], limits: PlatformLimits) -> bool:
    """Return True if time and points are valid; a missing time is set on receipt."""
    time, points = entry.get("time", 0), entry.get("measurepoints")
    # The vendor's C client writes 1.7e+12, and JSON does not tell whole floats from integers.
    if type(time) is not int and not (type(time) is float and time.is_integer()):
        return False
    if "time" in entry and not limits.earliest <= time <= limits.latest:
        return False
    return isinstance(points, dict) and bool(points) and None not in points.values()


def _fits_the_model(world: World, product_key: str, points: Mapping[str, Any]) -> bool:
    of, pass_through = world.checks(product_key)
    for identifier, value in points.items():
        check = of.get(identifier)
        if not (pass_through if check is None else check(value)):
            return False
    return True
