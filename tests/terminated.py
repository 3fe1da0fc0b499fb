"""A job ended by SIGTERM, again and again: ``python tests/terminated.py [--moments N] [--seed N]``.

The same job is begun again and again, ended at a random moment after its ``main()`` began, and run
once more. Each time it must end in time, with the documented status and one JSON document, and the
next run must complete it: with the tables of an undisturbed run, on the platform, too.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).parents[1])]

import pandas as pd

import mpreplay as mp
from mpreplay.demo import TURBINES, wind_farm, wind_farm_model
from mpreplay.runner.driver import GRACE

MOST: Final = GRACE + 5.0  # from the signal to the end of the process [s]
FARM: Final = [("wind-turbine", name) for name in TURBINES]
DAY: Final = ("2024-03-01", "2024-03-02")
# Of the messages some are answered late, and a few never: there is something to wait for.
FAULTS: Final = "delay=0.3:0.3 lose_reply=0.03 seed=3"
BEGUN: Final = (
    "import sys, mpreplay.cli.commands as c; "
    "print('begun', file=sys.stderr, flush=True); sys.exit(c.main())"
)
JOB: Final = """
[source]
path = "history.parquet"
time = "time"
device = "turbine"
product_key = "wind-turbine"
[model]
path = "model.json"
[replay]
allow_offline_sub_device = true
on_invalid = "withhold"
duplicates = "last"
[limits]
window = 4
max_entries = 20
reply_timeout = 1.0
connects = false
[journal]
folder = "runs"
key = "{start:%Y-%m-%d}"
[output]
rejects = "rejects/{key}.csv"
books = "books/{key}.csv"
report = "reports/{key}.html"
[accept]
allow = ["superseded", "range"]
"""
# Columns that tell a run's end, and not its way there.
RESULTS: Final = ["n_entries", "n_values", "n_bytes", "first_time", "last_time", "code", "outcome"]
OF_ITS_OWN: Final = ["source", "request_id"]
WRITTEN: Final = ("rejects", "books")


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a run of the job.

    Parameters
    ----------
    status : int
        Exit status.
    document : dict
        The JSON document on stdout.
    took : float
        From the signal, or from the beginning if there was none. [s]
    moment : float or None
        Of the signal, after the beginning of ``main()``. [s]
    """

    status: int
    document: dict[str, Any]
    took: float
    moment: float | None = None

    def __str__(self) -> str:
        when = "undisturbed" if self.moment is None else f"after {self.moment:5.2f} s"
        settled = self.document.get("summary", {}).get("accepted", 0)
        return f"{when}: status {self.status} in {self.took:5.2f} s, {settled:,} values accepted"


def prepared(folder: Path) -> Path:
    """Write a job with its model and its history into a folder, and return it."""
    folder.mkdir()
    wind_farm().frame.to_parquet(folder / "history.parquet")
    (folder / "model.json").write_text(wind_farm_model().to_json(), "utf-8")
    (folder / "job.toml").write_text(JOB, "utf-8")
    return folder / "job.toml"


def run_job(job: Path, uri: str, moment: float | None = None) -> Ended:
    """Run the job, ended at a moment after the beginning; look that it ends as it should."""
    start, end = DAY
    words = ["replay", str(job), "--start", start, "--end", end, "--json"]
    environment = {
        **os.environ,
        "MPREPLAY_CONNECTION": uri,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    with subprocess.Popen(
        [sys.executable, "-c", BEGUN, *words],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert process.stderr.readline() == "begun\n"
        began = time.monotonic()
        if moment is not None:
            time.sleep(moment)  # the moment is what is tried
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
        out, err = process.communicate(timeout=120)
        took = time.monotonic() - began
    assert "Traceback" not in err, err
    (line,) = out.splitlines()  # one document, and nothing else
    document = json.loads(line)
    assert document["status"] == process.returncode, (document, process.returncode)
    return Ended(process.returncode, document, took, moment)


def state_of(job: Path, platform: Any) -> dict[str, pd.DataFrame]:
    """Return what is left of a run: its tables, its files, what the platform holds."""
    run = mp.open_run(job.parent / "runs" / f"{DAY[0]}.db")
    assert run.complete, run
    written = {name: pd.read_csv(job.parent / name / f"{DAY[0]}.csv") for name in WRITTEN}
    written["rejects"] = written["rejects"].drop(columns=OF_ITS_OWN)
    return {
        "results": run.results[RESULTS],
        "rejects": run.rejects.drop(columns=OF_ITS_OWN),
        "books": run.books,
        "touched": run.touched(),
        "stored": platform.stored(),
        **{f"{name}.csv": frame for name, frame in written.items()},
    }


def at_moments(folder: Path, n_moments: int, seed: int, most: float = MOST) -> Iterator[Ended]:
    """End the job at random moments, and run it again; yield the end of each run.

    Parameters
    ----------
    folder : Path
        An empty folder.
    n_moments, seed : int
        How many moments, and the seed that they are drawn from.
    most : float
        The longest that an end may take. [s]

    Raises
    ------
    AssertionError
        If a run does not end as it should, or the next one does not complete it.
    """
    moments, whole = random.Random(seed), 0.0
    for n in range(n_moments + 1):  # the first is undisturbed, and says how long it takes
        job = prepared(folder / f"job-{n}")
        with mp.simulate(
            wind_farm_model(), sub_devices=FARM, faults=FAULTS,
            limits=mp.PlatformLimits(connects=None),
        ) as platform:  # fmt: skip
            uri = platform.connection.to_uri(reveal_secret=True)
            if n:
                ended = run_job(job, uri, moments.uniform(0, whole))
                yield ended
                assert ended.status in {0, 5}, ended.document
                assert ended.took < most, ended
            ended = run_job(job, uri)
            yield ended
            assert ended.status == 0, ended.document
            assert ended.document["complete"]
            state = state_of(job, platform)
        if n == 0:
            undisturbed, whole = state, ended.took
        for name, frame in state.items():
            pd.testing.assert_frame_equal(frame, undisturbed[name], obj=name)


def main() -> None:
    """End the job at moments, and tell each end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--moments", type=int, default=20, metavar="N", help="how many")
    parser.add_argument("--seed", type=int, default=4, metavar="N", help="of the moments")
    options = parser.parse_args()
    longest = 0.0
    with tempfile.TemporaryDirectory() as place:
        os.environ["MPREPLAY_STATE"] = f"{place}/state"
        for ended in at_moments(Path(place), options.moments, options.seed):
            print(ended, flush=True)
            longest = max(longest, 0.0 if ended.moment is None else ended.took)
    print(f"{options.moments} moments: all in order, the longest end took {longest:.2f} s")


if __name__ == "__main__":
    main()
