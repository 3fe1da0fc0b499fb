"""Bytes per value on the wire, against the vendor's SDK: what rows 5 and 6 share."""

from __future__ import annotations

import tempfile
from pathlib import Path

import orjson
from contest import HERE, Child, Given
from peers import python_of
from year import OWN, PRODUCT, Pipeline, Year

import mpreplay as mp


def compared(given: Given, *, direct: bool) -> dict[str, float]:
    """Return bytes per value of both, and their ratio."""
    year = Year.of(given)
    if direct:  # one turbine's readings, which it reports itself
        frame = year.table.to_pandas().query("turbine == @year.devices[0][1]")
        history = mp.read_history(
            frame.drop(columns="turbine"), time_column="time",
            product_key=OWN.product_key, device_key=OWN.device_key,
        )  # fmt: skip
    else:
        frame = year.table.to_pandas()
        history = mp.read_history(
            frame, time_column="time", device_column="turbine", product_key=PRODUCT
        )
    requests = Pipeline(history, year.model).requests()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "readings.parquet"
        frame.to_parquet(path, index=False)
        # Its own keys, too: where the SDK is given no device key it writes an empty one.
        theirs = bytes_of_sdk(given, path, PRODUCT)
        keyless = bytes_of_sdk(given, path, "") if direct else theirs
    ours = requests.n_bytes / requests.n_values
    least = sum(len(least_text(payload)) for payload in requests.payloads) / requests.n_values
    measured = {
        "ratio": ours / theirs,
        "above the least [%]": 100 * (ours / least - 1),
        "mpreplay [bytes/value]": ours,
        "vendor's SDK [bytes/value]": theirs,
    }
    return measured | ({"ratio, SDK with empty device keys": ours / keyless} if direct else {})


def bytes_of_sdk(given: Given, path: Path, product: str) -> float:
    """Return the bytes per value of the SDK's requests."""
    command = [python_of("vendor", given), HERE / "send_with_vendor_sdk.py", path, product]
    with Child(command) as sdk:
        return sdk.go()["n_bytes"] / sdk.told["n_values"]


def least_text(payload: bytes) -> bytes:
    """Return a request as short as the documented JSON lets it be.

    What is optional and has its default is left out; the id stays, since a reply names nothing
    else. A whole number needs no fraction.
    """
    request = orjson.loads(payload)
    for name in ("allowOfflineSubDevice", "skipInvalidMeasurepoints"):
        if not request[name]:
            del request[name]
    for entry in request["params"]:
        points = entry["measurepoints"]
        entry["measurepoints"] = {
            name: int(value) if isinstance(value, float) and value.is_integer() else value
            for name, value in points.items()
        }
    return orjson.dumps(request)
