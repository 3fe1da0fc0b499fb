"""``replay_fleet()``: deals a history out, submits a unit of work a gateway, and waits. A shell."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from ..errors import ConfigError
from ..errors.arguments import Kind, check_kinds, one_of, optional
from ..model.model_set import ModelSet
from ..order import check_arguments
from ..outputs import path_of
from ..runner.interrupts import Interrupts
from ..settings import Connection, Limits, Policy
from .dealing import Share, dealt
from .fleet_run import FleetRun
from .pool import Pool, packed, run_packed, workers_worth
from .record import Entry, Record, begin_record, journal_name
from .telling import Telling
from .topology import topology_of
from .unit import Unit, UnitEnd

if TYPE_CHECKING:
    from ..history.history import History

__all__ = ["replay_fleet"]

log = logging.getLogger("mpreplay")
ATTEMPTS: Final = 3  # of a gateway whose worker dies
_RATE: Final = Kind(
    "a number above 0, or None",
    lambda value: (
        value is None
        or (isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1e12)
    ),
)
LOOK: Final = 0.25  # for ends, interrupts and the progress, every so often [s]
GRACE: Final = 20.0  # for the gateways to end, once the fleet is to stop [s]


def replay_fleet(
    history: History,
    model: Any,
    topology: Any,
    *,
    journal: str | os.PathLike[str],
    executor: Executor | None = None,
    values_per_second: float | None = None,
    allow_offline_sub_device: bool = False,
    skip_invalid_measurepoints: bool = False,
    on_invalid: Literal["raise", "withhold", "send"] = "raise",
    duplicates: Literal["raise", "first", "last"] = "raise",
    isolate: Literal["point", "entry", "device", False] = "point",
    limits: Limits | None = None,
    progress: bool | Literal["auto"] = "auto",
    on_event: Callable[[dict[str, Any]], object] | None = None,
) -> FleetRun:
    """Send a history through many gateways, each with a session and a journal of its own.

    Parameters
    ----------
    history : History
        History with ``device_column``, from files that all workers can read.
    model : ThingModel, schema made by ``model.schema()``, or mapping of product key to either
        Thing models of the history's products.
    topology : mapping of str to Gateway, DataFrame, or path of a CSV file
        The gateways by name; a frame or file has a row a device, with ``gateway``,
        ``connection``, ``product_key`` and ``device_key``.
    journal : path
        Folder of the journals, and of the record of the fleet. The fleet that lies there is
        continued: gateways that are done connect to nothing.
    executor : concurrent.futures.Executor, optional
        Where gateways are replayed, such as ``client.get_executor()`` of Dask; None: processes of
        this machine, as many as pay.
    values_per_second : float, optional
        Limit of an organisation, shared among the gateways that can run at a time.
    allow_offline_sub_device, skip_invalid_measurepoints, on_invalid, duplicates, isolate, limits
        As for ``replay``, of each gateway.
    progress : bool or "auto", optional
        Show how many gateways are done.
    on_event : callable, optional
        Function called with the numbers of the fleet as a dict, once a second.

    Returns
    -------
    FleetRun
        The records of all gateways as one; a gateway that failed is in ``status``.

    Raises
    ------
    ConfigError, HistoryError
        If an argument cannot work, a device has no gateway or two, or a secret is no reference.

    Notes
    -----
    Ctrl-C or SIGTERM ends the gateways in order, and the same call continues them.

    Examples
    --------
    >>> import mpreplay as mp
    >>> model = mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT")})
    >>> north, south = [("meter", "M1")], [("meter", "M2")]
    >>> gateways = {("gateway", "north"): north, ("gateway", "south"): south}
    >>> with mp.simulate(model, gateways=gateways) as platform:  # doctest: +SKIP
    ...     topology = {
    ...         "north": mp.Gateway(platform.connection_for("gateway", "north"), north),
    ...         "south": mp.Gateway(platform.connection_for("gateway", "south"), south),
    ...     }
    ...     run = mp.replay_fleet(history, model, topology, journal="runs")
    """
    policy = Policy(allow_offline_sub_device, skip_invalid_measurepoints, on_invalid, duplicates)
    check_arguments("replay_fleet", history, isolate)
    ModelSet.of(model)
    check_kinds(
        {
            "executor": (executor, optional(Executor, "a concurrent.futures.Executor")),
            "progress": (progress, one_of(True, False, "auto")),
            "on_event": (on_event, Kind("a function or None", _is_callable)),
            "values_per_second": (values_per_second, _RATE),
        }
    )
    limits = Limits.of(limits)
    members = topology_of(topology)
    folder = _folder(journal)
    shares = dealt(history, members)
    record = begin_record(folder, [_entry(share) for share in shares])
    n_workers = workers_worth(sum(share.n_rows > 0 for share in shares), limits)
    options = {
        "allow_offline_sub_device": policy.allow_offline_sub_device,
        "skip_invalid_measurepoints": policy.skip_invalid_measurepoints,
        "on_invalid": policy.on_invalid,
        "duplicates": policy.duplicates,
        "isolate": isolate,
        "limits": _shared_out(limits, values_per_second, n_workers),
    }
    units = [
        Unit(
            share.member.name,
            share.member.gateway,
            share.history,
            model,
            options,
            str(folder),
            journal_name(share.member.name),
            record.token,
        )
        for share in shares
        if share.history is not None
    ]
    with ExitStack() as stack:
        interrupts = stack.enter_context(Interrupts())
        fleet = _Fleet(record, executor, n_workers)
        stack.callback(fleet.end)
        fleet.run(units, interrupts, Telling(progress, on_event, len(units)))
    return FleetRun(fleet.record)


def _is_callable(given: Any) -> bool:
    return given is None or callable(given)


def _folder(journal: Any) -> Path:
    if journal is None:
        raise ConfigError("a fleet keeps its journals in a folder: name it", argument="journal")
    folder = path_of(journal, "journal").absolute()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(
            f"journal: {folder} is a file; a fleet needs a folder", argument="journal"
        )
    return folder


def _entry(share: Share) -> Entry:
    where = share.member.gateway.connection
    key = "/".join(where.device) if isinstance(where, Connection) else ""
    name = share.member.name
    journal = journal_name(name) if share.history is not None else ""
    return Entry(name, key, journal, len(share.member.gateway.devices), share.n_rows)


def _shared_out(limits: Limits, values_per_second: float | None, n_workers: int) -> Limits:
    """Return the limits of a gateway, with its part of the organisation's rate."""
    if values_per_second is None:
        return limits
    from dataclasses import replace

    part = values_per_second / n_workers
    own = limits.values_per_second
    return replace(limits, values_per_second=part if own is None else min(own, part))


@dataclass(slots=True)
class _Fleet:
    """The gateways under way.

    Parameters
    ----------
    record : Record
        The record of the fleet, kept up to date.
    executor : Executor or None
        The caller's executor; None: processes of our own.
    n_workers : int
        Number of processes, if they are our own.
    """

    record: Record
    executor: Executor | None
    n_workers: int
    _own: Pool | None = None
    _tries: dict[str, int] = field(default_factory=dict)
    _open: dict[Future[UnitEnd], tuple[Unit, Executor]] = field(default_factory=dict)

    def run(self, units: list[Unit], interrupts: Interrupts, tell: Telling) -> None:
        """Replay all gateways; return when they are done, or have ended after an interrupt."""
        self.record.forget_stop()
        told = {unit.name: packed(unit) for unit in units}
        for unit in units:
            self._submit(unit, told)
        stopped_at: float | None = None
        while self._open:
            done, _ = wait(self._open, timeout=LOOK, return_when=FIRST_COMPLETED)
            for future in done:
                self._take(future, told, is_stopped=stopped_at is not None)
            tell(self.record, len(units) - len(self._open), len(self._open))
            if interrupts.name and stopped_at is None:
                log.warning("%s: the gateways end in order", interrupts.name)
                stopped_at = time.monotonic()
                self.record.ask_to_stop()
                for future in list(self._open):
                    if future.cancel():
                        del self._open[future]
            if stopped_at is not None and time.monotonic() > stopped_at + GRACE:
                log.warning("%d gateways have not ended in time", len(self._open))
                break
        if stopped_at is not None and not self._open:
            self.record.forget_stop()

    def _submit(self, unit: Unit, told: Mapping[str, bytes]) -> None:
        self._tries[unit.name] = self._tries.get(unit.name, 0) + 1
        executor = self.executor
        if executor is None:
            executor = self._own = self._own or Pool(self.n_workers)
        self._open[executor.submit(run_packed, told[unit.name])] = (unit, executor)

    def _take(
        self, future: Future[UnitEnd], told: Mapping[str, bytes], *, is_stopped: bool
    ) -> None:
        """Note the end of a gateway; one whose worker has died is tried again."""
        unit, executor = self._open.pop(future)
        try:
            end = future.result()
        except CancelledError:
            return
        except Exception as error:  # whatever an executor raises for a worker that has died
            if executor is self._own:  # a pool that has lost a process takes no more
                executor.shutdown(wait=False)
                self._own = None
            if self._tries[unit.name] < ATTEMPTS and not is_stopped:
                log.warning("%s: its worker has ended (%s); it is continued", unit.name, error)
                self._submit(unit, told)
                return
            end = UnitEnd(unit.name, f"its worker has ended: {error}", type(error).__name__)
        if end.journal is not None:
            self.record.path_of(self._entry_of(unit.name)).write_bytes(end.journal)
        self.record = self.record.failed(end.name, end.error, end.kind)
        self.record.write()

    def _entry_of(self, name: str) -> Entry:
        return next(one for one in self.record.entries if one.name == name)

    def end(self) -> None:
        """End the processes of our own."""
        if self._own is not None:
            self._own.shutdown(wait=not self._open, cancel_futures=True)
