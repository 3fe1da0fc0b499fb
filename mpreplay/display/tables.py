"""What the sections of a report are made of: tables, and the marks of fates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

__all__ = ["MAX_ROWS", "Table"]

MAX_ROWS: Final = 30  # of any other table
WIDE: Final = 3  # columns that a phone does not show beside each other


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a report; ``numbers`` are the columns that are set to the right.

    One with many columns is shown a block a row where the screen is narrow.
    """

    caption: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    numbers: frozenset[int] = frozenset()

    @property
    def is_wide(self) -> bool:
        """Whether a phone cannot show its rows as rows."""
        return len(self.columns) >= WIDE
