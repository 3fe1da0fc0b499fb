"""``replay()``: checks its arguments, opens the journal, and runs a driver. A shell."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from ..checks.repeats import Duplicates
from ..conversation.isolation import Isolation
from ..conversation.mqtt import MqttTransport
from ..conversation.packing import travelling
from ..conversation.sub_devices import SubDevices, checked_secrets
from ..errors import Interrupted
from ..errors.arguments import CALLBACK, FLAG, SECONDS, check_kinds, one_of, optional
from ..history.ahead import check_threads
from ..history.history import History
from ..journal.fingerprint import Fingerprint, check_same
from ..journal.keeping import streams_kept
from ..journal.locks import Lease, Waiting
from ..journal.places import journal_place
from ..journal.reader import read_journal, readable, run_id_of
from ..journal.unfinished import Unfinished
from ..journal.writer import Journal
from ..order import Order, check_arguments
from ..protocol.messages import batch_reply_topic
from ..run import Run
from ..secret import Secret, sealed
from ..settings import Connection, Limits, Policy
from .beginning import Beginning, warn_of_empty, warn_of_offline, warn_of_plain
from .clock import SystemClock
from .driver import Driver
from .interrupts import Interrupts
from .meter import Meter
from .progress import Events, Telling, drawings, is_notebook, tell_of_waiting

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from ..checks.nearby import Nearby
    from ..conversation.transport import Transport
    from .clock import Clock
    from .progress import OnEvent

__all__ = ["replay"]

log = logging.getLogger("mpreplay")


def replay(
    history: History,
    model: Any,
    connection: Connection | str | None = None,
    *,
    allow_offline_sub_device: bool = False,
    skip_invalid_measurepoints: bool = False,
    sub_device_secrets: Mapping[tuple[str, str], str | Secret] | None = None,
    on_invalid: Literal["raise", "withhold", "send"] = "raise",
    duplicates: Literal["raise", "first", "last"] = "raise",
    isolate: Literal["point", "entry", "device", False] = "point",
    limits: Limits | None = None,
    journal: str | os.PathLike[str] | None = None,
    run_key: str | None = None,
    again: bool = False,
    progress: bool | Literal["auto"] = "auto",
    on_event: Callable[[dict[str, Any]], object] | None = None,
    stop: threading.Event | None = None,
    wait: float = 0.0,
    on_interrupt: Literal["auto", "return", "raise"] = "auto",
) -> Run:
    """Send a history to the platform and record the fate of every value.

    Parameters
    ----------
    history : History
        History from ``read_history``.
    model : ThingModel, schema made by ``model.schema()``, or mapping of product key to either
        Thing models of the history's products.
    connection : Connection or str, optional
        The platform's address and the gateway's keys, also as a URI; by default the environment
        variable MPREPLAY_CONNECTION.
    allow_offline_sub_device, skip_invalid_measurepoints : bool, optional
        The two flags of the message [1]_.
    sub_device_secrets : mapping, optional
        Secret of each (product key, device key), or a reference to a secret (``env:NAME``,
        ``file:PATH``). These sub-devices are signed in before the first request, and out at the
        end.
    on_invalid : {"raise", "withhold", "send"}, optional
        Treatment of values forbidden by the model: raise before the first request, withhold the
        values, or send them for the platform to judge.
    duplicates : {"raise", "first", "last"}, optional
        The value to send when a device has different values of a point at the same time.
    isolate : {"point", "entry", "device", False}, optional
        Smallest part into which a request is taken apart when the platform declines it for some of
        its values or devices: the culprits are isolated, and all other values accepted. At most
        ``limits.extra_requests`` are made of a request.
    limits : Limits, optional
        Sizes, rates, attempts.
    journal : path, optional
        File or folder for the record of the run. The journal of an unfinished run is continued:
        settled requests are not sent again, requests in doubt are sent again with the same id.
        A finished run of the same history, model, mapping, flags and policies is returned as it
        is, and nothing is connected or sent. None: a temporary file.
    run_key : str, optional
        Name of the run's file in a folder of journals, such as its interval.
    again : bool, optional
        Send a history that was sent to its end before, with a new file.
    progress : bool or "auto", optional
        Show the values settled of those to settle, the rate, the time left and what limits it: as
        a bar in a notebook or a terminal, elsewhere as a line every 30 s on stderr. ``~`` marks a
        total that is estimated. True: without a terminal also a line at begin and end.
    on_event : callable, optional
        Function called with the same numbers as a dict, at most four times a second.
    stop : threading.Event, optional
        Ends the run in order once it is set, as a first SIGTERM does; for a thread other than the
        main one, which hears no signals.
    wait : float, optional
        Time to wait for another replay through the same gateway, or into the same journal, to end;
        the platform's connect limit, of minutes, is always waited for. [s]
    on_interrupt : {"auto", "return", "raise"}, optional
        What an interrupted run does after its end in order: return the partial run, or raise
        Interrupted, so that a task fails that has not done all. "auto" returns in a notebook.

    Returns
    -------
    Run
        The record of the run, with exactly one fate for every value read.

    Raises
    ------
    InvalidHistory
        If values are invalid or contradict each other and the caller asked to raise.
    ConnectError
        If the first connection fails.
    JournalMismatch
        If the journal belongs to a run with another history, model, mapping or limits.
    ConfigError, HistoryError, JournalError
        If an argument, the history or the journal cannot work.
    Interrupted
        If the run was interrupted, as ``on_interrupt`` says; always if ``stop`` was set before
        anything was sent.

    Warns
    -----
    ReplayWarning
        If sub-devices are neither signed in nor allowed to be offline, if the connection is
        neither encrypted nor on this machine, or if the interval has no row.

    Notes
    -----
    Ctrl-C, a notebook's interrupt and SIGTERM end a run in order: nothing more is published,
    replies are awaited for ten seconds, and the partial run is recorded. A second interrupt ends
    the run at once, as does the first while the history is still looked through.

    ``on_event`` is called by the thread of the replay, which waits for it; the first error that it
    raises is logged, and none stops the run. Counts are of values, and None stands for what is not
    known. The keys: ``event`` ("begun", "progress", "waiting" for a connect, or "ended"), ``run``
    (its id), ``values_total``, ``total_is_exact``, ``accepted``, ``declined``, ``withheld``,
    ``in_doubt``, ``not_sent``, ``in_flight``, ``values_per_second`` (answered) and
    ``bytes_per_second`` (published) over the latest seconds, ``seconds`` since the beginning,
    ``seconds_left``, ``limited_by`` ("rate", "replies", "window", "reading", "sending": this
    machine, "pause": before a retry, "connect_limit", "connection", "gateway" or "journal": another
    replay) and ``waiting_seconds``.

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
    # First of all: an error tracker prints the arguments of every call under way.
    connection, sub_device_secrets = sealed(connection), sealed(sub_device_secrets)
    policy = Policy(allow_offline_sub_device, skip_invalid_measurepoints, on_invalid, duplicates)
    check_arguments("replay", history, isolate)
    _check_course(progress, on_event, stop, wait, again, on_interrupt)
    check_threads()
    connection = Connection.of(connection)
    warn_of_plain(connection)
    order = Order.of("replay", history, model, connection.device, policy, limits, isolate)
    secrets = checked_secrets(sub_device_secrets)
    connection.device_secret.reveal()  # a wrong reference is an error now, not in an hour
    with (
        Interrupts(at_once=True, stop=stop) as interrupts,
        ExitStack() as on_failure,
        ExitStack() as stack,
    ):
        interrupts.heed()
        made_from = order.fingerprint(connection)
        place = journal_place(journal, made_from, run_key=run_key, again=again)
        if done := place.finished():
            return _done_before(done, history, order)
        place.waiting = Waiting(wait, interrupts.heed, tell_of_waiting(on_event))
        if place.temporary is not None:
            on_failure.callback(shutil.rmtree, place.temporary, ignore_errors=True)
        path = stack.enter_context(place).path
        purpose = f"a replay with the journal {path}"
        lease = stack.enter_context(Lease(connection, purpose, place.waiting))
        if done := place.finished():  # by another replay, which was waited for
            return _done_before(done, history, order)
        book = stack.enter_context(closing(Journal(path)))
        settled_before = 0 if book.is_new else read_journal(path).n_settled()
        if not book.is_new:
            order = order.as_begun(read_journal(path).facts())
        may_warn = not (policy.allow_offline_sub_device or secrets)
        unfinished, found, nearby = _open(book, order, made_from, interrupts, may_warn=may_warn)
        warn_of_empty(found, order)
        warn_of_offline(found, order, secrets)
        clock = SystemClock()
        begun = Beginning(book, order, connection, made_from, place.temporary is None)
        with streams_kept(history, path, is_temporary=place.temporary is not None) as kept:
            numbers = count(
                begun.noted(unfinished, found, clock.wall(), kept, is_found=nearby is None)
            )
        place.keep()
        sub_devices = SubDevices(connection, secrets, lambda: str(next(numbers)))
        driver = Driver(
            order=order,
            preparer=order.preparer(found),
            connection=connection,
            journal=book,
            transport=_transport(connection, order.limits, sub_devices, interrupts),
            sub_devices=sub_devices,
            record=lease,
            interrupts=interrupts,
            unfinished=unfinished,
            isolation=Isolation(
                order.isolate, order.own, order.limits.extra_requests, unfinished.spent
            ),
            next_id=lambda: str(next(numbers)),
            clock=clock,
            meter=_meter(book, order, found, clock.now()),
            telling=stack.enter_context(_telling(clock, progress, on_event, path)),
            nearby=nearby,
            lists_unsent=place.temporary is not None,
        )
        interrupts.at_once = False  # from here on there may be replies to wait for
        driver.run()
        on_failure.pop_all()  # from here on the run owns the folder
    run = Run(
        read_journal(path), place.temporary, history, order.models, driver.sent_now, settled_before
    )
    _check_end(run, interrupts.name, on_interrupt, is_kept=place.temporary is None)
    return run


def _check_course(
    progress: Any, on_event: Any, stop: Any, wait: Any, again: Any, on_interrupt: Any
) -> None:
    """Raise unless the arguments about the course of a run are of their kinds."""
    check_kinds(
        {
            "progress": (progress, one_of(True, False, "auto")),
            "on_event": (on_event, CALLBACK),
            "stop": (stop, optional(threading.Event, "a threading.Event")),
            "wait": (wait, SECONDS),
            "again": (again, FLAG),
            "on_interrupt": (on_interrupt, one_of("auto", "return", "raise")),
        }
    )


def _check_end(run: Run, interrupt: str | None, on_interrupt: str, *, is_kept: bool) -> None:
    """Raise Interrupted if a run ended before its last value, and the caller asked to raise."""
    raises = on_interrupt == "raise" or (on_interrupt == "auto" and not is_notebook())
    if not (interrupt and raises) or run.complete:
        return
    kept = f"the same call continues it from {run.path}"
    how = kept if is_kept else "nothing is kept to continue it from: journal= keeps it"
    text = f"the replay was interrupted ({interrupt}) before its last value: {run!r}; {how}"
    raise Interrupted(text, run)


def _done_before(path: Path, history: History, order: Order) -> Run:
    """Return the finished run of the same inputs."""
    log.warning(
        "the run in %s has the same inputs, and is finished: nothing is connected or sent "
        "(again=True, or --again, sends it again)",
        path,
    )
    found = read_journal(path)
    return Run(found, None, history, order.models, 0, found.n_settled())


def _transport(
    connection: Connection, limits: Limits, sub_devices: SubDevices, interrupts: Interrupts
) -> Transport:
    one = MqttTransport(
        connection,
        [batch_reply_topic(*connection.device), *sub_devices.reply_topics],
        keepalive=limits.keepalive,
        bytes_per_second=limits.bytes_per_second,
        is_stopped=lambda: bool(interrupts.name),
    )
    return travelling(one, connection)


def _meter(book: Journal, order: Order, found: Duplicates, now: float) -> Meter:
    """Return the measure of a run, with what its earlier legs have done."""
    rates = order.limits.bytes_per_second, order.limits.values_per_second
    meter = Meter(now, found.n_rows, found.n_values, rates)
    if not book.is_new:
        reader = read_journal(book.path)
        meter.resume(reader.rows()[0], reader.totals())
    return meter


def _telling(
    clock: Clock, progress: bool | str, on_event: OnEvent | None, journal: Path
) -> Telling:
    events = []
    if on_event is not None:
        events.append(Events(on_event, run_id_of(read_journal(journal).facts())))
    return Telling(clock, [*events, *drawings(progress)])


def _open(
    book: Journal, order: Order, made_from: Fingerprint, interrupts: Interrupts, *, may_warn: bool
) -> tuple[Unfinished, Duplicates, Nearby | None]:
    """Survey the history of a new run, or take up the state of an unfinished run.

    Where that is enough, only the times are looked at, and the search for duplicates goes with the
    sending; not if there may be a warning that names devices (``may_warn``).
    """
    if book.is_new:
        nearby = None if may_warn else order.nearby(interrupts.heed)
        found = order.surveyed(interrupts.heed) if nearby is None else nearby.found()
        interrupts.heed()
        return Unfinished(), found, nearby
    check_same(book.path, made_from, [source.name for source in order.history.sources])
    facts = read_journal(book.path).facts()
    with readable(book.path):
        unfinished, known = book.take_up(), facts["duplicates"]
        if known is not None:
            return unfinished, Duplicates.from_dict(known), None
    found = order.surveyed(interrupts.heed)  # the run before ended before it knew them all
    book.note(duplicates=found.as_dict())
    return unfinished, found, None
