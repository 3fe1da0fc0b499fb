"""The keys of a job file: the loader, the schema for editors and the library agree."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mpreplay as mp
from mpreplay.jobs.arguments import ARGUMENTS
from mpreplay.jobs.checking import faults_in
from mpreplay.jobs.keys import JOB, Key, Table
from mpreplay.jobs.schema import schema_of_jobs

FILE = Path(mp.__file__).parent / "jobs" / "job.schema.json"
SCHEMA = jsonschema.Draft202012Validator(schema_of_jobs())
LEAST = {"source": {"path": "a.csv"}, "model": {"path": "m.json"}}


def test_the_schema_that_ships_is_that_of_the_keys() -> None:
    """An editor and the loader are told the same."""
    assert json.loads(FILE.read_text("utf-8")) == schema_of_jobs()
    jsonschema.Draft202012Validator.check_schema(schema_of_jobs())


# Values of all kinds that a key may take or refuse; integral floats are whole to JSON Schema alone.
VALUES = (
    st.sampled_from(
        [
            *("raise", "last", "point", "auto", "s", ".", "", "a", "env:A", "file:a", "env:"),
            *(
                "mqtts://gw:env%3AA@h/p",
                "mqtt://gw:hush@h/p",
                "2024-03-01",
                "superseded",
                "s3://k:s@b/a",
                "s3://b/a@c",
            ),
            *(True, False, 0, 1, -1, 0.5, -0.5, 255, 256, 2**53, 2**53 + 1),
            *([], ["a"], [""], [1], ["a", "b"], [["p", "d"]], [["p"]], [False, "+1d"], [False] * 3),
            *({}, {"a": "b"}, {"a": 1}, {"p/d": "env:A"}, {"p/d": "hush"}, {"a": {"point": "P"}}),
            *({"a": {}}, {"delimiter": ";"}, {"ON": 1, "OFF": False}, {"a": []}),
        ]
    )
    | st.text(max_size=4)
    | st.integers(-3, 3)
)


def _keys(table: Table) -> st.SearchStrategy[str]:
    return st.sampled_from([*table.keys, "unknown"])


def _tables(table: Table) -> st.SearchStrategy[Any]:
    """Return tables with keys of a table, their values good and bad."""
    if not table.keys:
        return VALUES
    made = {
        name: VALUES if isinstance(what, Key) else _tables(what) | VALUES
        for name, what in table.keys.items()
    }
    return st.fixed_dictionaries({}, optional=made)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: _tables(what) | st.just(LEAST.get(name, {}))
            for name, what in JOB.keys.items()
            if isinstance(what, Table)
        }
        | {"unknown": VALUES},
    )
)
def test_the_schema_and_the_loader_refuse_the_same_files(job: dict[str, Any]) -> None:
    """What an editor marks as wrong is refused, and nothing else is."""
    assert SCHEMA.is_valid(job) == (list(faults_in(job)) == []), job


def _leaves(table: Table, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Key]]:
    for name, what in table.keys.items():
        if isinstance(what, Table):
            yield from _leaves(what, (*path, name))
        else:
            yield (*path, name), what
    if isinstance(table.each, Key):
        yield (*path, "wind-turbine/T01"), table.each
    elif table.each is not None:
        yield from _leaves(table.each, (*path, "Wind"))


def _job_with(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return a job with a key, and the keys that it needs."""
    job: dict[str, Any] = json.loads(json.dumps(LEAST))
    place = job
    for name in path[:-1]:
        place = place.setdefault(name, {})
    if path[:2] == ("source", "columns"):
        place["point"] = "P"
    if path[0] == "connection" and len(path) == 2 and path[1] != "uri":
        place |= {"host": "h", "product_key": "p", "device_key": "d", "device_secret": "env:A"}
    if path[0] == "fleet":
        place |= {"topology": "t.csv", "folder": "runs"}
    if path == ("journal", "key"):
        place["folder"] = "runs"
    if path[:2] == ("model", "products"):
        del job["model"]["path"]
    place[path[-1]] = value
    return job


@pytest.mark.parametrize(
    ("path", "key"), list(_leaves(JOB)), ids=lambda one: ".".join(one) if type(one) is tuple else ""
)
@pytest.mark.parametrize(
    "value", [True, 7, -1, 0.5, "", "a\0", [], [[]], {}, {"": []}, "env:A", "raise", [1, 2, 3]]
)
def test_each_key_takes_and_refuses_what_the_schema_does(
    path: tuple[str, ...], key: Key, value: Any
) -> None:
    """Each key alone, so that none is left to chance."""
    job = _job_with(path, value)

    assert SCHEMA.is_valid(job) == (list(faults_in(job)) == [])


@pytest.mark.parametrize(("path", "key"), list(_leaves(JOB)), ids=lambda one: str(one)[:40])
def test_the_example_of_each_key_can_stand_there(path: tuple[str, ...], key: Key) -> None:
    """A message that proposes what is refused next makes nobody happy."""
    import tomllib

    value = tomllib.loads(f"x = {key.takes.example}")["x"]
    job = _job_with(path, value)

    assert list(faults_in(job)) == []


def test_there_is_a_key_for_every_limit() -> None:
    """A limit that a job cannot set forces its user back into a script."""
    assert list(JOB.keys["limits"].keys) == [one.name for one in dataclasses.fields(mp.Limits)]


def test_there_is_a_key_for_every_field_of_a_text_and_of_a_column() -> None:
    """A file that Python can read is one that a job can read."""
    source = JOB.keys["source"]
    texts, column = source.keys["text"], source.keys["columns"].each

    assert list(texts.keys) == [one.name for one in dataclasses.fields(mp.TextFormat)]
    assert list(column.keys) == [one.name for one in dataclasses.fields(mp.Column)]


def test_there_is_a_key_for_every_argument_of_read_history() -> None:
    """Arguments of objects in memory have no place in a file, and the others have one."""
    names = {ARGUMENTS.get(name, name) for name in JOB.keys["source"].keys}
    of_objects = {"source", "filesystem", "name", "spool"}

    assert (
        names - {"path", "columns"}
        == set(inspect.signature(mp.read_history).parameters) - of_objects
    )


def test_there_is_a_key_for_every_argument_of_replay() -> None:
    """The arguments of one call, and objects of a process, have no place in a file."""
    names = set(JOB.keys["replay"].keys)
    elsewhere = {"history", "model", "connection", "sub_device_secrets", "limits", "journal"}
    of_a_call = {"on_event", "stop", "again", "run_key", "on_interrupt"}
    known = set(inspect.signature(mp.replay).parameters)

    assert names == known - elsewhere - of_a_call
