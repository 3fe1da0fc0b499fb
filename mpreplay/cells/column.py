"""A column whose cells are written in a way of their own. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .text_format import told_fields

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Column"]


@dataclass(frozen=True, slots=True, repr=False)
class Column:
    """A column whose cells are written otherwise than the values of its measurement point.

    Parameters
    ----------
    point : str
        Identifier of the measurement point.
    values : dict, optional
        Text of a cell to its value, such as ``{"ON": 1, "OFF": 0}``.
    labels : bool, optional
        Whether cells hold the labels that the thing model gives to the values of an ENUM.
    scale : float, optional
        Factor from the unit of the column to the unit of the point.
    suffix : str, optional
        Text after each number, such as ``"m/s"``.
    absent : sequence of str, optional
        Words that mean that there is no value, in this column; None: those of the text format.
    decimal : str, optional
        Decimal separator in this column; None: that of the text format.

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

    def __repr__(self) -> str:
        more = {name: value for name, value in told_fields(self).items() if name != "point"}
        given = "".join(f", {name}={value!r}" for name, value in more.items())
        return f"Column({self.point!r}{given})"
