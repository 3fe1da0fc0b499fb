"""The form of the facts in a journal, by which a damaged one is recognised.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

__all__ = ["check_facts"]

_END_OF_TIME: Final = 253_402_300_800_000  # the year 10000 [ms]


def check_facts(facts: Mapping[str, Any]) -> None:
    """Raise ValueError unless the facts of a run have their form, as far as they are there."""
    for name, is_right in _FORMS.items():
        if name in facts and not is_right(facts[name]):
            raise ValueError(f"what it tells of {name} has another form")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_moment(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _END_OF_TIME


def _is_moment_or_none(value: Any) -> bool:
    return value is None or _is_moment(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_object_or_none(value: Any) -> bool:
    return value is None or _is_object(value)


def _is_ended(value: Any) -> bool:
    if value is None:
        return True
    is_pair = isinstance(value, list) and len(value) == 2 and isinstance(value[1], list)
    return is_pair and isinstance(value[0], str)


def _is_link(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_text(value.get(k)) for k in ("run_id", "journal"))


def _are(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(is_right, value))


def _is_leg(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_moment_or_none, value))


def _are_counts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_count, value.values()))


_FORMS: Final[dict[str, Callable[[Any], bool]]] = {
    "started_at": _is_moment,
    "leg_started_at": _is_moment_or_none,
    "plausible": _is_leg,
    "ended_at": _is_moment_or_none,
    "legs": _are(_is_leg),
    "continued": _is_count,
    "n_rows": _is_count,
    "read_all": _is_truth,
    "is_kept": _is_truth,
    "ended": _is_ended,
    "counts": _are_counts,
    "limits": _is_object,
    "fingerprint": _is_object,
    "duplicates": _is_object_or_none,  # not known before the end, where all is read once
    "sources": _are(_is_object),
    "version": _is_text,
    "gateway": _is_text,
    "connection": _is_text,
    "run_id": _is_text,
    "parent": _is_link,
    "columns_left_out": _are(_is_text),
}
