"""Damaged journals, read and continued: tables, or one error that names the file."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import SOLO, history_of
from scripted import Clock, always, scripted_replay

import mpreplay as mp
from mpreplay.journal.forms import check_facts

Made = tuple[bytes, Callable[[Path], Any]]


@pytest.fixture(scope="module")
def made(model: mp.ThingModel, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return the bytes of a journal of an unfinished run, and a function that continues one."""
    folder = tmp_path_factory.mktemp("damage")
    clock = Clock(1_700_000_000.0)
    times = pd.date_range("2024-05-31 23:40", periods=6, freq="10min", tz="UTC")
    frame = pd.DataFrame({"ts": times, "unit": "T1", "P": [1.5, 2.0, 9_999.0, 4.0, 5.0, 6.0]})

    def play(path: Path, script: Any = always) -> Any:
        clock.at += 1_000.0
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MPREPLAY_STATE", str(folder / "state"))
            return scripted_replay(
                patch, script, history_of(frame), model, journal=path, limits=SOLO, clock=clock,
                on_invalid="withhold",
            )[0]  # fmt: skip

    run = play(folder / "run.db", lambda n, _: [(0.0, 1204)] if n == 2 else [] if n > 3 else None)
    assert run.summary()["in_doubt"] > 0
    return (folder / "run.db").read_bytes(), play


def read(path: Path) -> None:
    """Read everything that a journal says."""
    run = mp.open_run(path)
    for table in (run.results, run.rejects, run.books, run.causes, run.touched(), run.lineage()):
        assert isinstance(table, pd.DataFrame)
    assert run.summary()
    assert repr(run)
    assert run._repr_html_()


def flips(written: bytes, seed: int, n: int) -> list[bytes]:
    """Return copies with one byte changed, most of them where there is something."""
    rng = random.Random(seed)
    places = [place for place, byte in enumerate(written) if byte]
    copies = []
    for _ in range(n):
        changed = bytearray(written)
        place = rng.choice(places) if rng.random() < 0.8 else rng.randrange(len(written))
        changed[place] ^= rng.choice([1 << rng.randrange(8), rng.randrange(1, 256)])
        copies.append(bytes(changed))
    return copies


@pytest.mark.parametrize("part", range(4))
def test_a_flipped_byte_ends_in_tables_or_in_an_error_of_ours(
    made: Made, tmp_path: Path, part: int, pytestconfig: pytest.Config
) -> None:
    """A disk that forgets a bit must not show as an error of a library nobody has heard of."""
    written, play = made
    total = int(pytestconfig.getoption("--byte-flips"))
    ends = []
    for n, copy in enumerate(flips(written, part, total // 4)):
        for use in (read, play):
            path = tmp_path / f"{n}-{use.__name__}.db"
            path.write_bytes(copy)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", mp.ReplayWarning)
                try:
                    end = use(path)
                except mp.JournalError as error:
                    end = error
            assert end is None or isinstance(end, mp.Run | mp.JournalError), end
            ends.append(isinstance(end, mp.JournalError))
            for left in tmp_path.glob(f"{path.name}*"):
                left.unlink()

    assert any(ends)
    assert not all(ends)


FACTS: dict[str, Any] = {
    "started_at": 1_700_000_000_000, "ended_at": None, "legs": [[1, None]], "continued": 0,
    "n_rows": 6, "read_all": True, "ended": ["interrupted", ["SIGINT"]], "counts": {"doubles": 1},
    "limits": {}, "fingerprint": {}, "duplicates": {}, "sources": [{}], "version": "1",
    "gateway": "gw-1", "connection": "mqtt://…", "run_id": "1", "is_kept": True,
    "parent": {"run_id": "0", "journal": ""},
}  # fmt: skip


def test_the_facts_of_a_run_have_their_form() -> None:
    """What is right is not taken for damage, and what is not there is not asked for."""
    check_facts(FACTS)
    check_facts({})


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("value", [1.5, [], ["x"], {"x": []}, "", -1, 10**15, True, [[1]]], ids=str)
def test_a_fact_of_another_form_is_damage(name: str, value: Any) -> None:
    """Whoever uses a fact need not ask for its type."""
    fits: dict[str, tuple[Any, ...]] = {
        "started_at": (-1,), "ended_at": (-1,), "legs": ([],), "continued": (10**15,),
        "n_rows": (10**15,), "read_all": (True,), "is_kept": (True,), "limits": ({"x": []},),
        "fingerprint": ({"x": []},), "duplicates": ({"x": []},), "sources": ([],),
        "version": ("",), "gateway": ("",), "connection": ("",), "run_id": ("",),
    }  # fmt: skip
    if any(value == one and type(value) is type(one) for one in fits.get(name, ())):
        check_facts({**FACTS, name: value})
    else:
        with pytest.raises(ValueError, match=f"what it tells of {name} has another form"):
            check_facts({**FACTS, name: value})
