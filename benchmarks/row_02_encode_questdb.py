"""Encode on one thread, against QuestDB's client writing the same frame in its text protocol.

Both are given the columns in the types of their points: 32 bits for a FLOAT.
"""

from __future__ import annotations

from contest import HERE, Child, Given, Row, in_turn, run, seconds
from peers import python_of
from year import Pipeline, Slab, Year, history_of, parquet_of

BAR, AIM = 1.0, 1.5


def measure(given: Given) -> Row:
    """Compare values per second."""
    year = Year.of(given)
    slabs = Pipeline(history_of(year.path), year.model).slabs()
    n_values = sum(slab.n_values for slab in slabs)
    python = python_of("questdb", given)
    script = HERE / "encode_with_questdb.py"
    with (
        parquet_of(year.as_typed) as typed,
        Child([python, script, typed]) as narrow,
        Child([python, script, year.path]) as wide,
    ):

        def rate(child: Child) -> float:
            return child.told["n_values"] / child.go()["seconds"]

        rates = in_turn(
            {
                "mpreplay": lambda: n_values / seconds(lambda: list(map(Slab.encode, slabs))),
                "questdb": lambda: rate(narrow),
                "questdb, the file's columns": lambda: rate(wide),
            },
            given.rounds,
        )
    ratio = rates["mpreplay"] / rates["questdb"]
    return Row(
        number=2,
        name="encode on one thread, against QuestDB's client given 32-bit columns",
        figure=f"{ratio:.2f} ×",
        bar=f"≥ {BAR} ×",
        aim=f"≥ {AIM} ×",
        met=ratio >= BAR,
        aim_met=ratio >= AIM,
        measured={f"{name} [values/s]": rate for name, rate in rates.items()},
    )


if __name__ == "__main__":
    run(measure, twice=True)
