"""``replay_fleet()``: deals a history out, submits a unit of work a gateway, and waits. A shell."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import ConfigError
from ..errors.arguments import Kind, check_kinds, one_of, optional
from ..model.model_set import ModelSet
from ..order import check_arguments
from ..outputs import path_of
from ..runner.interrupts import Interrupts
from ..settings import Connection, Limits, Policy
from .dealing import Share, check_rate, dealt
from .driving import Drive
from .fleet_run import FleetRun
from .pool import at_a_time, packed, workers_worth
from .record import Entry, begin_record, journal_name
from .telling import Telling
from .topology import topology_of
from .travelling import travelling
from .unit import RECORD_FILE, Unit, Work

if TYPE_CHECKING:
    from ..history.history import History

__all__ = ["replay_fleet"]


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
    work = Work(
        travelling(history, folder, is_new=is_new),
        model,
        {
            "allow_offline_sub_device": policy.allow_offline_sub_device,
            "skip_invalid_measurepoints": policy.skip_invalid_measurepoints,
            "on_invalid": policy.on_invalid,
            "duplicates": policy.duplicates,
            "isolate": isolate,
            "limits": _shared_out(limits, values_per_second, n_running),
        },
        record.token,
    )
    units = [_unit(share, folder) for share in shares if share.devices]
    with Interrupts() as interrupts, ExitStack() as stack:
        drive = Drive(record, packed(work), executor, n_workers)
        stack.callback(drive.end)
        drive.run(units, interrupts, stack.enter_context(Telling(progress, on_event, len(units))))
    return FleetRun(drive.record)


def _unit(share: Share, folder: Path) -> Unit:
    member = share.member
    name = journal_name(member.name)
    where = str(folder)
    return Unit(member.name, member.gateway, share.devices, where, name, sources=share.sources)


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
