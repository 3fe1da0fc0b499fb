"""``validate()``: the violations and the conflicts of a history, without a network.

Reads the clock and the history; otherwise pure.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import pandas as pd

from ..display.page import need_jinja2
from ..display.sentences import hour_twice_in_words
from ..display.verdict import Failed, PointVerdict, Verdict
from ..frames import CONFLICT_COLUMNS, DEVICE_COLUMNS, VIOLATION_COLUMNS, typed
from ..history.history import checked_history, files_of
from ..model.device import Device
from ..model.model_set import ModelSet
from ..outputs import check_apart, check_file, path_of, written
from ..settings import Limits, Policy
from ..values.plain_text import bare_text
from .checker import Checker
from .clock_changes import hour_twice
from .device_times import DeviceTimes
from .findings import Findings
from .shown import in_notebook, in_text, picture_of, point_frame
from .sizes import Room
from .survey import survey
from .validation_page import render_validation
from .violations import in_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..display.facts import Conflict
    from ..display.picture import Picture
    from ..errors import Argument, Message
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
        One row per contradicted value, with row and value of both readings, the first 10,000.
    counts : dict
        Measurepoint and check to the number of failures.
    devices : DataFrame
        One row a device: its rows whose time can be read, their span, their usual interval (the
        middle one), gaps (longer than 1.5 usual intervals), rows earlier than the row before
        them, and rows at the time of another. Intervals in seconds; none of a file of rejects.
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
    _points: tuple[PointVerdict, ...] = ()
    _rows: tuple[Failed, ...] = ()
    _missing: tuple[str, ...] = ()
    _sources: tuple[str, ...] = ()
    _files: tuple[Path, ...] = ()
    _hints: tuple[Message, ...] = ()
    _said: pd.Series | None = None  # the reasons of the violations in plain words

    @property
    def hints(self) -> tuple[str, ...]:
        """Sentences about whole columns: what keeps texts from being values, and what to give.

        Also about keys with blanks around them.
        """
        return tuple(map(str, self._hints))

    @property
    def conflicts(self) -> pd.DataFrame:
        """One row per contradicted value, the first 10,000."""
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

    @property
    def points(self) -> pd.DataFrame:
        """One row a measurepoint, in the order of the columns, also where all values are valid.

        ``values`` and ``absent`` count cells, ``invalid`` values that fail a check or stand in a
        row that fails one, ``violations`` failed checks; ``found`` says which, with an example.
        """
        return point_frame(self._verdict)

    @property
    def _verdict(self) -> Verdict:
        numbers = (self.n_values, self.n_violations, self.n_conflicts, self.duplicates)
        found = (self._points, self._rows, self._missing, self._conflicts)
        hints = (*self.hints, *((self.clock,) if self.clock else ()))
        return Verdict(*numbers, *found, hints=hints)

    def plot(self) -> Picture:
        """Return the values of each point as a picture, which a notebook draws.

        Returns
        -------
        Picture
            With ``save(path)``, which writes it as SVG.
        """
        return picture_of(self._verdict)

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write the validation as one HTML file, readable without a network and without Python.

        The first violations of each failed check stand behind a link as a CSV file.

        Parameters
        ----------
        path : path
            The file; an existing file is overwritten.

        Raises
        ------
        ConfigError
            If the file cannot be written, is a file of the history, or jinja2 is missing:
            ``pip install 'mpreplay[report]'``.
        """
        need_jinja2()
        file = path_of(path, "path")
        check_file(file, "path")
        check_apart({"path": file}, {"a file of the history": self._files})
        hints: list[str | Message] = [*self._hints]
        hints += [self.clock] if self.clock else []
        said = self.violations["reason"] if self._said is None else self._said
        violations = self.violations.assign(said=said)
        text = render_validation(self._verdict, violations, self.devices, self._sources, hints)
        with written(file) as part:
            part.write_text(text, encoding="utf-8", errors="backslashreplace")

    def __repr__(self) -> str:
        return self.spelled(str)

    def spelled(self, spell: Callable[[Argument], str]) -> str:
        """Return the validation as text, with ``spell(argument)`` for each argument to give."""
        parts = [f"{n:,} {point or 'row'} {check}" for (point, check), n in self.counts.items()]
        if self.n_conflicts:
            settled = "" if self.duplicates == "raise" else f" (the {self.duplicates} is sent)"
            parts.append(
                f"{self.n_conflicts:,} in conflict with another reading of their time{settled}"
            )
        told = f": {', '.join(parts)}" if parts else ""
        first_line = f"Validation({'ok: ' if self.ok else ''}{self.n_values:,} values{told})"
        hints = [one.spelled(spell) for one in self._hints]
        hints += [self.clock] if self.clock else []
        return in_text(self._verdict, self.devices, first_line, hints)

    def _repr_html_(self) -> str:
        return in_notebook(self._verdict, self.devices)


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
      1 P range, such as row 1 of DataFrame (2024-01-02 00:00:00): 11, outside (-inf, 10]
      1 device, 2024-01-01 00:00:00 to 2024-01-02 00:00:00 UTC, usually every 1 d.
    >>> validation.violations["reason"].item()
    'outside (-inf, 10]'
    """
    policy = Policy(duplicates=duplicates)
    history = checked_history(history, "validate").begun(round(time.time() * 1_000))
    own = Device("", "") if gateway is None else Device.of(gateway, "gateway")
    models = ModelSet.of(model)
    findings = Findings(models)
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
        findings=findings,
        times=times,
    )
    kept = in_order(looked.tables)
    return Validation(
        looked.n_values,
        looked.n_violations,
        looked.duplicates.n_superseded,
        kept[list(VIOLATION_COLUMNS)].head(MAX_SHOWN),
        looked.counts,
        duplicates,
        times.frame(looked.collisions, has_gaps=history.columns.check is None),
        looked.duplicates.conflicts,
        findings.points(kept),
        findings.rows(kept),
        findings.missing(),
        tuple(source.name for source in history.sources),
        tuple(files_of(history)),
        looked.hints,
        kept["said"].head(MAX_SHOWN),
    )
