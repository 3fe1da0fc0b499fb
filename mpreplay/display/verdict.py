"""The verdict about a history: its facts and its sentences.

Pure: facts in, plain text out; escaping is the caller's task.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ..errors import Argument
from ..model.measurepoint import Measurepoint
from .amounts import MAX_NAME, count, time_in_words, visible
from .facts import Conflict
from .plain_words import Apart
from .sentences import names

__all__ = [
    "Example",
    "Failed",
    "PointVerdict",
    "Verdict",
    "allowed_in_words",
    "example_in_words",
    "failed_in_words",
    "headline_of_verdict",
    "missing_in_words",
    "rest_of",
    "type_in_words",
]

MAX_KEYS: Final = 6  # of an ENUM
MAX_VALUE: Final = 40  # characters


class Example(NamedTuple):
    """A single value that failed a check, or a row; ``said`` is the reason in plain words."""

    source: str
    row: Any
    device_key: str
    time: Any
    value: str
    reason: str
    said: str = ""


class Failed(NamedTuple):
    """A check, the number of values of one point that failed, and an example.

    Of a whole row, the value of the example is the empty text.
    """

    check: str
    n: int
    example: Example


@dataclass(frozen=True, slots=True)
class PointVerdict:
    """The verdict about the values of one measurement point.

    Parameters
    ----------
    point : Measurepoint
        The point; of type ANY if its model does not list it.
    is_known : bool
        True if the model lists the point or passes it through.
    n_values, n_absent, n_invalid : int
        Numbers of values, of absent values in its rows, and of values that may not be sent: a value
        fails several checks, or stands in a row that fails one.
    failed : tuple of Failed
        Checks that values failed.
    product_key : str
        Product of the point, where there are several; else the empty text.
    """

    point: Measurepoint
    is_known: bool
    n_values: int
    n_absent: int
    n_invalid: int
    failed: tuple[Failed, ...] = ()
    product_key: str = ""

    @property
    def name(self) -> str:
        """Name of the point, with its product where there are several."""
        product = f" ({self.product_key})" if self.product_key else ""
        return f"{self.point.identifier}{product}"

    @property
    def n_valid(self) -> int:
        """Number of values that may be sent."""
        return self.n_values - self.n_invalid


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of the thing model about a history.

    Parameters
    ----------
    n_values, n_violations, n_conflicts : int
        Numbers of values, of failed checks, and of values that another one contradicts.
    duplicates : str
        The policy for these.
    points : tuple of PointVerdict
        A verdict for each point, in the order of the columns.
    rows : tuple of Failed
        Checks that whole rows failed.
    missing : tuple of str
        Points of the model without a column.
    conflicts : tuple of Conflict
        The first contradicted values.
    hints : tuple of str
        Sentences about columns whose texts another form would read.
    """

    n_values: int
    n_violations: int
    n_conflicts: int
    duplicates: str
    points: tuple[PointVerdict, ...] = ()
    rows: tuple[Failed, ...] = ()
    missing: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def n_invalid(self) -> int:
        """Number of values that may not be sent."""
        return sum(one.n_invalid for one in self.points)

    @property
    def is_contradicted(self) -> bool:
        """True if a replay asks which of two readings to send."""
        return bool(self.n_conflicts) and self.duplicates == "raise"

    @property
    def is_ok(self) -> bool:
        """True if ``replay`` with the same arguments would raise for nothing."""
        return not self.n_violations and not self.is_contradicted

    @property
    def failed(self) -> Iterator[tuple[PointVerdict | None, Failed]]:
        """Each failed check with its point, rows first, then the point with most of them."""
        yield from ((None, one) for one in self.rows)
        points = sorted(self.points, key=lambda one: -one.n_invalid)
        yield from ((one, failed) for one in points for failed in one.failed)


def headline_of_verdict(verdict: Verdict) -> tuple[str, str]:
    """Return the verdict in a line without a full stop, and what follows from it in sentences.

    Examples
    --------
    >>> headline_of_verdict(Verdict(3, 0, 0, "raise"))[0]
    'All 3 values are valid'
    >>> headline_of_verdict(Verdict(3, 0, 1, "last"))[1]
    '1 value has the device, time and point of another, and another value: the last is sent.'
    """
    told = (
        f"{one.said} ({one.arguments})" if one.arguments else one.said for one in rest_of(verdict)
    )
    return _first_line(verdict), " ".join(f"{one}." for one in told)


def _first_line(verdict: Verdict) -> str:
    n, invalid = verdict.n_values, verdict.n_invalid
    if 0 < invalid == n:
        return "The one value is invalid" if n == 1 else f"None of {n:,} values is valid"
    if invalid:
        are = "is" if invalid == 1 else "are"
        return f"{invalid:,} of {count(n, 'value')} {are} invalid"
    if verdict.rows:
        return f"{count(sum(one.n for one in verdict.rows), 'row')} cannot be read"
    if not n:
        return "There is no value to check"
    if verdict.is_contradicted:
        does = "contradicts" if verdict.n_conflicts == 1 else "contradict"
        return f"{verdict.n_conflicts:,} of {count(n, 'value')} {does} another reading"
    return "The one value is valid" if n == 1 else f"All {n:,} values are valid"


def rest_of(verdict: Verdict) -> Iterator[Apart]:
    """Yield what follows from a verdict: sentences without full stops, their arguments apart."""
    if verdict.rows and verdict.n_invalid:
        n = sum(one.n for one in verdict.rows)
        yield Apart(f"{count(n, 'row')} cannot be read; invalid are all values of such a row")
    if verdict.n_violations and verdict.n_invalid == verdict.n_values:
        yield Apart("A replay sends nothing")
    elif verdict.n_violations:
        how = str(Argument("on_invalid", "withhold"))
        yield Apart("A replay sends nothing, or withholds these and sends the rest", how)
    if verdict.n_conflicts:
        n = verdict.n_conflicts
        has = "has" if n == 1 else "have"
        which, how = _which(verdict)
        yield Apart(
            f"{count(n, 'value')} {has} the device, time and point of another, and another value: "
            f"{which}",
            how,
        )


def _which(verdict: Verdict) -> Apart:
    """Return which of two readings is sent."""
    if not verdict.is_contradicted:
        return Apart(f"the {verdict.duplicates} is sent")
    first, last = (Argument("duplicates", one) for one in ("first", "last"))
    return Apart("a replay sends nothing before it is told which to send", f"{first} or {last}")


def failed_in_words(point: str, failed: Failed) -> str:
    """Return a failed check with its example as a clause.

    Examples
    --------
    >>> example = Example("DataFrame", 1, "", None, "11", "outside (-inf, 10]")
    >>> failed_in_words("P", Failed("range", 2, example))
    '2 P range, such as row 1 of DataFrame: 11, outside (-inf, 10]'
    """
    what = f"{failed.n:,} {visible(point, MAX_NAME) or 'row'} {visible(failed.check, MAX_NAME)}"
    return f"{what}, such as {example_in_words(failed.example)}"


def example_in_words(example: Example, *, with_source: bool = True) -> str:
    """Return a value that failed, with its place and the reason."""
    who = [visible(example.device_key, MAX_NAME), time_in_words(example.time)]
    who = [one for one in who if one]
    of = f" of {visible(example.source, MAX_NAME)}" if with_source else ""
    where = f"row {visible(example.row)}{of}"
    place = f"{where} ({', '.join(who)})" if who else where
    value = visible(example.value, MAX_VALUE)
    return f"{place}: {value and f'{value}, '}{visible(example.reason)}"


def missing_in_words(missing: tuple[str, ...]) -> str:
    """Return which points of the model have no column; the empty text if each has one."""
    if not missing:
        return ""
    told = visible(names(missing, "points", MAX_NAME))
    return f"No column of the history holds {told} of the model."


def type_in_words(one: PointVerdict) -> str:
    """Return the type of a point."""
    point = one.point
    if not one.is_known:
        return "not in the model"
    if point.item_type:
        return f"{point.type} of {point.item_type}"
    if point.members:
        return f"{point.type} of {names(tuple(m.identifier for m in point.members), 'members')}"
    return "any" if point.is_any else point.type


def allowed_in_words(point: Measurepoint) -> str:
    """Return the allowed values of a point; the empty text for all of its type.

    Examples
    --------
    >>> allowed_in_words(Measurepoint("Ot_avg", "FLOAT", unit="degC", minimum=-60, maximum=60))
    '[-60, 60]'
    >>> allowed_in_words(Measurepoint("State", "ENUM", keys=(0, 1)))
    '0, 1'
    """
    if point.is_enum:
        keys = [visible(key, MAX_NAME) for key in point.keys]
        more = f", … ({len(keys):,})" * (len(keys) > MAX_KEYS)
        return f"{', '.join(keys[:MAX_KEYS])}{more}"
    if point.max_length is not None:
        return f"at most {count(point.max_length, 'byte')}"
    return point.range_text
