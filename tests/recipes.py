"""Execute the recipes of docs/scheduling.md, each with its tool in an environment of its own.

``python tests/recipes.py [NAME ...]``; without a name, all of them. It needs the package index,
and is no part of the suite. ``--python PATH`` takes an environment that is there already.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "scheduling.md"
LIBRARIES = {
    "papermill": ["papermill", "ipykernel"],
    "dagster": ["dagster"],
    "prefect": ["prefect"],
    "airflow": ["apache-airflow<3"],
    "openlineage": ["openlineage-python"],
    "opentelemetry": ["opentelemetry-sdk"],
}
START, END = "2024-03-01", "2024-03-02"


def blocks() -> dict[str, str]:
    """Return the code of each recipe, by name."""
    text = PAGE.read_text("utf-8")
    return dict(re.findall(r"<!-- recipe: (\w+) -->\n```\w+\n(.*?)^```$", text, re.DOTALL | re.M))


def main() -> int:
    """Run recipes in environments of their own; return 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--python", help="of an environment with the tool and mpreplay's libraries")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.names) - LIBRARIES.keys():
        parser.error(f"expected some of {', '.join(LIBRARIES)}, not {', '.join(unknown)}")
    if options.inside:
        inside(options.names[0])
        return 0
    failed = [name for name in options.names or LIBRARIES if not outside(name, options.python)]
    print(f"failed: {', '.join(failed)}" if failed else "all recipes work")
    return bool(failed)


def outside(name: str, python: str | None) -> bool:
    """Install the tool of a recipe, and run it; return True if it works."""
    with tempfile.TemporaryDirectory(prefix=f"mpreplay-{name}-") as folder:
        if python is None:
            venv.create(Path(folder) / "venv", with_pip=True)
            python = str(Path(folder) / "venv" / "bin" / "python")
            install = [python, "-m", "pip", "install", "-q", f"{ROOT}[report]", *LIBRARIES[name]]
            if subprocess.run(install, check=False).returncode:
                print(f"{name}: cannot be installed")
                return False
        homes = dict.fromkeys(("HOME", "DAGSTER_HOME", "PREFECT_HOME", "AIRFLOW_HOME"), folder)
        # The scripts of the environment, and this checkout.
        paths = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", "")])
        homes["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"  # it may lock the server's own database
        state = {"MPREPLAY_STATE": f"{folder}/state", "PATH": paths, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [python, __file__, "--inside", name],
            cwd=folder, env=os.environ | homes | state, capture_output=True, text=True, check=False,
        )  # fmt: skip
    print(
        f"{name}: {'works' if not done.returncode else done.stdout[-2000:] + done.stderr[-4000:]}"
    )
    return not done.returncode


def inside(name: str) -> None:
    """Run a recipe in this environment, in the present folder."""
    from mpreplay.demo import PRODUCT, TURBINES, wind_farm, wind_farm_model
    from mpreplay.jobs import job
    from mpreplay.simulator import simulate

    Path("history").mkdir()
    wind_farm().frame.to_parquet("history/farm.parquet")
    Path("model.json").write_text(wind_farm_model().to_json(), "utf-8")
    example = (Path(job.__file__).parent / "example.toml").read_text("utf-8")
    Path("job.toml").write_text(example, "utf-8")
    with simulate(wind_farm_model(), sub_devices=[(PRODUCT, one) for one in TURBINES]) as platform:
        os.environ["MPREPLAY_CONNECTION"] = platform.connection.to_uri(reveal_secret=True)
        RECIPES[name](blocks()[name])
        assert len(platform.stored()) > 2_000


def _module(code: str) -> dict[str, Any]:
    """Return the names of a recipe, run as a module."""
    Path("recipe.py").write_text(code, "utf-8")
    sys.path.insert(0, str(Path.cwd()))
    import recipe

    return vars(recipe)


def _papermill(code: str) -> None:
    notebook = ROOT / "notebooks" / "05-scheduled-backfill.ipynb"
    Path(notebook.name).write_bytes(notebook.read_bytes())
    subprocess.run(["sh", "-euc", f"{code.strip()} -k python3 -p job_file job.toml"], check=True)
    assert Path("night-2024-03-01.ipynb").stat().st_size > 0


def _dagster(code: str) -> None:
    import dagster as dg

    asset = _module(code)["readings"]
    first, last = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
    result = dg.materialize([asset], tags={first: "2024-03-01", last: "2024-03-02"})
    told = result.asset_materializations_for_node("readings")
    counts = {
        one.partition: one.metadata["accepted"].value for one in told if "accepted" in one.metadata
    }
    assert result.success
    assert set(counts) == {"2024-03-01", "2024-03-02"}
    assert all(counts.values())


def _prefect(code: str) -> None:
    from prefect.testing.utilities import prefect_test_harness

    names = _module(code)
    with prefect_test_harness():
        assert names["backfill"](START, END)["complete"]


def _airflow(code: str) -> None:
    import pendulum

    names = _module(code)
    bounds = pendulum.parse(START), pendulum.parse(END)
    told = names["replay_interval"].function(*bounds)
    assert told["read"] > told["accepted"] > 0
    assert [task.task_id for task in names["backfill"]().tasks] == ["replay_interval"]


def _openlineage(code: str) -> None:
    import json

    from openlineage.client import OpenLineageClient
    from openlineage.client.transport.file import FileConfig, FileTransport

    import mpreplay as mp

    job = mp.load_job("job.toml")
    client = OpenLineageClient(transport=FileTransport(FileConfig("events.json", append=True)))
    client.emit(_module(code)["event_of"](job, job.replay(START, END)))
    event = json.loads(Path("events.json").read_text("utf-8").splitlines()[0])
    assert event["eventType"] == "COMPLETE"
    assert event["job"]["name"] == "job"
    assert [one["name"] for one in event["outputs"]] == ["T01", "T02", "T03", "T04"]


def _opentelemetry(code: str) -> None:
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    import mpreplay as mp

    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    run = mp.load_job("job.toml").replay(START, END, on_event=_module(code)["on_event"])
    scopes = reader.get_metrics_data().resource_metrics[0].scope_metrics
    points = [
        point
        for metric in scopes[0].metrics
        if metric.name == "mpreplay.values"
        for point in metric.data.data_points
    ]
    counts = {point.attributes["fate"]: point.value for point in points}
    assert counts["accepted"] == run.summary()["accepted"]


RECIPES: dict[str, Callable[[str], None]] = {
    "papermill": _papermill,
    "dagster": _dagster,
    "prefect": _prefect,
    "airflow": _airflow,
    "openlineage": _openlineage,
    "opentelemetry": _opentelemetry,
}

if __name__ == "__main__":
    sys.exit(main())
