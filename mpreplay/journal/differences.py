"""The differences between a run in a journal and what is given to continue it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Final

__all__ = ["told_differences"]

SHOWN: Final = 3  # sources named in a message
_HISTORY: Final = "the history is another, or has changed"
_MODEL: Final = "the thing model is another, or has changed"
# Inputs that decide which columns are read.
_CHOOSING: Final = frozenset(
    ("model", "points", "quality", "ignore", "time", "device", "product", "point", "value")
)
# Kinds of sources, as their fingerprints begin.
_KINDS: Final = {"file": "a Parquet file", "frame": "a DataFrame", "table": "an Arrow table"}


def told_differences(
    facts: Mapping[str, Any], wanted: Mapping[str, Any], names: Sequence[str]
) -> dict[str, str]:
    """Return the inputs that differ from those of a run, each with its difference in words.

    Parameters
    ----------
    facts : mapping
        Facts of the run in its journal.
    wanted : mapping
        Fingerprint of what is given now.
    names : sequence of str
        Names of the sources given now, in their order.
    """
    kept = facts.get("fingerprint") or {}
    told = {}
    for name in wanted:
        if kept.get(name) == wanted[name]:
            continue
        told[name] = f"{name} was {kept.get(name)!r} and is {wanted[name]!r}"
        if name == "model":
            told[name] = _MODEL
        elif name == "history":
            changes = list(_changes(facts, kept.get(name) or [], wanted[name], names))
            shown = "; ".join(changes[:SHOWN])
            more = f"; and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
            told[name] = f"{_HISTORY}{f' ({shown}{more})' if shown else ''}"
    if told.keys() & _CHOOSING and _is_in_memory(kept) and _is_in_memory(wanted):
        told.pop("history", None)  # of other columns, which are no change of the history
    return told


def _is_in_memory(inputs: Mapping[str, Any]) -> bool:
    return not any(str(one).startswith("file:") for one in inputs.get("history") or [])


def _changes(
    facts: Mapping[str, Any], kept: Sequence[str], wanted: Sequence[str], names: Sequence[str]
) -> Iterator[str]:
    """Yield what became of each source, by the names without their folders."""
    known = [str(one.get("name")) for one in facts.get("sources") or []]
    if len(known) != len(kept) or len(names) != len(wanted):
        return
    then, now = _by_name(known, kept), _by_name([PurePath(one).name for one in names], wanted)
    for name in {**then, **now}:
        if name not in now:
            yield f"{name[0]} was read then, and is not given now"
        elif name not in then:
            yield f"{name[0]} is given now, and was not read then"
        elif then[name] != now[name]:
            yield f"{name[0]}: {_change(then[name], now[name])}"


def _by_name(names: Sequence[str], prints: Sequence[str]) -> dict[tuple[str, int], str]:
    """Return fingerprints by the name of their source, and its number among its namesakes."""
    seen: Counter[str] = Counter()
    found = {}
    for name, one in zip(names, prints, strict=True):
        found[name, seen[name]] = one
        seen[name] += 1
    return found


def _change(then: str, now: str) -> str:
    """Return the difference between two fingerprints of a source."""
    (old_kind, *old), (kind, *new) = then.split(":", 3), now.split(":", 3)
    if kind != old_kind:
        return f"it was {_KINDS.get(old_kind, old_kind)} then, and is {_KINDS.get(kind, kind)} now"
    if kind != "file":
        return "the columns that are read differ in their values, types or order"
    if old[:2] == new[:2]:
        return f"its folders say {_folders(old)} then, and {_folders(new)} now"
    return (
        f"its bytes differ: {old[0]} bytes with SHA-256 {old[1]} then, "
        f"{new[0]} bytes with SHA-256 {new[1]} now"
    )


def _folders(parts: Sequence[str]) -> str:
    return parts[2] if len(parts) > 2 else "nothing"
