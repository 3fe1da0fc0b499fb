"""The check of a job file's keys and values, before any of them is used. Pure.

What is wrong is returned, not raised: no frame of an error holds a value of the file, which may be
a secret in a wrong place.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..errors.nearest import nearest, plainly
from .keys import JOB, Key, Table, tables_with
from .takes import REFERENCE, URI

__all__ = ["faults_in"]

_SECRET: Final = (REFERENCE, URI)
_PLAIN: Final = (
    "a job file is read by many, so a secret does not stand in it. Put the secret into a variable "
    "or a file of its own, and its name here"
)
_LONGEST: Final = 60  # of a value in a message


def faults_in(given: Mapping[str, Any], table: Table = JOB, path: str = "") -> Iterator[str]:
    """Yield what is wrong in a table, each with the table it stands in.

    Examples
    --------
    >>> list(faults_in({"source": {"path": "a.csv", "tim": 1}, "model": {"path": "m.json"}}))
    ["[source]: there is no key 'tim' (nearest: time, time_unit)"]
    """
    for name, value in given.items():
        what = table.keys.get(name, table.each)
        if table.names is not None and not table.names.holds(name):
            yield f"{_of(path)}: {plainly(name)} must be {table.names.words}"
        if what is None:
            yield f"{_of(path)}: {_unknown(name, table, isinstance(value, dict))}"
        elif isinstance(what, Key):
            yield from _faults_of(what, name, value, path)
        elif isinstance(value, dict):
            yield from faults_in(value, what, f"{path}.{plainly(name)}".lstrip("."))
        else:
            yield f"{_of(path)}: {plainly(name)} must be a table, got {_kind(value)}"
    yield from _faults_together(given, table, path)


def _of(path: str) -> str:
    return f"[{path}]" if path else "the file"


def _faults_of(key: Key, name: str, value: Any, path: str) -> Iterator[str]:
    takes = key.takes
    if takes.holds(value):
        return
    if takes in _SECRET:
        why = f": {_PLAIN}" if isinstance(value, str) else f", got {_kind(value)}"
        yield f"[{path}]: {plainly(name)} must be {takes.words}{why}"
        return
    yield (
        f"{_of(path)}: {plainly(name)} must be {takes.words}, such as {name} = {takes.example}; "
        f"got {_shown(value)}"
    )


def _unknown(name: str, table: Table, is_table: bool) -> str:
    """Return the words for a key that does not exist: a near one, or the table it belongs to."""
    what = "table" if is_table else "key"
    told = f"there is no {what} {plainly(name)!r}"
    homes = [path for path in tables_with(name) if path] if name not in table.keys else []
    if homes:
        joined = " or ".join(f"[{f'{home}.{name}' if is_table else home}]" for home in homes[:3])
        return f"{told} here; {'it is' if is_table else 'it belongs to'} {joined}"
    return told + nearest(name, table.keys)


def _faults_together(given: Mapping[str, Any], table: Table, path: str) -> Iterator[str]:
    """Yield what is wrong with the keys of a table together."""
    where = _of(path)
    for name in table.needed:
        if name not in given:
            yield f"{where}: {_missing(name, table)}"
    given_of = [name for name in table.one_of if name in given]
    if table.one_of and not given_of:
        yield f"{where}: {' or '.join(table.one_of)} is missing; give one of them"
    if len(given_of) > 1:
        yield f"{where}: {' and '.join(given_of)} exclude each other; give one"
    for one, other in table.apart:
        if one in given and other in given:
            yield f"{where}: {one} and {other} exclude each other; give one"
    for name, others in table.goes_with.items():
        if name in given and (lacking := [one for one in others if one not in given]):
            yield f"{where}: {name} needs {' and '.join(lacking)}, too"


def _missing(name: str, table: Table) -> str:
    what = table.keys[name]
    if isinstance(what, Table):
        return f"the table [{name}] is missing: {what.told}"
    return f"{name} is missing, such as {name} = {what.takes.example}"


def _shown(value: Any) -> str:
    """Return a value and its kind; a text that may hold credentials is not shown."""
    if isinstance(value, str) and "//" not in value:
        shown = value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
        return f"the text {shown!r}"
    if type(value) in (int, float) and abs(value) < 10**_LONGEST:
        return f"the number {value}"
    return "true" if value is True else "false" if value is False else _kind(value)


_KINDS: Final = {
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a table",
    dt.time: "a time of day",
}


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a time")
