"""The tables of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

__all__ = ["MAX_ROWS", "Table"]

MAX_ROWS: Final = 30  # rows of a table that may be long
WIDE: Final = 3  # columns from which a table is too wide for a phone


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a report; ``numbers`` are the columns aligned to the right.

    On a narrow screen a wide table is shown as a block for each row.
    """

    caption: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    numbers: frozenset[int] = frozenset()

    @property
    def is_wide(self) -> bool:
        """True if a phone is too narrow for its rows."""
        return len(self.columns) >= WIDE
