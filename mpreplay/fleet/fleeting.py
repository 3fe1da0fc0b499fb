"""``replay_fleet()``: deals a history out, submits a unit of work a gateway, and waits. A shell."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from ..errors import ConfigError, Interrupted, ReplayWarning
from ..errors.arguments import CALLBACK, SECONDS, check_kinds, one_of, optional
from ..journal.fingerprint import inputs_of
from ..model.model_set import ModelSet
from ..order import check_arguments
from ..outputs import path_of
from ..runner.beginning import told_of_empty
from ..runner.interrupts import Interrupts
from ..runner.progress import is_notebook
from ..settings import Connection, Limits, Policy
from .dealing import Share, check_rate, dealt
from .driving import Drive
from .fleet_run import FleetRun
from .pool import at_a_time, packed, workers_worth
from .record import Entry, begin_record, check_continued, journal_name
from .telling import Telling
from .topology import topology_of
from .travelling import travelling
from .unit import RECORD_FILE, WAIT, Unit, Work

if TYPE_CHECKING:
    from ..history.history import History

__all__ = ["replay_fleet"]

MOST_WARNINGS: Final = 5  # of different texts


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
    stop: threading.Event | None = None,
    wait: float = 0.0,
    on_interrupt: Literal["auto", "return", "raise"] = "auto",
) -> FleetRun:
    """Send a history through many gateways, each with a session and a journal of its own.

    Parameters
    ----------
    history : History
        History with ``device_column``. Its files are read by all workers; frames, tables and
        streams are written to Parquet in the folder of ``journal`` first.
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
    stop : threading.Event, optional
        Ends the gateways in order once it is set, as SIGTERM does.
    wait : float, optional
        Time to wait for another replay through a gateway to end; at least 30 s, since a worker
        that dies may still hold it. [s]
    on_interrupt : {"auto", "return", "raise"}, optional
        What an interrupted fleet does after its end in order, as for ``replay``.

    Returns
    -------
    FleetRun
        The records of all gateways as one; a gateway that failed is in ``status``.

    Raises
    ------
    ConfigError, HistoryError
        If an argument cannot work, a device has no gateway or two, or a secret is no reference.
    JournalMismatch
        If a fleet with other readings, or of another interval, lies in the folder.
    Interrupted
        If the fleet was interrupted before its last value, as ``on_interrupt`` says.

    Warns
    -----
    ReplayWarning
        As ``replay``, once for all gateways.

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
    models = ModelSet.of(model)
    check_kinds(
        {
            "executor": (executor, optional(Executor, "a concurrent.futures.Executor")),
            "progress": (progress, one_of(True, False, "auto")),
            "on_event": (on_event, CALLBACK),
            "stop": (stop, optional(threading.Event, "a threading.Event")),
            "wait": (wait, SECONDS),
            "on_interrupt": (on_interrupt, one_of("auto", "return", "raise")),
        }
    )
    check_rate(values_per_second)
    limits = Limits.of(limits)
    members = topology_of(topology)
    folder = _folder(journal)
    shares = dealt(history, members)
    is_new = not (folder / RECORD_FILE).exists()
    record = begin_record(folder, [_entry(share) for share in shares])
    n_units = sum(share.n_rows > 0 for share in shares)
    n_workers = workers_worth(n_units, limits)
    n_running = n_workers if executor is None else at_a_time(executor, n_units)
    travels = travelling(history, folder, is_new=is_new)
    names = [source.name for source in history.sources]
    check_continued(record, _shared(inputs_of(travels, models, policy, limits)), names)
    record.write()
    work = Work(
        travels,
        model,
        {
            "allow_offline_sub_device": policy.allow_offline_sub_device,
            "skip_invalid_measurepoints": policy.skip_invalid_measurepoints,
            "on_invalid": policy.on_invalid,
            "duplicates": policy.duplicates,
            "isolate": isolate,
            "limits": _shared_out(limits, values_per_second, n_running),
            "wait": max(WAIT, wait),
        },
        record.token,
    )
    units = [_unit(share, folder) for share in shares if share.devices]
    with Interrupts(stop=stop) as interrupts, ExitStack() as stack:
        drive = Drive(record, packed(work), executor, n_workers)
        stack.callback(drive.end)
        drive.run(units, interrupts, stack.enter_context(Telling(progress, on_event, len(units))))
    nothing = {told_of_empty((history.start, history.end)): [""]}
    _warn(drive.warned if units else nothing, len(units) or 1)
    run = FleetRun(drive.record, drive.sent_now)
    raises = on_interrupt == "raise" or (on_interrupt == "auto" and not is_notebook())
    if interrupts.name and raises and not run.complete:
        raise Interrupted(
            f"the fleet was interrupted ({interrupts.name}) before its last value: {run!r}; the "
            f"same call continues it from {run.path}",
            run,
        )
    return run


def _unit(share: Share, folder: Path) -> Unit:
    member = share.member
    name = journal_name(member.name)
    where = str(folder)
    return Unit(member.name, member.gateway, share.devices, where, name, sources=share.sources)


def _shared(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs that all gateways of a fleet share."""
    return {name: value for name, value in inputs.items() if name != "devices"}


def _warn(warned: dict[str, list[str]], n_units: int) -> None:
    """Give the warnings of the gateways: each text once, with those that it is about."""
    for told, names in list(warned.items())[:MOST_WARNINGS]:
        more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
        whose = "" if len(names) == n_units else f"{names[0]}{more}: "
        warnings.warn(ReplayWarning(f"{whose}{told}"), stacklevel=3)
    if len(warned) > MOST_WARNINGS:
        left = len(warned) - MOST_WARNINGS
        warnings.warn(ReplayWarning(f"and {left:,} more warnings of gateways"), stacklevel=3)


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
    journal = journal_name(name) if share.devices else ""
    return Entry(name, key, journal, len(share.member.gateway.devices), share.n_rows)


def _shared_out(limits: Limits, values_per_second: float | None, n_running: int) -> Limits:
    """Return the limits of a gateway, with its part of the organisation's rate."""
    if values_per_second is None:
        return limits
    from dataclasses import replace

    part = values_per_second / n_running
    own = limits.values_per_second
    return replace(limits, values_per_second=part if own is None else min(own, part))
