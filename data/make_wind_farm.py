"""Make the small history and model that tests and examples run against.

``python data/make_wind_farm.py`` writes them beside this script: ten days of four turbines,
made by ``mpreplay.demo``, with faults as real data has them. The same script makes the same data.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from mpreplay.demo import wind_farm, wind_farm_model

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Write the history as Parquet and the model, with and without ranges, as JSON."""
    farm = wind_farm(days=10)
    table = pa.Table.from_pandas(farm.frame, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, HERE / "wind_farm.parquet", row_group_size=1_000, compression="zstd")
    (HERE / "wind_farm.model.json").write_text(wind_farm_model().to_json() + "\n", "utf-8")
    without = wind_farm_model(ranges=False).to_json() + "\n"
    (HERE / "wind_farm.no_ranges.json").write_text(without, "utf-8")
    print(f"{len(farm.frame):,} rows, {farm.n_values:,} values, {len(farm.invalid)} out of range")


if __name__ == "__main__":
    main()
