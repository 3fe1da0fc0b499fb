"""Repeated readings found while a history is sent: as if it had been looked through before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import Clock, Killed, scripted_replay

import mpreplay as mp
from mpreplay.history import history as history_module
from mpreplay.history.history import History
from mpreplay.order import Order
from mpreplay.requests.preparing import Preparer
from mpreplay.settings import Policy

MODEL = mp.ThingModel(
    "M",
    {
        "P": mp.Measurepoint("P", "FLOAT", maximum=100),
        "n": mp.Measurepoint("n", "INT"),
        "s": mp.Measurepoint("s", "STRING", max_length=4),
    },
)
GATEWAY = ("gateway", "gw-1")
SLAB = 4  # rows
Row = tuple[str, str | None, int | None, Any, Any, Any]


@st.composite
def rows(draw: Any) -> list[Row]:
    """Draw rows in the order of their times, by and large; many times are repeated nearby."""
    n = draw(st.integers(0, 30))
    step, spread = draw(st.sampled_from([(1, 0), (1, 1), (1, 2), (2, 1), (0, 1)]))
    way = draw(st.sampled_from([1, -1]))
    shift = st.integers(-spread, spread)
    values = st.tuples(
        st.sampled_from([1.0, 2.0, 0.1, 200.0, None]), st.sampled_from([1, 2, None]),
        st.sampled_from(["a", "b", "too long", None]),
    )  # fmt: skip
    found: list[Row] = []
    for number in range(n):
        time = 1_000 + way * (number // 2 * step + draw(shift))
        strays = draw(st.integers(0, 60)) == 0
        found.append(
            (
                draw(st.sampled_from(["p1", "p1", "p2"])),
                draw(st.sampled_from(["d0", "d1", "d1", None])),
                draw(st.sampled_from([None, 1_000])) if strays else time,
                *draw(values),
            )
        )
    return found


def table_of(found: list[Row]) -> pa.Table:
    """Return rows with the types that a file gives them."""
    kinds = [pa.string(), pa.string(), pa.timestamp("ms", "UTC"), pa.float64(), pa.int32(),
             pa.string()]  # fmt: skip
    names = ["product", "device", "time", "P", "n", "s"]
    columns = zip(*found, strict=True) if found else ((),) * len(names)
    arrays = [pa.array(list(one), kind) for one, kind in zip(columns, kinds, strict=True)]
    return pa.table(arrays, names)


@contextmanager
def files_of(found: list[Row], cuts: list[int], group: int, **options: Any) -> Iterator[History]:
    """Keep rows in files of small row groups, read in slabs of few rows."""
    table = table_of(found)
    bounds = sorted({0, *(min(cut, len(found)) for cut in cuts), len(found)})
    with TemporaryDirectory() as folder, mock.patch.object(history_module, "SLAB_ROWS", SLAB):
        paths = []
        for start, stop in zip(bounds, bounds[1:] or [0], strict=False):
            paths.append(Path(folder) / f"{start:03}.parquet")
            pq.write_table(table.slice(start, stop - start), paths[-1], row_group_size=group)
        yield mp.read_history(
            paths, time_column="time", device_column="device", product_column="product",
            plausible=None, **options,
        )  # fmt: skip


def order_of(history: History, keep: Any, on_invalid: Any = "withhold") -> Order:
    """Return an order under which a history may be read once."""
    policy = Policy(True, False, on_invalid, keep)
    return Order.of("replay", history, MODEL, GATEWAY, policy, mp.Limits(max_entries=3))


@given(
    rows(),
    st.lists(st.integers(0, 30), max_size=2),
    st.integers(1, 9),
    st.sampled_from(["first", "last"]),
    st.sampled_from(["withhold", "send"]),
    st.booleans(),
)
def test_what_is_found_on_the_way_is_what_a_look_before_finds(
    found: list[Row], cuts: list[int], group: int, keep: Any, on_invalid: Any, is_chosen: bool
) -> None:
    """Whether a file is read once or twice is no matter of what becomes of its values."""
    is_chosen &= any(device == "d1" for _, device, *_ in found)
    with files_of(found, cuts, group, **({"devices": ["d1"]} if is_chosen else {})) as history:
        order = order_of(history, keep, on_invalid)
        before, nearby = order.duplicates(), order.nearby()
        if nearby is None:
            return
        assert nearby.found().n_rows == before.n_rows
        preparer: Preparer = order.preparer(nearby.found())
        slabs = list(history.slabs(order.models.all()))
        taken = [nearby.take(raw, preparer.judged(raw, order.window)) for raw in slabs]
        looked = [one for one in (*taken, nearby.end()) if one is not None]

    assert [one.raw.number for one in looked] == [raw.number for raw in slabs]
    assert told(nearby.found().as_dict()) == told(before.as_dict())


def told(duplicates: dict[str, Any]) -> dict[str, Any]:
    """Return duplicates without the order in which slabs were decided."""
    return {**duplicates, "repeats": sorted(duplicates["repeats"])}


def plain(times: list[list[int]], **options: Any) -> History:
    """Return rows of one device, in slabs of the given times."""
    flat = [time for slab in times for time in slab]
    assert all(len(slab) == SLAB for slab in times)
    found: list[Row] = [("p1", "d0", time, float(n), None, None) for n, time in enumerate(flat)]
    return mp.read_history(
        table_of(found), time_column="time", device_column="device", product_column="product",
        **{"plausible": None, **options},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("times", "is_nearby"),
    [
        ([[1, 2, 3, 4], [4, 5, 6, 6], [6, 7, 8, 9]], True),
        ([[9, 8, 7, 6], [6, 6, 5, 4], [4, 3, 2, 1]], True),
        ([[1, 2, 3, 4], [2, 3, 4, 5], [5, 6, 7, 8], [9, 9, 9, 9]], True),
        ([[1, 2, 3, 4], [2, 3, 4, 5], [4, 6, 7, 8]], False),
        ([[1, 2, 3, 4], [5, 6, 7, 8], [1, 2, 3, 4]], False),
        ([[1, 2, 3, 9], [4, 5, 6, 7], [8, 10, 11, 12]], False),
    ],
    ids=["ascending", "descending", "overlapping", "over a slab", "two devices", "one ahead"],
)
def test_only_neighbours_may_share_a_time(times: list[list[int]], is_nearby: bool) -> None:
    """A value that was sent can no longer be superseded by one that comes much later."""
    with mock.patch.object(history_module, "SLAB_ROWS", SLAB):
        assert (order_of(plain(times), "last").nearby() is not None) == is_nearby


@pytest.mark.parametrize("policy", [("raise", "last"), ("withhold", "raise"), ("send", "raise")])
def test_what_may_refuse_a_history_looks_at_all_of_it_before(policy: Any) -> None:
    """Nothing is sent of a history that is refused."""
    on_invalid, keep = policy
    history = plain([[1, 2, 3, 4]])

    assert order_of(history, keep, on_invalid).nearby() is None


def test_a_look_at_the_times_ends_where_they_turn_back() -> None:
    """A file of one device after the other is looked through for its keys, as ever."""
    history = plain([[1, 2, 3, 4], [5, 6, 7, 8], [1, 2, 3, 4], *[[5, 6, 7, 8]] * 20])
    seen: list[int] = []
    slabs = History.slabs

    def watched(self: History, *given: Any, **options: Any) -> Iterator[Any]:
        for raw in slabs(self, *given, **options):
            assert options == {"times_only": True}
            seen.append(raw.number)
            yield raw

    with (
        mock.patch.object(history_module, "SLAB_ROWS", SLAB),
        mock.patch.object(History, "slabs", watched),
    ):
        assert order_of(history, "last").nearby() is None

    assert seen == [0, 1, 2]


def test_rows_outside_the_interval_are_neither_counted_nor_in_the_way() -> None:
    """Of a file of many years, a month is sent."""
    history = plain(
        [[1, 2, 3, 4], [5, 6, 7, 8], [8, 9, 9, 1]],
        start=pd.Timestamp(3, unit="ms", tz="UTC"), end=pd.Timestamp(9, unit="ms", tz="UTC"),
    )  # fmt: skip
    with mock.patch.object(history_module, "SLAB_ROWS", SLAB):
        order = order_of(history, "last")
        nearby = order.nearby()

        assert nearby is not None
        assert nearby.found().n_rows == order.duplicates().n_rows == 7


# Of whole runs.

Ends = dict[str, Any]
OF_A_RUN = {"run_uuid", "journal"}  # names of this one alone


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Replay a history read once, or twice, and tell what it came to."""
    counts = iter(range(1_000))

    def end_of(history: History, keep: str, *, once: bool, script: Any = None) -> Ends:
        monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / f"state{next(counts)}"))
        path = tmp_path / f"{next(counts)}.db"
        options: dict[str, Any] = {
            "journal": path, "on_invalid": "withhold", "duplicates": keep,
            "limits": mp.Limits(max_entries=3, window=2),
            "clock": Clock(1_700_000_000.0), "progress": False,
        }  # fmt: skip
        script = script or (lambda n, _: [(0.0, 1204)] if n % 3 == 1 else None)
        with monkeypatch.context() as patch:
            if not once:
                patch.setattr(Order, "nearby", lambda *_: None)
            run, transport = scripted_replay(monkeypatch, script, history, MODEL, **options)
            assert isinstance(run, mp.Run), run
        return {
            "sent": [orjson.loads(payload)["params"] for _, payload in transport.published],
            "books": run.books.to_dict("records"),
            "rejects": run.rejects.drop(columns="request_id").to_dict("records"),
            "summary": {n: one for n, one in run.summary().items() if n not in OF_A_RUN},
            "repeats": told(mp.open_run(path)._journal.facts()["duplicates"]),
            "read": run.complete,
        }

    return end_of


HISTORY: list[Row] = [
    ("p1", f"d{n % 2}", 1_000 + n // 4 + n % 3 // 2, float(n % 4 * 60 % 130), n % 2, "a")
    for n in range(40)
]


@pytest.mark.parametrize("keep", ["first", "last"])
def test_a_run_that_reads_once_ends_as_one_that_reads_twice(ends: Any, keep: str) -> None:
    """The same requests, books, rejects and counts, values isolated and withheld among them."""
    with files_of(HISTORY, [], 7) as history:
        assert order_of(history, keep).nearby() is not None
        once, twice = ends(history, keep, once=True), ends(history, keep, once=False)

    assert len(once["repeats"]["repeats"]) > 5
    assert once == twice


@pytest.mark.parametrize("keep", ["first", "last"])
def test_a_run_that_ended_on_the_way_is_continued_to_the_same_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keep: str, ends: Any
) -> None:
    """What it had found by then is not known any more: the history is looked through."""
    monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / "state"))
    clock, path = Clock(1_700_000_000.0), tmp_path / "run.db"
    options: dict[str, Any] = {
        "journal": path, "on_invalid": "withhold", "duplicates": keep, "clock": clock,
        "limits": mp.Limits(max_entries=3, window=2), "progress": False,
    }  # fmt: skip
    sent: dict[str, Any] = {}

    def accepts(n: int, message: Any) -> Any:
        if n > 5 and not clock.at > 1_700_001_000:
            raise Killed
        sent[message["id"]] = message["params"]

    with files_of(HISTORY, [], 7) as history:
        with pytest.raises(Killed):
            scripted_replay(monkeypatch, accepts, history, MODEL, **options)
        begun = mp.open_run(path)
        assert begun._journal.facts()["duplicates"] is None
        nothing = pd.DataFrame({"time": [], "measurepoint": [], "value": []})
        found = begun.reconcile(lambda *_: nothing, history=history, model=MODEL)
        assert len(found) == begun.books[["accepted", "in_doubt"]].sum().sum() > 0
        clock.at += 10_000
        run, _ = scripted_replay(monkeypatch, accepts, history, MODEL, **options)
        whole = ends(history, keep, once=False, script=lambda *_: None)

    assert run.complete
    assert run.books.to_dict("records") == whole["books"]
    assert list(sent.values()) == whole["sent"]
    assert told(mp.open_run(path)._journal.facts()["duplicates"]) == whole["repeats"]


def test_devices_of_which_nothing_is_known_are_told_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A warning that names devices needs them all: the history is looked through for them."""
    monkeypatch.setenv("MPREPLAY_STATE", str(tmp_path / "state"))
    with files_of(HISTORY, [], 7) as history, pytest.warns(mp.ReplayWarning, match="2 sub-devices"):
        run, _ = scripted_replay(
            monkeypatch, lambda *_: None, history, MODEL, allow_offline_sub_device=False,
            on_invalid="withhold", duplicates="last", clock=Clock(1_700_000_000.0),
        )  # fmt: skip

    assert run.complete
