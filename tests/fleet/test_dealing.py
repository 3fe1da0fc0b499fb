"""The dealing of a history: to each gateway its rows, and the files that have them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import mpreplay as mp
from mpreplay.fleet import dealing
from mpreplay.fleet.topology import topology_of
from tests.fleet.fleets import frame_of, gateways_of, read


def _dealt(folder: Path) -> list[dealing.Share]:
    """Deal out three files: two have one gateway each, the third has both."""
    gateways = gateways_of(2, 2)
    frame = frame_of(gateways, 3)
    first, second = (frame[frame["meter"].str.startswith(f"M{k}")] for k in range(2))
    for name, rows in (("a", first), ("b", second), ("c", frame)):
        rows.to_parquet(folder / f"{name}.parquet")
    topology = {key: mp.Gateway(f"env:{key}", own) for (_, key), own in gateways.items()}
    return dealing.dealt(read(str(folder / "*.parquet")), topology_of(topology))


def test_a_gateway_knows_the_files_that_have_its_rows(tmp_path: Path) -> None:
    """Workers that look through all files read a thousand times what one of them needs."""
    shares = _dealt(tmp_path)

    assert [share.sources for share in shares] == [{0, 2}, {1, 2}]
    assert [share.n_rows for share in shares] == [12, 12]


def test_very_many_files_are_not_told_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand gateways in ten thousand files each would fill the driver's memory."""
    monkeypatch.setattr(dealing, "MOST_SOURCES", 1)

    assert [share.sources for share in _dealt(tmp_path)] == [None, None]


@pytest.mark.parametrize("door", ["csv", "frame"])
def test_keys_are_dealt_as_they_are_sent(tmp_path: Path, door: str) -> None:
    """Blanks around a key are cut as in a single replay, else the topology has no such device."""
    frame = pd.DataFrame(
        {"ts": ["2024-03-01T00:00Z"] * 4, "meter": ["M0 ", "M0", " M1", "M1"], "P": ["1"] * 4}
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    source = str(tmp_path / "a.csv") if door == "csv" else frame
    history = read(source, text=mp.TextFormat(strip=True))
    topology = {key: mp.Gateway(f"env:{key}", [("meter", key)]) for key in ("M0", "M1")}
    shares = dealing.dealt(history, topology_of(topology))

    assert [(share.devices, share.n_rows) for share in shares] == [
        ((("meter", "M0"),), 2),
        ((("meter", "M1"),), 2),
    ]


def test_a_word_for_no_device_is_a_row_without_one() -> None:
    """A single replay withholds such a row; a fleet has no gateway to withhold it."""
    frame = pd.DataFrame({"ts": ["2024-03-01T00:00Z"] * 2, "meter": ["M0", "-"], "P": ["1"] * 2})
    history = read(frame, text=mp.TextFormat(absent=("-",)))

    with pytest.raises(mp.HistoryError, match="1 row has no device that can be read"):
        dealing.dealt(history, topology_of({"M0": mp.Gateway("env:M0", [("meter", "M0")])}))
