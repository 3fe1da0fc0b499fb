"""How often a replay connects when it is cut off three times, at the default limits of both sides.

``python benchmarks/three_disconnections.py FOLDER`` replays the year in FOLDER
(``la_haute_borne_2014.parquet`` and ``senvion_mm82.export.json``) at 1 MB/s through a proxy that
cuts the connection three times, and prints what the platform has recorded of the connects.
"""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pandas as pd

import mpreplay as mp
from mpreplay.simulator.proxy import FaultProxy

PRODUCT = "senvion-mm82"
TURBINES = [(PRODUCT, name) for name in ("R80711", "R80721", "R80736", "R80790")]
EVERY, PERIOD = 9.0, pd.Timedelta(seconds=120)  # [s] between cuts; the platform's period


def main(folder: Path) -> int:
    """Replay once; return 0 if the limit was kept and every value is accounted for."""
    model = mp.ThingModel.load(folder / "senvion_mm82.export.json")
    history = mp.read_history(
        folder / "la_haute_borne_2014.parquet",
        time_column="time",
        device_column="turbine",
        product_key=PRODUCT,
    )
    over = threading.Event()
    with (
        mp.simulate(model, sub_devices=TURBINES, online=TURBINES) as platform,
        FaultProxy(platform.host, platform.port) as proxy,
    ):

        def cut() -> None:
            for _ in range(3):
                if not over.wait(EVERY):
                    proxy.cut()

        cutter = threading.Thread(target=cut)
        cutter.start()
        begin = time.monotonic()
        try:
            run = mp.replay(
                history, model, proxy.connection(platform.connection), progress=False,
                allow_offline_sub_device=True, on_invalid="withhold", duplicates="last",
            )  # fmt: skip
        finally:
            over.set()
            cutter.join()
        seconds = time.monotonic() - begin
        at = platform.sessions()["connected_at"]
    most = max(int(((at >= first) & (at < first + PERIOD)).sum()) for first in at)
    print(f"{run}: {len(at)} connects in {seconds:.0f} s, at most {most} in any 2 minutes")
    return 0 if most <= 4 and run.complete and run.books["balanced"].all() else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
