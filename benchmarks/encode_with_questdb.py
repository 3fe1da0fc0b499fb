"""A contestant: QuestDB's client, in its environment: ``encode_with_questdb.py READINGS``."""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path

import pandas as pd
from turns import serve

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # newer versions have other names for the same
    from questdb.ingress import Buffer


def main(path: Path) -> None:
    """Encode the frame once a turn."""
    frame = pd.read_parquet(path)
    frame["turbine"] = frame["turbine"].astype("category")
    frame["time"] = frame["time"].dt.as_unit("ns")  # it takes no other
    readings = frame.drop(columns=["turbine", "time"])
    frame = frame[readings.notna().any(axis=1)]  # it refuses rows without a value

    def turn() -> dict[str, float]:
        buffer = Buffer(protocol_version=1)
        begin = time.perf_counter()
        buffer.dataframe(frame, table_name="readings", symbols=["turbine"], at="time")
        return {"seconds": time.perf_counter() - begin, "n_bytes": len(buffer)}

    serve(turn, n_values=int(readings.notna().sum().sum()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
