"""The way in which texts of numbers, times and absent cells are written. Pure."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TextFormat"]


@dataclass(frozen=True, slots=True)
class TextFormat:
    """The way to read texts: those of CSV files, and columns of text.

    Parameters
    ----------
    delimiter : str, optional
        Between the cells of a CSV file.
    decimal : str, optional
        The decimal separator: "." or ",".
    encoding : str, optional
        The encoding of a CSV file.
    absent : sequence of str, optional
        Words that mean that there is no value.
    strip : bool, optional
        Whether blanks around texts are removed.

    Examples
    --------
    >>> TextFormat(delimiter=";", decimal=",", absent=("-", "Bad")).decimal
    ','
    """

    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    absent: tuple[str, ...] = ("",)
    strip: bool = False
