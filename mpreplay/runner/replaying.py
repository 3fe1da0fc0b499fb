"""``replay()``: checks its arguments, opens the journal, and runs a driver. A shell."""

from __future__ import annotations

import shutil
import threading
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from ..checks.repeats import Duplicates
from ..conversation.isolation import Isolation
from ..conversation.mqtt import MqttTransport
from ..conversation.packing import travelling
from ..conversation.sub_devices import SubDevices, checked_secrets
from ..errors import Argument, ReplayWarning, message
from ..errors.arguments import SECONDS, Kind, check_kinds, one_of, optional
from ..files.search_rules import grouped
from ..history.ahead import check_threads
from ..history.history import History
from ..journal.fingerprint import Fingerprint, check_same
from ..journal.keeping import streams_kept
from ..journal.lineage import begin_lineage
from ..journal.locks import Lease
from ..journal.places import journal_place
from ..journal.reader import read_journal, readable, run_id_of
from ..journal.writer import Journal, Unfinished
from ..order import Order, check_arguments
from ..protocol.addresses import is_loopback
from ..protocol.codes import NO_SUB_DEVICE
from ..protocol.messages import batch_reply_topic
from ..run import Run
from ..secret import Secret, sealed
from ..settings import Connection, Limits, Policy
from ..sources.source import digest_of
from ..version import __version__
from .clock import SystemClock
from .driver import Driver
from .interrupts import Interrupts
from .meter import Meter
from .progress import Events, Telling, drawings

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from ..conversation.transport import Transport
    from .clock import Clock
    from .progress import OnEvent

__all__ = ["replay"]


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
    progress: bool | Literal["auto"] = "auto",
    on_event: Callable[[dict[str, Any]], object] | None = None,
    stop: threading.Event | None = None,
    wait: float = 0.0,
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
        None: a temporary file.
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
        Time to wait for another replay through the same gateway to end. [s]

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

    Warns
    -----
    ReplayWarning
        If sub-devices are neither signed in nor allowed to be offline, or if the connection is
        neither encrypted nor on this machine.

    Notes
    -----
    Ctrl-C, a notebook's interrupt and SIGTERM end a run in order: nothing more is published,
    replies are awaited for ten seconds, and the partial run is returned. A second interrupt ends
    the run at once, as does the first while the history is still looked through.

    ``on_event`` is called by the thread of the replay, which waits for it; the first error that it
    raises is logged, and none stops the run. Counts are of values, and None stands for what is not
    known. The keys: ``event`` ("begun", "progress", "waiting" for a connect, or "ended"), ``run``
    (its id), ``values_total``, ``total_is_exact``, ``accepted``, ``declined``, ``withheld``,
    ``in_doubt``, ``not_sent``, ``in_flight``, ``values_per_second`` (answered) and
    ``bytes_per_second`` (published) over the latest seconds, ``seconds`` since the beginning,
    ``seconds_left``, ``limited_by`` ("rate", "replies", "window", "reading", "sending": this
    machine, "pause": before a retry, "connect_limit", "connection") and ``waiting_seconds``.

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
    check_kinds({"progress": (progress, one_of(True, False, "auto"))})
    check_kinds({"on_event": (on_event, Kind("a function or None", _is_callable))})
    check_kinds({"stop": (stop, optional(threading.Event, "a threading.Event"))})
    check_kinds({"wait": (wait, SECONDS)})
    check_threads()
    connection = Connection.of(connection)
    _warn_of_plain(connection)
    order = Order.of("replay", history, model, connection.device, policy, limits, isolate)
    secrets = checked_secrets(sub_device_secrets)
    connection.device_secret.reveal()  # a wrong reference is an error now, not in an hour
    made_from = order.fingerprint(connection)
    with (
        Interrupts(at_once=True, stop=stop) as interrupts,
        ExitStack() as on_failure,
        ExitStack() as stack,
    ):
        place = journal_place(journal, made_from)
        place.wait, place.is_stopped = wait, lambda: bool(interrupts.name)
        if place.temporary is not None:
            on_failure.callback(shutil.rmtree, place.temporary, ignore_errors=True)
        path = stack.enter_context(place).path
        lease = stack.enter_context(
            Lease(connection, f"a replay with the journal {path}", wait, place.is_stopped)
        )
        book = stack.enter_context(closing(Journal(path)))
        if not book.is_new:
            order = order.as_begun(read_journal(path).facts())
        unfinished, found = _open(book, order, made_from)
        _warn_of_offline(found, order, secrets)
        clock = SystemClock()
        begun = _Beginning(book, order, connection, made_from, place.temporary is None)
        with streams_kept(history, path, is_temporary=place.temporary is not None) as kept:
            numbers = count(begun.noted(unfinished, found, clock.wall(), kept))
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
        )
        interrupts.at_once = False  # from here on there may be replies to wait for
        driver.run()
        on_failure.pop_all()  # from here on the run owns the folder
    return Run(read_journal(path), place.temporary, history, order.models)


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


def _is_callable(given: Any) -> bool:
    return given is None or callable(given)


def _meter(book: Journal, order: Order, found: Duplicates, now: float) -> Meter:
    """Return the measure of a run, with what its earlier legs have done."""
    limits = order.limits
    rates = limits.bytes_per_second, limits.values_per_second
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


def _open(book: Journal, order: Order, made_from: Fingerprint) -> tuple[Unfinished, Duplicates]:
    """Survey the history of a new run, or take up the state of an unfinished run."""
    if book.is_new:
        return Unfinished(), order.surveyed()
    check_same(book.path, made_from, [source.name for source in order.history.sources])
    facts = read_journal(book.path).facts()
    with readable(book.path):
        return book.take_up(), Duplicates.from_dict(facts["duplicates"])


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The facts of a run that a journal records at the beginning or when the run is continued."""

    book: Journal
    order: Order
    connection: Connection
    made_from: Fingerprint
    is_kept: bool  # False if the journal goes with the object of the run

    def noted(
        self, unfinished: Unfinished, duplicates: Duplicates, wall: float, kept: Mapping[int, str]
    ) -> int:
        """Record the facts of the run, and return its next request id.

        ``kept`` are the files of streams, by the number of their source.

        Ids are unique for a gateway across runs, so that a late reply to an earlier run settles
        nothing here: the run's start in milliseconds, and six digits to count.
        """
        now = round(wall * 1000)
        facts = {
            "ended": None,
            "read_all": False,
            "limits": self.order.limits.as_dict(),
            "isolate": self.order.isolate,
            "version": __version__,
        }
        book = self.book
        if not book.is_new:
            earlier = read_journal(book.path).facts()
            times = int(earlier.get("continued", 0)) + 1
            book.note(**facts, **_next_leg(earlier, now), continued=times)
            return int(unfinished.last_id or now * 1_000_000) + 1
        history = self.order.history
        book.begin(
            **facts,
            started_at=now,
            leg_started_at=now,
            is_kept=self.is_kept,
            **begin_lineage(history, book.path, now),
            n_rows=history.n_rows_wanted,
            sources=[
                digest_of(source) | ({"kept": kept[n]} if n in kept else {})
                for n, source in enumerate(history.sources)
            ],
            left_out=grouped(history.left_out),
            plausible=history.bounds,
            columns_left_out=history.columns_left_out(self.order.models.all()),
            gateway=self.connection.device_key,
            connection=self.connection.to_uri(),
            fingerprint=self.made_from,
            duplicates=duplicates.as_dict(),
        )
        return now * 1_000_000


def _next_leg(facts: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Return the facts of a leg that begins: it closes the one before, so far as its end is known.

    The time between legs is no time of the run.
    """
    leg = [facts.get("leg_started_at"), facts.get("ended_at")]
    return {"legs": [*facts.get("legs", []), leg], "leg_started_at": now, "ended_at": None}


def _warn_of_plain(connection: Connection) -> None:
    if not connection.tls and not is_loopback(connection.host):
        told = (
            f"the connection to {connection.host}:{connection.port} is not encrypted: readings and "
            "signatures can be read on their way. Use mqtts:// (tls=True) where the platform has it"
        )
        warnings.warn(ReplayWarning(told), stacklevel=3)


def _warn_of_offline(duplicates: Duplicates, order: Order, secrets: Mapping[Any, Secret]) -> None:
    others = sorted(duplicates.devices - {order.own})
    if others and not order.policy.allow_offline_sub_device and not secrets:
        told = message(
            f"{len(others)} sub-devices ({others[0].device_key}"
            f"{', …' if len(others) > 1 else ''}) are not signed in by this replay, and "
            "allow_offline_sub_device is False: the platform declines requests "
            f"(code {NO_SUB_DEVICE}) that hold one of them which is offline, as far as it knows. "
            "Pass ",
            Argument("sub_device_secrets"),
            " to sign them in, or ",
            Argument("allow_offline_sub_device", True),
        )
        warnings.warn(ReplayWarning(told), stacklevel=3)
