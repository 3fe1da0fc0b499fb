"""A column whose cells are written in a way of their own. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ..errors import Argument, ConfigError, message
from ..errors.arguments import CLEAN_TEXT, FLAG, Kind, check_kinds, optional, wrong
from .text_format import DECIMAL, told_fields, words_of

__all__ = ["Column"]

_VALUE: Final = (bool, int, float, str)
_SCALE: Final = Kind(
    "a number or None",
    lambda value: value is None or (isinstance(value, int | float) and type(value) is not bool),
)
_OPTIONAL_DECIMAL: Final = Kind(
    f"{DECIMAL.words}, or None", lambda value: value is None or DECIMAL.holds(value)
)


@dataclass(frozen=True, slots=True, repr=False)
class Column:
    """A column whose cells are written otherwise than the values of its measurement point.

    Parameters
    ----------
    point : str
        Identifier of the measurement point.
    values : dict, optional
        Text of a cell to its value, such as ``{"ON": 1, "OFF": 0}``; any other text is a
        violation.
    labels : bool, optional
        Whether cells hold the labels that the thing model gives to the values of an ENUM.
    scale : float, optional
        Factor from the unit of the column to the unit of the point. Multiplied as decimals, as
        they are written: 0.3 by 1,000 is 300.
    suffix : str, optional
        Text that may stand after a number, such as ``"m/s"``, with blanks before it or without.
    absent : sequence of str, optional
        Words that mean that there is no value, in this column; None: those of the text format.
    decimal : str, optional
        Decimal separator in this column; None: that of the text format.

    Raises
    ------
    ConfigError
        If an argument cannot be, or two contradict each other.

    Examples
    --------
    >>> Column("Run", values={"ON": 1, "OFF": 0})
    Column('Run', values={'ON': 1, 'OFF': 0})
    """

    point: str
    values: Mapping[str, Any] | None = None
    labels: bool = False
    scale: float | None = None
    suffix: str = ""
    absent: tuple[str, ...] | None = None
    decimal: str | None = None

    def __post_init__(self) -> None:
        check_kinds(
            {
                "point": (self.point, CLEAN_TEXT),
                "values": (self.values, optional(Mapping, "a dict of text to value")),
                "labels": (self.labels, FLAG),
                "scale": (self.scale, _SCALE),
                "suffix": (self.suffix, CLEAN_TEXT),
                "decimal": (self.decimal, _OPTIONAL_DECIMAL),
            },
            caller="Column",
        )
        if not self.point:
            raise wrong("point", self.point, "the identifier of a measurepoint", caller="Column")
        if self.absent is not None:
            object.__setattr__(self, "absent", words_of(self.absent, "Column"))
        if self.scale is not None:
            object.__setattr__(self, "scale", _factor(self.scale))
        object.__setattr__(self, "suffix", self.suffix.strip())
        if self.values is not None:
            object.__setattr__(self, "values", self._mapped())
        self._check_together()

    def _mapped(self) -> dict[str, Any]:
        """Return the values by their texts, as a dict of their own."""
        mapped = dict(self.values or {})
        if not mapped:
            raise wrong("values", self.values, "a dict with a text at least", caller="Column")
        for text, value in mapped.items():
            if not CLEAN_TEXT.holds(text):
                expected = "a dict whose keys are texts, as the cells are"
                raise wrong("values", text, expected, caller="Column")
            if value is None:
                raise ConfigError(
                    message(
                        f"Column {self.point!r}: ",
                        Argument("values"),
                        f" gives no value to {text!r}; a text that means that there is none "
                        "belongs to ",
                        Argument("absent", (text,)),
                    ),
                    argument="values",
                    value=value,
                )
            plain = value.item() if hasattr(value, "item") else value  # of NumPy
            if not isinstance(plain, _VALUE) or (isinstance(plain, float) and math.isnan(plain)):
                expected = "a dict of texts to numbers, texts or truth values"
                raise wrong("values", value, expected, caller="Column")
            mapped[text] = plain
        return mapped

    def _check_together(self) -> None:
        """Raise if arguments contradict each other."""
        given = [name for name in told_fields(self) if name not in {"point", "absent"}]
        ways = [name for name in ("values", "labels") if name in given]
        if ways and len(given) > 1:
            other = next(name for name in given if name != ways[0])
            raise ConfigError(
                message(
                    f"Column {self.point!r}: ",
                    Argument(ways[0]),
                    " and ",
                    Argument(other),
                    f" exclude each other: {ways[0]} take the whole text of a cell",
                ),
                argument=other,
                value=getattr(self, other),
            )
        if both := sorted(set(self.absent or ()) & set(self.values or {})):
            raise ConfigError(
                message(
                    f"Column {self.point!r}: {both[0]!r} stands both in ",
                    Argument("values"),
                    " and in ",
                    Argument("absent"),
                    "; it is a value or none",
                ),
                argument="absent",
                value=self.absent,
            )

    @property
    def is_plain(self) -> bool:
        """True if nothing but the point is given."""
        return list(told_fields(self)) == ["point"]

    def canonical(self) -> Column:
        """Return the column with words and texts in their order, for a comparison by text."""
        absent = None if self.absent is None else tuple(sorted(set(self.absent)))
        values = None if self.values is None else dict(sorted(self.values.items()))
        return replace(self, absent=absent, values=values)

    def __hash__(self) -> int:
        return hash(repr(self.canonical()))

    def __repr__(self) -> str:
        told = [f"{name}={value!r}" for name, value in told_fields(self).items() if name != "point"]
        return f"Column({', '.join([repr(self.point), *told])})"


def _factor(scale: float) -> float:
    """Return a scale as a float; raise unless it can be one."""
    try:
        factor = float(scale)
    except OverflowError:
        factor = math.inf
    if not math.isfinite(factor) or not factor:
        raise wrong("scale", scale, "a finite number other than 0", caller="Column")
    return factor
