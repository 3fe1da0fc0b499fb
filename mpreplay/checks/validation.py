"""``validate()``: the violations and the conflicts of a history, without a network.

Reads the clock and the history; otherwise pure.
"""

from __future__ import annotations

import html
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import pandas as pd

from ..display.sentences import hour_twice_in_words
from ..frames import CONFLICT_COLUMNS, DEVICE_COLUMNS, typed
from ..history.history import checked_history
from ..model.device import Device
from ..model.model_set import ModelSet
from ..settings import Limits, Policy
from ..values.plain_text import bare_text
from .checker import Checker
from .clock_changes import hour_twice
from .device_times import DeviceTimes
from .sizes import Room
from .survey import survey
from .violations import in_order

if TYPE_CHECKING:
    from ..display.facts import Conflict
    from ..history.history import History

__all__ = ["Validation", "validate"]

MAX_SHOWN: Final = 10_000  # violations kept for show; the counts are of all


@dataclass(frozen=True, slots=True, repr=False)
class Validation:
    """The verdict of the thing model about a history.

    Attributes
    ----------
    n_values : int
        Number of values that were checked.
    n_violations : int
        Number of failed checks, over all values.
    n_conflicts : int
        Number of values with the device, time and point of another value that differs; ``replay``
        asks what to do with them (``duplicates=``).
    violations : DataFrame
        One row a failed check, the first 10,000; the counts are of all.
    conflicts : DataFrame
        One row a value that another one contradicts, with row and value of both, the first 10,000.
    counts : dict
        Measurepoint and check to the number of failures.
    devices : DataFrame
        One row a device: its rows whose time can be read, their span, their usual interval (the
        middle one), gaps (longer than 1.5 usual intervals), rows earlier than the row before
        them, and rows at the time of another. Intervals in seconds.
    duplicates : {"raise", "first", "last"}
        The policy that was asked for.
    """

    n_values: int
    n_violations: int
    n_conflicts: int
    violations: pd.DataFrame
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    duplicates: Literal["raise", "first", "last"] = "raise"
    devices: pd.DataFrame = field(default_factory=lambda: typed([], DEVICE_COLUMNS))
    _conflicts: tuple[Conflict, ...] = ()

    @property
    def conflicts(self) -> pd.DataFrame:
        """One row a value that another one contradicts, the first 10,000."""
        rows = [
            one._replace(text=bare_text(one.text), other_text=bare_text(one.other_text))
            for one in self._conflicts
        ]
        return typed(rows, CONFLICT_COLUMNS)

    @property
    def clock(self) -> str:
        """The explanation of conflicts by a clock that was changed wrongly; empty for others."""
        hour = None
        if len(self._conflicts) == self.n_conflicts:  # all of them are known
            hour = hour_twice(self._conflicts, self.devices)
        return "" if hour is None else hour_twice_in_words(hour)

    @property
    def ok(self) -> bool:
        """True if ``replay`` with the same arguments would raise for nothing."""
        return not self.n_violations and not (self.n_conflicts and self.duplicates == "raise")

    def __repr__(self) -> str:
        parts = [f"{n:,} {point or 'row'} {check}" for (point, check), n in self.counts.items()]
        if self.n_conflicts:
            parts.append(f"{self.n_conflicts:,} in conflict with another reading of their time")
        told = f": {', '.join(parts)}" if parts else ""
        told += f". {self.clock}" if self.clock else ""
        return f"Validation({'ok: ' if self.ok else ''}{self.n_values:,} values{told})"

    def _repr_html_(self) -> str:
        tables = [frame.head(10) for frame in (self.violations, self.conflicts) if len(frame)]
        shown = "".join(frame.to_html(index=False) for frame in tables)
        return f"<p>{html.escape(repr(self))}</p>{shown}"


def validate(
    history: History,
    model: Any,
    *,
    limits: Limits | None = None,
    gateway: tuple[str, str] | None = None,
    duplicates: Literal["raise", "first", "last"] = "raise",
) -> Validation:
    """Check a history against a thing model as ``replay`` does; nothing is sent.

    Parameters
    ----------
    history : History
        The result of ``read_history``.
    model : ThingModel, schema made by ``model.schema()``, or mapping of product key to either
        The rules that its values must satisfy.
    limits : Limits, optional
        Sizes of requests: a value that no request can carry is a violation.
    gateway : (str, str), optional
        Product key and device key of the connection, for a history without device names.
    duplicates : {"raise", "first", "last"}, optional
        The policy of the replay: contradictions count against ``ok`` only under "raise".

    Returns
    -------
    Validation

    Raises
    ------
    HistoryError
        If the history cannot be read, or has a column that the model lacks.
    ConfigError
        If an argument cannot work.

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
    policy = Policy(duplicates=duplicates)
    history = checked_history(history, "validate").begun(round(time.time() * 1_000))
    own = Device("", "") if gateway is None else Device.of(gateway, "gateway")
    models = ModelSet.of(model)
    checker = Checker(models, Room.of(Limits.of(limits), policy, own))
    times = DeviceTimes()
    looked = survey(
        history,
        models,
        checker,
        own,
        keep=policy.keep,
        most=MAX_SHOWN,
        n_conflicts=MAX_SHOWN,
        times=times,
    )
    return Validation(
        looked.n_values,
        looked.n_violations,
        looked.duplicates.n_superseded,
        in_order(looked.tables).head(MAX_SHOWN),
        looked.counts,
        duplicates,
        times.frame(looked.collisions),
        looked.duplicates.conflicts,
    )
