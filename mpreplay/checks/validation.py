"""Which values of a history the thing model forbids, each with the row it came from.

Pure, save that ``validate`` walks through a history. pandera decides: the model's schema runs
lazily over each slab, and for a check that fails the same check says which values it was.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from ..model.device import Device
from ..model.model_set import ModelSet
from .checker import Checker
from .survey import survey
from .violations import in_order

if TYPE_CHECKING:
    from ..history.history import History

__all__ = ["Validation", "validate"]

MAX_SHOWN: Final = 10_000  # violations kept for show; the counts are of all


@dataclass(frozen=True, slots=True, repr=False)
class Validation:
    """What the thing model says of a history.

    Attributes
    ----------
    n_values : int
        How many values were looked at.
    n_violations : int
        How many checks failed, over all values.
    n_conflicts : int
        How many values have the device, time and point of another, and another value; ``replay``
        asks what to do with them (``duplicates=``).
    violations : DataFrame
        One row a failed check, the first 10,000; the counts are of all.
    counts : dict
        Measurepoint and check to how often it failed.
    """

    n_values: int
    n_violations: int
    n_conflicts: int
    violations: pd.DataFrame
    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether ``replay`` would send all of it with its defaults."""
        return self.n_violations == 0 and self.n_conflicts == 0

    def __repr__(self) -> str:
        if self.ok:
            return f"Validation(ok: {self.n_values:,} values)"
        parts = [f"{n:,} {point or 'row'} {check}" for (point, check), n in self.counts.items()]
        if self.n_conflicts:
            parts.append(f"{self.n_conflicts:,} in conflict with another reading of their time")
        return f"Validation({self.n_values:,} values: {', '.join(parts)})"

    def _repr_html_(self) -> str:
        shown = self.violations.head(10).to_html(index=False) if self.n_violations else ""
        return f"<p>{html.escape(repr(self))}</p>{shown}"


def validate(history: History, model: Any) -> Validation:
    """Check a history against a thing model; nothing is sent.

    Parameters
    ----------
    history : History
        What ``read_history`` returned.
    model : ThingModel, schema made by ``model.schema()``, or mapping of product key to either
        What its values must satisfy.

    Returns
    -------
    Validation

    Raises
    ------
    HistoryError
        If the history cannot be read, or has a column that the model lacks.

    Examples
    --------
    >>> import pandas as pd
    >>> from mpreplay import Measurepoint, ThingModel, read_history
    >>> model = ThingModel("M", {"P": Measurepoint("P", "INT", maximum=10)})
    >>> frame = pd.DataFrame({"P": [7, 11]}, index=pd.date_range("2024", periods=2, tz="UTC"))
    >>> validation = validate(read_history(frame), model)
    >>> validation
    Validation(2 values: 1 P range)
    >>> validation.violations["reason"].item()
    'outside (-inf, 10]'
    """
    models = ModelSet.of(model)
    checker = Checker(models)
    looked = survey(history, models, checker, Device("", ""), keep="last", most=MAX_SHOWN)
    return Validation(
        looked.n_values,
        looked.n_violations,
        looked.duplicates.n_superseded,
        in_order(looked.tables).head(MAX_SHOWN),
        looked.counts,
    )
