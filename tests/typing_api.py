"""The public calls as users write them; checked by mypy, never run."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

import mpreplay as mp


def show(*_: object) -> None:
    """Look at something."""


def models() -> None:
    """Load a model, take it apart."""
    model: mp.ThingModel = mp.ThingModel.load("model.json")
    mp.ThingModel.load(Path("model.json"))
    mp.ThingModel.load({"modelId": "M"}, model_id="M")
    drafted = mp.ThingModel.from_frame(pd.DataFrame({"P": [1.5]}), ignore=("remark",))
    points: list[mp.Measurepoint] = list(model.measurepoints.values())
    mp.ThingModel("M", {point.identifier: point for point in points})
    mp.validate(mp.read_history(pd.DataFrame()), {"p": model, "q": drafted.schema()})


def histories(frame: pd.DataFrame, table: pa.Table) -> Iterator[mp.History]:
    """Read a history from all that may hold one."""
    yield mp.read_history(frame)
    yield mp.read_history(table, time_column="ts", tz="Europe/Paris")
    yield mp.read_history(Path("history"), time_column="ts", time_unit="ms", device_key="T1")
    yield mp.read_history(
        "history/*.parquet",
        time_column="ts",
        device_column="turbine",
        product_key="senvion-mm82",
        points={"power": "P"},
        quality={"power": "power_quality"},
        ignore=("remark",),
        start="2024-01-01T00:00:00Z",
        end=pd.Timestamp("2025-01-01", tz="UTC"),
        only=True,
        devices=["T1", ("senvion-mm82", "T2")],
    )
    yield mp.read_history(
        frame,
        time_column="ts",
        device_column="unit",
        product_column="kind",
        point_column="point",
        value_column="value",
        quality_column="quality",
    )


def checks(history: mp.History, model: mp.ThingModel) -> None:
    """Validate and plan, without a network."""
    validation: mp.Validation = mp.validate(history, model)
    ok: bool = validation.ok
    violations: pd.DataFrame = validation.violations
    total: int = validation.n_values + validation.n_violations
    plan: mp.Plan = mp.plan(history, model, gateway=("gw", "gw-1"), limits=mp.Limits())
    checked: mp.Preflight = mp.check("mqtts://gw-1:env%3AS@host/gw", {("p", "d"): "env:D"})
    show(checked.ok, checked.table, checked.refused)
    drafted: mp.ThingModel = history.draft_model(ranges="observed")
    reasons: Mapping[str, str] = drafted.left_out
    show(ok, violations, total, plan, reasons)


def connections() -> list[mp.Connection]:
    """Say where the platform is."""
    return [
        mp.Connection("h", product_key="p", device_key="d", device_secret="env:SECRET"),
        mp.Connection("h", 18_883, product_key="p", device_key="d", device_secret="s", tls=True),
        mp.Connection.from_uri("mqtts://gw-1:secret@example.com/gateway?ca=ca.pem"),
        mp.Connection.from_environment(),
    ]


def replays(history: mp.History, model: mp.ThingModel) -> None:
    """Replay against the rehearsal platform and look at what became of it."""
    with mp.simulate(
        model,
        sub_devices=[("senvion-mm82", "R80711")],
        gateway=("gateway", "gw-1"),
        online=(),
        limits=mp.PlatformLimits(connects=None),
    ) as platform:
        run: mp.Run = mp.replay(
            history,
            {"senvion-mm82": model},
            platform.connection,
            allow_offline_sub_device=False,
            skip_invalid_measurepoints=False,
            sub_device_secrets={("senvion-mm82", "R80711"): "file:secret"},
            on_invalid="withhold",
            duplicates="last",
            isolate="entry",
            limits=mp.Limits(
                extra_requests=100, window=4, bytes_per_second=None, give_up_after=None
            ),
            journal=Path("runs"),
            progress=False,
            on_event=lambda event: event["seconds_left"],
        )
        stored: pd.DataFrame = platform.stored()
        secret: mp.Secret = platform.connection_for("senvion-mm82", "R80711").device_secret
        sessions: pd.DataFrame = platform.sessions()
        run.reconcile(platform.stored)
        part: pd.DataFrame = platform.stored(
            "senvion-mm82", "R80711", "2024-01-01", pd.Timestamp("2024-02-01", tz="UTC")
        )
    show(stored, secret, sessions, part)
    looks_at(run)
    looks_at(mp.open_run("run.db"))


def looks_at(run: mp.Run) -> None:
    """Read the record of a run."""
    frames: list[pd.DataFrame] = [run.results, run.rejects, run.books, *run.iter_rejects()]
    summary: dict[str, int | str] = run.summary()
    complete: bool = run.complete
    frames += [run.causes, run.touched(), run.lineage()]
    frames.append(run.reconcile(lambda pk, dk, start, end: frames[0], not_comparable=["P"]))
    history, model = mp.read_history("rejects.csv"), mp.ThingModel.load("model.json")
    frames += run.iter_reconcile(frames[0], history=history, model=model)
    run.report("report.html")
    head: str = run.audit("audit")
    findings: pd.DataFrame = mp.verify_audit("audit", head=head, sources=["history.parquet"])
    show(frames, summary, complete, findings)
    try:
        run.raise_for_rejects()
    except mp.ReplayFailed as error:
        show(error.rejects)
    except mp.JournalMismatch as error:
        show(error.differs)


def scheduled(stop: threading.Event) -> None:
    """Run a job file."""
    job: mp.Job = mp.load_job("job.toml")
    plan: mp.Plan | mp.FleetPlan = job.plan("2024-03-01", "2024-03-02")
    validation: mp.Validation = job.validate(start="2024-03-01")
    run: mp.Run | mp.FleetRun = job.replay(dt.date(2024, 3, 1), stop=stop, on_event=print)
    show(plan, validation, run.complete, run.rejects, job.path, job.is_fleet)


def failures(history: mp.History, model: mp.ThingModel) -> str:
    """Tell the caller's mistakes from the network's and the platform's."""
    try:
        mp.replay(history, model)
    except mp.InvalidHistory as error:
        return str(error.violations)
    except (mp.ConfigError, mp.HistoryError, mp.JournalError) as error:
        return str(error)
    except (mp.ConnectError, mp.ConnectionLost) as error:
        return str(error)
    except mp.PlatformError as error:
        return error.payload.hex()
    except mp.MpReplayError:
        raise
    return "sent"
