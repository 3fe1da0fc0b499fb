"""Encode: slabs in Arrow to request bytes, against orjson over ready-made dicts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import orjson
import pyarrow as pa
from contest import Given, Row, in_turn, run, seconds
from lanes import COMPILED, GENERAL, current
from year import Pipeline, Slab, Year, history_of, repeated, sparse

REPEATED = 4  # so that two threads have slabs enough
ABSENT = 0.1
# On one thread; on two; on two with some absent.
BARS = {GENERAL: (0.9, 0.85, 0.5), COMPILED: (3.0, 0.85, 0.5)}
AIMS = {GENERAL: (1.0, 1.2, 0.85), COMPILED: (5.0, 1.2, 0.85)}


def measure(given: Given) -> Row:
    """Compare values per second, with all values there and with some absent."""
    year = Year.of(given)
    times = 1 if given.quick else REPEATED
    dense = contest(year, year.table, times, given)
    thin = contest(year, sparse(year.table, ABSENT), times, given)
    figures = (dense["ratio, one thread"], dense["ratio"], thin["ratio"])
    bars, aims = BARS[current()], AIMS[current()]
    return Row(
        number=1,
        name="encode on one thread, against orjson; on two; on two with 10 % absent",
        figure="{:.2f} ×; {:.2f} ×; {:.2f} ×".format(*figures),
        bar="≥ {} ×; ≥ {} ×; ≥ {} ×".format(*bars),
        aim="≥ {} ×; ≥ {} ×; ≥ {} ×".format(*aims),
        met=all(map(float.__ge__, figures, bars)),
        aim_met=all(map(float.__ge__, figures, aims)),
        measured=dense | {f"{name}, 10 % absent": number for name, number in thin.items()},
    )


def contest(year: Year, table: pa.Table, times: int, given: Given) -> dict[str, float]:
    """Return values per second of each, and their ratio."""
    once = Pipeline(history_of(table), year.model).requests()
    requests = [orjson.loads(payload) for payload in once.payloads]
    # The same entries, in the same order, with the same digits: else this would be no contest.
    assert [orjson.dumps(request) for request in requests] == once.payloads
    slabs = Pipeline(history_of(repeated(table, times)), year.model).slabs()
    n_values = sum(slab.n_values for slab in slabs)
    with ThreadPoolExecutor(2) as pool:
        took = in_turn(
            {
                "mpreplay": lambda: seconds(lambda: list(pool.map(Slab.encode, slabs))),
                "mpreplay, one thread": lambda: seconds(lambda: list(map(Slab.encode, slabs))),
                "orjson": lambda: seconds(lambda: list(map(orjson.dumps, requests))),
            },
            given.rounds,
        )
    rates = {name: (once.n_values if name == "orjson" else n_values) / took[name] for name in took}
    return {
        "ratio": rates["mpreplay"] / rates["orjson"],
        "ratio, one thread": rates["mpreplay, one thread"] / rates["orjson"],
        **{f"{name} [values/s]": rate for name, rate in rates.items()},
    }


if __name__ == "__main__":
    run(measure, twice=True)
