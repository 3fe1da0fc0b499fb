"""Digests of what mpreplay makes of a year of readings: to compare one version with another.

``python tests/digests.py [FOLDER]`` prints one JSON object. Request ids, the times at which
requests were sent, and latencies are left out: two versions that do the same print the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

import mpreplay as mp
from mpreplay.conversation.mqtt import MqttTransport

DATA = Path(__file__).parents[1] / "data"
_ID = re.compile(rb'^\{"id":"\d+"')
_NEVER_THE_SAME = ["request_id", "parent_id", "sent_at", "latency"]
SCENARIOS: dict[str, dict[str, Any]] = {
    "withhold": {"on_invalid": "withhold", "duplicates": "last", "isolate": False},
    "first": {"on_invalid": "withhold", "duplicates": "first", "isolate": False},
    "send": {"on_invalid": "send", "duplicates": "last", "isolate": False},
    "skip": {"on_invalid": "send", "duplicates": "last", "skip_invalid_measurepoints": True},
    "isolate": {"on_invalid": "send", "duplicates": "last", "isolate": "point"},
    "isolate entries": {"on_invalid": "send", "duplicates": "last", "isolate": "entry"},
    "blind": {"on_invalid": "withhold", "duplicates": "last", "blind": True},
    "one offline": {"on_invalid": "withhold", "duplicates": "last", "offline": 1,
                    "allow_offline_sub_device": False},
    "small requests": {"on_invalid": "withhold", "duplicates": "last", "max_entries": 150},
}  # fmt: skip


def main() -> None:
    """Print the digests."""
    os.environ["MPREPLAY_STATE"] = tempfile.mkdtemp()
    warnings.simplefilter("ignore", mp.ReplayWarning)
    real = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if real:
        parquet, model = real / "la_haute_borne_2014.parquet", real / "senvion_mm82.export.json"
        product, turbines = "senvion-mm82", ("R80711", "R80721", "R80736", "R80790")
    else:
        parquet, model = DATA / "wind_farm.parquet", DATA / "wind_farm.model.json"
        product, turbines = "wind-turbine", ("T01", "T02", "T03", "T04")
    year = Year(parquet, mp.ThingModel.load(model), [(product, name) for name in turbines])
    told = {"validate": year.validated(), "plan": year.planned(), "raise": year.raised()}
    told |= {name: year.replayed(**dict(options)) for name, options in SCENARIOS.items()}
    sys.stdout.write(json.dumps(told, indent=1) + "\n")


class Year:
    """Readings, their model, and the devices that report them."""

    def __init__(self, path: Path, model: mp.ThingModel, devices: list[tuple[str, str]]) -> None:
        self.model, self.devices = model, devices
        self.history = mp.read_history(
            path, time_column="time", device_column="turbine", product_key=devices[0][0]
        )

    @property
    def blind(self) -> mp.ThingModel:
        """The model without ranges."""
        points = self.model.measurepoints.values()
        bare = [mp.Measurepoint(p.identifier, p.type, p.name, p.unit) for p in points]
        return mp.ThingModel("Bare", {p.identifier: p for p in bare})

    def validated(self) -> dict[str, Any]:
        """Return what validate says."""
        found = mp.validate(self.history, self.model)
        return {"repr": repr(found), "violations": _digest(found.violations)}

    def planned(self) -> str:
        """Return what plan says."""
        return repr(mp.plan(self.history, self.model, gateway=("gateway", "gw-1")))

    def raised(self) -> dict[str, Any]:
        """Return what a replay raises with the defaults."""
        with mp.simulate(self.model, sub_devices=self.devices) as platform:
            try:
                mp.replay(self.history, self.model, platform.connection, progress=False)
            except mp.InvalidHistory as error:
                return {"error": _settled(str(error)), "violations": _digest(error.violations)}
        raise SystemExit("nothing was raised")

    def replayed(
        self,
        *,
        blind: bool = False,
        offline: int = 0,
        max_entries: int | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Return digests of a replay; with one request in flight their order never varies."""
        limits = mp.Limits(bytes_per_second=None, window=1, max_entries=max_entries)
        options = {"allow_offline_sub_device": True, "limits": limits, "progress": False} | options
        with (
            mp.simulate(
                self.model, sub_devices=self.devices, online=self.devices[offline:]
            ) as platform,
            _published() as payloads,
        ):
            model = self.blind if blind else self.model
            run = mp.replay(self.history, model, platform.connection, **options)
            stored = platform.stored()
        return {
            "repr": repr(run),
            "requests": hashlib.sha256(b"\n".join(payloads)).hexdigest(),
            "n_published": len(payloads),
            "results": _digest(run.results),
            "rejects": _digest(run.rejects),
            "books": _digest(run.books),
            "touched": _digest(run.touched()),
            "causes": _digest(run.causes),
            "notebook": _sha(_settled(run._repr_html_())),
            "stored": _digest(stored),
            "summary": {
                name: value
                for name, value in run.summary().items()
                if name not in {"started_at", "ended_at"}
            },
        }


@contextmanager
def _published() -> Iterator[list[bytes]]:
    """Keep what is published, with one id for all."""
    payloads: list[bytes] = []
    publish = MqttTransport.publish

    def noted(self: Any, topic: str, payload: Any = None, *rest: Any, **more: Any) -> Any:
        if topic.endswith("/resume/batch"):
            payloads.append(_ID.sub(b'{"id":"0"', bytes(payload)))
        return publish(self, topic, payload, *rest, **more)

    MqttTransport.publish = noted
    try:
        yield payloads
    finally:
        MqttTransport.publish = publish


def _digest(frame: pd.DataFrame) -> str:
    kept = frame.drop(columns=[name for name in _NEVER_THE_SAME if name in frame])
    kinds = [(name, str(kind)) for name, kind in kept.dtypes.items()]
    return f"{len(kept)} rows {_sha(repr(kinds) + _settled(kept.to_csv(index=False)))}"


def _settled(text: str) -> str:
    """Return a text without what differs from run to run: ids, and where files lie."""
    return re.sub(r"\b\d{19,20}\b", "ID", text).replace(str(Path.cwd()), "")


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


if __name__ == "__main__":
    main()
