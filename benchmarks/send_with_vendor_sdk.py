"""A contestant: the vendor's SDK, 1,000 entries a request, in its environment.

``python send_with_vendor_sdk.py READINGS PRODUCT [rows|columns HOST PORT]``: each turn sends the
frame, or, with no host, only makes the requests and counts their bytes. With an empty PRODUCT no
keys are given to the SDK.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from typing import Any

import pandas as pd
from enos.core.MqttClient import MqttClient
from enos.message.upstream.resume.MeasurepointResumeBatchRequest import (
    MeasurepointResumeBatchRequest,
)
from enos.message.upstream.resume.MeasurepointResumeRequest import MeasurepointResumeRequest
from turns import serve

ENTRIES = 1_000


def by_rows(frame: pd.DataFrame, product: str) -> Iterator[Any]:
    """Yield requests, made as the SDK's samples make them: a builder a row, a call a value."""
    names = [name for name in frame.columns if name not in {"turbine", "time"}]
    for first in range(0, len(frame), ENTRIES):
        entries = []
        for row in frame.iloc[first : first + ENTRIES].to_dict("records"):
            entry = MeasurepointResumeRequest.builder()
            entry.set_timestamp(int(row["time"].timestamp() * 1000))
            if product:
                entry.set_product_key(product).set_device_key(row["turbine"])
            present = [name for name in names if not math.isnan(row[name])]
            for name in present:
                entry.add_measure_point(name, row[name])
            if present:
                entries.append(entry.build())
        yield request_of(entries)


def by_columns(frame: pd.DataFrame, product: str) -> Iterator[Any]:
    """Yield the same requests, made with all tricks that the SDK lets its user play."""
    names = [name for name in frame.columns if name not in {"turbine", "time"}]
    for first in range(0, len(frame), ENTRIES):
        part = frame.iloc[first : first + ENTRIES]
        times = part["time"].dt.as_unit("ms").astype("int64").tolist()
        rows = zip(*(part[name].tolist() for name in names), strict=True)
        entries = []
        for turbine, at, row in zip(part["turbine"].tolist(), times, rows, strict=True):
            points = {
                name: value
                for name, value in zip(names, row, strict=True)
                if value == value  # noqa: PLR0124 - false for NaN only
            }
            if points:
                entry = MeasurepointResumeRequest.builder().set_measure_points(points)
                entry.set_timestamp(at)
                if product:
                    entry.set_product_key(product).set_device_key(turbine)
                entries.append(entry.build())
        yield request_of(entries)


def request_of(entries: list[Any]) -> Any:
    """Return one request of such entries."""
    return (
        MeasurepointResumeBatchRequest.builder()
        .set_requests(entries)
        .set_allow_offline_sub_device(True)
        .set_skip_invalid_measurepoints(False)
        .build()
    )


def main(readings: str, product: str, way: str = "columns", host: str = "", port: str = "") -> None:
    """Send or size the frame once a turn."""
    frame = pd.read_parquet(readings)
    requests = {"rows": by_rows, "columns": by_columns}[way]
    n_values = int(frame.drop(columns=["turbine", "time"]).notna().sum().sum())
    if host:
        client = MqttClient(f"tcp://{host}:{port}", "gateway", f"gw-{way}", "secret")
        client.connect()

    def send() -> dict[str, float]:
        begin, cpu = time.perf_counter(), time.process_time()
        for request in requests(frame, product):
            # Its callback form waits as well: what it submits is a call that was made already.
            assert client.publish(request).get_code() == 200
        took, cpu = time.perf_counter() - begin, time.process_time() - cpu
        return {"seconds": took, "cpu_seconds": cpu}

    def size() -> dict[str, float]:
        total = 0
        for number, request in enumerate(requests(frame, product)):
            request.set_id(str(number))
            total += len(request.encode())
        return {"n_bytes": total}

    serve(send if host else size, n_values=n_values)


if __name__ == "__main__":
    main(*sys.argv[1:])
