"""The JSON Schema of job files, for editors. Pure."""

from __future__ import annotations

from typing import Any

from .keys import JOB, Key, Table

__all__ = ["schema_of_jobs"]


def schema_of_jobs() -> dict[str, Any]:
    """Return the schema of job files.

    Examples
    --------
    >>> sorted(schema_of_jobs()["properties"])[:3]
    ['accept', 'connection', 'fleet']
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mpreplay job",
        **_of_table(JOB),
    }


def _of(what: Key | Table) -> dict[str, Any]:
    if isinstance(what, Table):
        return _of_table(what)
    described = {"description": what.told} if what.told else {}
    return {**described, **what.takes.schema}


def _of_table(table: Table) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": table.told, "type": "object"}
    if table.keys:
        schema["properties"] = {name: _of(what) for name, what in table.keys.items()}
    schema["additionalProperties"] = False if table.each is None else _of(table.each)
    if table.names is not None:
        schema["propertyNames"] = dict(table.names.schema)
    if table.needed:
        schema["required"] = list(table.needed)
    if table.one_of:
        schema["oneOf"] = [{"required": [name]} for name in table.one_of]
    if table.apart:
        schema["allOf"] = [{"not": {"required": list(pair)}} for pair in table.apart]
    if table.goes_with:
        schema["dependentRequired"] = {name: list(all_) for name, all_ in table.goes_with.items()}
    return schema
