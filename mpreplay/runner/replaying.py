"""``replay()``: checks what it is given, opens the journal, and lets a driver run. A shell."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from contextlib import ExitStack, closing
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from ..checks.duplicates import Duplicates
from ..checks.survey import reach_verdict
from ..checks.validation import Checker
from ..conversation.isolation import Isolation, Level
from ..conversation.mqtt import MqttTransport
from ..conversation.sub_devices import SubDevices, checked_secrets
from ..errors import ConfigError, ReplayWarning
from ..history.history import History
from ..history.readings import Device
from ..history.sources import digest_of
from ..journal.fingerprint import Fingerprint, check_same, fingerprint, journal_path
from ..journal.lineage import begin_lineage
from ..journal.locks import Lease, lock_journal
from ..journal.reader import read_journal
from ..journal.writer import Journal, Unfinished
from ..model.thing_model import ModelSet
from ..protocol.messages import batch_reply_topic
from ..requests.preparing import Policy, Preparer
from ..run import Run, open_run
from ..settings import Connection, Limits, reveal
from ..version import __version__
from .driver import Driver, SystemClock
from .interrupts import Interrupts
from .progress import Bar

if TYPE_CHECKING:
    import os

__all__ = ["Run", "open_run", "replay"]


def replay(
    history: History,
    model: Any,
    connection: Connection | str | None = None,
    *,
    allow_offline_sub_device: bool = False,
    skip_invalid_measurepoints: bool = False,
    sub_device_secrets: Mapping[tuple[str, str], str] | None = None,
    on_invalid: Literal["raise", "withhold", "send"] = "raise",
    duplicates: Literal["raise", "first", "last"] = "raise",
    isolate: Literal["point", "entry", "device", False] = "point",
    limits: Limits | None = None,
    journal: str | os.PathLike[str] | None = None,
    progress: bool | Literal["auto"] = "auto",
) -> Run:
    """Send a history to the platform and record what becomes of every value.

    Parameters
    ----------
    history : History
        What ``read_history`` returned.
    model : ThingModel, schema made by ``model.schema()``, or mapping of product key to either
        What its values must satisfy.
    connection : Connection or str, optional
        Where to send it and as which device, also as a URI; by default what MPREPLAY_CONNECTION
        says.
    allow_offline_sub_device, skip_invalid_measurepoints : bool, optional
        The two flags of the message [1]_.
    sub_device_secrets : mapping, optional
        (product key, device key) to the secret, or a reference to it (``env:NAME``,
        ``file:PATH``): these sub-devices are signed in before anything is sent, and out at the end.
    on_invalid : {"raise", "withhold", "send"}, optional
        What to do with values that the model forbids: raise before anything is sent, withhold
        them, or let the platform judge.
    duplicates : {"raise", "first", "last"}, optional
        Which of two different values of one device, time and point is sent.
    isolate : {"point", "entry", "device", False}, optional
        How far a request is taken apart that the platform declines for some of its values or
        devices: until the culprits stand alone, and all else is accepted. At most
        ``limits.extra_requests`` are made of one.
    limits : Limits, optional
        Sizes, rates, attempts.
    journal : path, optional
        A file, or a folder, in which to keep the record of the run. The journal of an unfinished
        run is continued: what has settled is not sent again, what is in doubt is sent again under
        the same id. None: a temporary file.
    progress : bool or "auto", optional
        Show a bar; "auto": in a notebook or a terminal.

    Returns
    -------
    Run
        Every value that was read has exactly one fate in it.

    Raises
    ------
    InvalidHistory
        If values are invalid or contradict each other and the caller asked to raise.
    ConnectError
        If no connection can be made to begin with.
    JournalMismatch
        If the journal is of a run with another history, model, mapping or limits.
    ConfigError, HistoryError, JournalError
        If an argument, the history or the journal cannot work.

    Warns
    -----
    ReplayWarning
        If sub-devices are neither signed in nor allowed to be offline.

    Notes
    -----
    Ctrl-C, a notebook's interrupt and SIGTERM end a run in order: nothing more is published,
    replies
    are awaited for ten seconds, and the partial run is returned. A second one ends it at once.

    References
    ----------
    .. [1] EnOS Device Connection 2.3, "Reporting Offline Measurement Points in Batch".

    Examples
    --------
    >>> import pandas as pd
    >>> import mpreplay as mp
    >>> model = mp.ThingModel("M", {"P": mp.Measurepoint("P", "FLOAT")})
    >>> frame = pd.DataFrame({"P": [1.5, 2.5]}, index=pd.date_range("2024", periods=2, tz="UTC"))
    >>> with mp.simulate(model, gateway=("meter", "m-1")) as platform:
    ...     mp.replay(mp.read_history(frame), model, platform.connection)
    Run(2 of 2 values accepted)
    """
    _check_options(history, on_invalid, duplicates, isolate)
    if connection is None:
        connection = Connection.from_environment()
    elif isinstance(connection, str):
        connection = Connection.from_uri(connection)
    secrets = checked_secrets(sub_device_secrets)
    reveal(connection.device_secret)  # a reference to nothing is an error now, not in an hour
    limits = limits or Limits()
    policy = Policy(allow_offline_sub_device, skip_invalid_measurepoints, on_invalid, duplicates)
    models = ModelSet.of(model)
    preparer = Preparer(models, Checker(models), policy, limits, Device(*connection.device))
    mark = fingerprint(history, models, policy, limits, connection)
    path, temporary = journal_path(journal, mark)
    with ExitStack() as on_failure, ExitStack() as stack:
        if temporary is None:
            stack.callback(lock_journal(path).free)
        else:
            on_failure.callback(shutil.rmtree, temporary, ignore_errors=True)
        lease = stack.enter_context(Lease(connection, f"a replay with the journal {path}"))
        record = stack.enter_context(closing(Journal(path)))
        on_failure.callback(_remove_unbegun, record)
        unfinished = _open(record, history, models, preparer, policy, mark)
        _warn_of_offline(preparer.duplicates, preparer.own, policy, secrets)
        clock = SystemClock()
        start = _start(
            record,
            unfinished,
            history,
            connection,
            limits,
            mark,
            preparer.duplicates,
            clock,
            isolate,
        )
        numbers = count(start)
        sub_devices = SubDevices(connection, secrets, lambda: str(next(numbers)))
        topics = [batch_reply_topic(*connection.device), *sub_devices.reply_topics]
        Driver(
            history=history,
            models=models,
            preparer=preparer,
            policy=policy,
            limits=limits,
            connection=connection,
            journal=record,
            transport=MqttTransport(
                connection,
                topics,
                keepalive=limits.keepalive,
                bytes_per_second=limits.bytes_per_second,
            ),
            sub_devices=sub_devices,
            record=lease,
            interrupts=stack.enter_context(Interrupts()),
            unfinished=unfinished,
            isolation=Isolation(isolate, preparer.own, limits.extra_requests, unfinished.spent),
            next_id=lambda: str(next(numbers)),
            clock=clock,
            bar=stack.enter_context(Bar(history.n_rows, progress)),
        ).run()
        on_failure.pop_all()  # the folder is the run's from here on
    return Run(read_journal(path), temporary, history, models)


def _open(
    record: Journal,
    history: History,
    models: ModelSet,
    preparer: Preparer,
    policy: Policy,
    mark: Fingerprint,
) -> Unfinished:
    """Look through the history, or take up what an earlier run has settled."""
    if record.is_new:
        preparer.duplicates = reach_verdict(history, models, preparer, policy)
        return Unfinished()
    check_same(record.path, mark)
    facts = read_journal(record.path).facts()
    preparer.duplicates = Duplicates.from_dict(facts["duplicates"])
    return record.take_up()


def _remove_unbegun(record: Journal) -> None:
    """Leave no file of a run that was refused before it began."""
    if not record.has_begun:
        for suffix in ("", "-wal", "-shm"):
            record.path.with_name(record.path.name + suffix).unlink(missing_ok=True)


def _start(
    record: Journal,
    unfinished: Unfinished,
    history: History,
    connection: Connection,
    limits: Limits,
    mark: Fingerprint,
    duplicates: Duplicates,
    clock: SystemClock,
    isolate: Level,
) -> int:
    """Write down what the run is, and return its next request id.

    Ids are unique for a gateway across runs, so that a late reply to an earlier run settles nothing
    here: the run's start in milliseconds, and six digits to count.
    """
    now = round(clock.wall() * 1000)
    facts = {
        "stopped": "", "read_all": False, "limits": limits.as_dict(), "isolate": isolate,
        "version": __version__,
    }  # fmt: skip
    if not record.is_new:
        times = int(read_journal(record.path).facts().get("continued", 0)) + 1
        record.note(**facts, continued=times)
        return int(unfinished.last_id or now * 1_000_000) + 1
    record.begin(
        **facts,
        started_at=now,
        **begin_lineage(history, record.path, now),
        n_rows=history.n_rows,
        sources=[digest_of(source) for source in history.sources],
        gateway=connection.device_key,
        connection=connection.to_uri(),
        fingerprint=mark,
        duplicates=duplicates.as_dict(),
    )
    return now * 1_000_000


def _check_options(history: Any, on_invalid: str, duplicates: str, isolate: Any) -> None:
    if not isinstance(history, History):
        raise ConfigError(
            f"replay takes what read_history returned, not {type(history).__name__}: "
            "mp.replay(mp.read_history(...), model, connection)"
        )
    for name, value, known in (
        ("on_invalid", on_invalid, ("raise", "withhold", "send")),
        ("duplicates", duplicates, ("raise", "first", "last")),
    ):
        if value not in known:
            raise ConfigError(f"{name} must be one of {', '.join(known)}, got {value!r}")
    if isolate is not False and isolate not in ("point", "entry", "device"):
        raise ConfigError(f"isolate must be 'point', 'entry', 'device' or False, got {isolate!r}")


def _warn_of_offline(
    duplicates: Duplicates, own: Device, policy: Policy, secrets: Mapping[Any, str]
) -> None:
    others = sorted(duplicates.devices - {own})
    if others and not policy.allow_offline_sub_device and not secrets:
        warnings.warn(
            f"{len(others)} sub-devices ({others[0].device_key}"
            f"{', …' if len(others) > 1 else ''}) are not signed in by this replay, and "
            "allow_offline_sub_device is False: the platform declines requests (code 1212) that "
            "hold one of them which is offline, as far as it knows. Pass sub_device_secrets= to "
            "sign them in, or allow_offline_sub_device=True",
            ReplayWarning,
            stacklevel=3,
        )
