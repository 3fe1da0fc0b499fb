"""``replay()``: drives a session over a transport and a journal. A shell.

What to send is decided in ``preparing.py``, when and how often in ``session.py``, what it means in
``results.py``; here it is done.
"""

from __future__ import annotations

import hashlib
import logging
import random
import shutil
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Final, Literal

import pandas as pd

from . import __version__
from .duplicates import Duplicates, find_duplicates
from .errors import (
    ConfigError,
    ConnectError,
    ConnectionLost,
    InvalidHistory,
    PlatformError,
    ReplayWarning,
)
from .history import History
from .journal import Journal, read_journal
from .pacing import next_connect
from .preparing import Chunk, Policy, Prepared, Preparer, Tally, add_tally
from .protocol import batch_reply_topic, batch_topic, decode_reply
from .readings import Device, read_slab
from .results import joined, rejects_of_chunk, rejects_withheld
from .running import Run, open_run
from .session import Session, Settled
from .settings import Connection, Limits, reveal
from .sub_devices import SubDevices, checked_secrets
from .thing_model import ModelSet
from .transport import Acknowledged, Event, Lost, Message, MqttTransport, Transport
from .validation import Checker, violations

if TYPE_CHECKING:
    import os

__all__ = ["Run", "open_run", "replay"]

log = logging.getLogger("mpreplay")
# How long a lost connection may stay away before the run ends. [s]
REGAIN_WITHIN: Final = 600.0
IDLE: Final = 1.0  # how often to look around while nothing is due [s]
MAX_EXAMPLES: Final = 1_000  # violations that InvalidHistory carries


def replay(
    history: History,
    model: Any,
    connection: Connection | None = None,
    *,
    allow_offline_sub_device: bool = False,
    skip_invalid_measurepoints: bool = False,
    sub_device_secrets: Mapping[tuple[str, str], str] | None = None,
    on_invalid: Literal["raise", "withhold", "send"] = "raise",
    duplicates: Literal["raise", "first", "last"] = "raise",
    isolate: Literal[False] = False,
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
    connection : Connection, optional
        Where to send it and as which device; by default what MPREPLAY_CONNECTION says.
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
    isolate : False
        How far a declined request is taken apart; not yet available.
    limits : Limits, optional
        Sizes, rates, attempts.
    journal : path, optional
        A file, or a folder, in which to keep the record of the run. None: a temporary file.
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
    ConfigError, HistoryError, JournalError
        If an argument, the history or the journal cannot work.

    Warns
    -----
    ReplayWarning
        If sub-devices are neither signed in nor allowed to be offline.

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
    connection = Connection.from_environment() if connection is None else connection
    secrets = checked_secrets(sub_device_secrets)
    reveal(connection.device_secret)  # a reference to nothing is an error now, not in an hour
    limits = limits or Limits()
    policy = Policy(allow_offline_sub_device, skip_invalid_measurepoints, on_invalid, duplicates)
    models = ModelSet.of(model)
    own = Device(*connection.device)
    preparer = Preparer(models, Checker(models), policy, limits, own)
    if on_invalid == "raise":
        _raise_for_violations(history, models, preparer, own)
    preparer.duplicates = _duplicates(history, models, preparer, own, policy)
    _warn_of_offline(preparer.duplicates, own, policy, secrets)
    path, temporary = _journal_path(journal)
    start = time.time_ns() // 1_000_000
    with ExitStack() as stack:
        if temporary is not None:
            stack.callback(shutil.rmtree, temporary, ignore_errors=True)
        with closing(Journal(path)) as record, _Bar(history.n_rows, progress) as bar:
            record.note(
                version=__version__,
                started_at=_instant(start),
                gateway=connection.device_key,
                connection=connection.to_uri(),
                model=models.digest,
                limits=limits.as_dict(),
                policy={name: getattr(policy, name) for name in Policy.__slots__},
                sources=[(source.name, source.fingerprint) for source in history.sources],
                counts={"disordered_slabs": preparer.duplicates.n_disordered},
            )
            _Driver(
                history, models, preparer, policy, limits, connection, record, secrets, start
            ).run(bar)
        stack.pop_all()  # the folder is the run's from here on
    return Run(read_journal(path), temporary)


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
    if isolate is not False:
        raise ConfigError(
            f"isolate={isolate!r}: taking declined requests apart is not available in this "
            "version; leave it False"
        )


def _raise_for_violations(
    history: History, models: ModelSet, preparer: Preparer, own: Device
) -> None:
    """Look through the whole history and raise if any value is invalid."""
    frames: list[pd.DataFrame] = []
    n_faults = 0
    for raw in history.slabs(models.all()):
        for readings in read_slab(raw, models, own, (history.start, history.end)):
            for fault in preparer.faults(readings):
                if n_faults < MAX_EXAMPLES:
                    frames.append(violations(readings, fault, MAX_EXAMPLES))
                n_faults += len(fault.positions)
    if n_faults:
        found = pd.concat(frames).sort_values(["source", "row"], kind="stable", ignore_index=True)
        first = found.iloc[0]
        raise InvalidHistory(
            f"{n_faults:,} violations of the thing model; the first: row {first['row']} of "
            f"{first['source']}, {first['measurepoint'] or 'the row'} = {first['value'] or '?'}: "
            f"{first['reason']}. Nothing was sent; on_invalid='withhold' sends the rest, "
            "validate() lists them",
            found,
        )


def _duplicates(
    history: History, models: ModelSet, preparer: Preparer, own: Device, policy: Policy
) -> Duplicates:
    duplicates = find_duplicates(
        history,
        models,
        own,
        preparer.faults,
        keep="first" if policy.duplicates == "first" else "last",
        withhold=policy.on_invalid != "send",
    )
    if policy.duplicates == "raise" and duplicates.n_superseded:
        raise InvalidHistory(
            f"{duplicates.n_superseded:,} values have the device, time and point of another, and "
            f"another value; the first: {duplicates.example}. Nothing was sent; "
            "duplicates='first' or 'last' says which one to send"
        )
    return duplicates


def _warn_of_offline(
    duplicates: Duplicates, own: Device, policy: Policy, secrets: Mapping[Any, str]
) -> None:
    others = sorted(duplicates.devices - {own})
    if others and not policy.allow_offline_sub_device and not secrets:
        warnings.warn(
            f"{len(others)} sub-devices ({others[0].device_key}"
            f"{', …' if len(others) > 1 else ''}) are not signed in by this replay, and "
            "allow_offline_sub_device is False: the platform declines requests that hold one that "
            "is offline (code 1212). Pass sub_device_secrets= to sign them in, or "
            "allow_offline_sub_device=True",
            ReplayWarning,
            stacklevel=3,
        )


def _journal_path(journal: Any) -> tuple[Path, Path | None]:
    """Return where to write, and the folder to remove when the run is forgotten."""
    if journal is None:
        temporary = Path(mkdtemp(prefix="mpreplay-"))
        return temporary / "run.db", temporary
    path = Path(journal)
    if path.is_dir():
        stem = time.strftime("run-%Y%m%dT%H%M%SZ", time.gmtime())
        names = (f"{stem}{'' if n == 0 else f'-{n}'}.db" for n in count())
        return next(path / name for name in names if not (path / name).exists()), None
    if not path.parent.is_dir():
        raise ConfigError(f"journal={str(path)!r}: there is no folder {str(path.parent)!r}")
    return path, None


def _instant(ms: int) -> str:
    return pd.Timestamp(ms, unit="ms", tz="UTC").isoformat(timespec="milliseconds")


class _Bar:
    """A progress bar over rows, or nothing."""

    def __init__(self, total: int, progress: bool | str) -> None:
        notebook = "ipykernel" in sys.modules
        flavour = "tqdm.notebook" if notebook and find_spec("ipywidgets") else "tqdm"
        tqdm = import_module(flavour).tqdm
        wanted = notebook or sys.stderr.isatty() if progress == "auto" else bool(progress)
        self._bar = tqdm(total=total, unit=" rows", desc="replay", disable=not wanted, leave=False)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def add(self, rows: int) -> None:
        """Move on."""
        self._bar.update(rows)


@dataclass(slots=True)
class _Sent:
    """What is kept of a request until it settles."""

    chunk: Chunk
    sent_at: int | None = None


@dataclass(slots=True)
class _Driver:
    """One replay under way: the only thread that touches session, transport and journal."""

    history: History
    models: ModelSet
    preparer: Preparer
    policy: Policy
    limits: Limits
    connection: Connection
    journal: Journal
    secrets: Mapping[Device, str]
    start: int
    session: Session = field(init=False)
    transport: Transport = field(init=False)
    sub_devices: SubDevices = field(init=False)
    _slabs: Iterator[Prepared] = field(init=False)
    _requests: dict[str, _Sent] = field(default_factory=dict)
    _exhausted: bool = False
    _connects: list[float] = field(default_factory=list)
    _lost_since: float | None = None
    _numbers: Iterator[int] = field(default_factory=count)
    _counts: dict[str, int] = field(default_factory=dict)
    _bar: Any = None

    def __post_init__(self) -> None:
        """Make the session and the way to the platform, without connecting."""
        self.session = Session(self.limits)
        self.sub_devices = SubDevices(self.connection, self.secrets, self._next_id)
        topics = [batch_reply_topic(*self.connection.device), *self.sub_devices.reply_topics]
        self.transport = MqttTransport(self.connection, topics, keepalive=self.limits.keepalive)
        self._slabs = self._prepared()
        names = (
            "rows",
            "empty_entries",
            "strangers",
            "doubles",
            "contradictions",
            "broken_replies",
            "connects",
            "published",
            "acknowledged",
        )
        self._counts = dict.fromkeys(names, 0)

    def run(self, bar: _Bar) -> None:
        """Send everything, and remember how it ended."""
        self._bar = bar
        try:
            self._connect()
            self._loop()
            self.sub_devices.sign_out(self.transport)
        except ConnectError as error:
            if not self._requests and not self._counts["rows"]:
                raise
            self.session.stopped = str(error)
        finally:
            self.transport.close()
            self._finish()

    def _loop(self) -> None:
        session = self.session
        while True:
            self._feed()
            now = time.monotonic()
            publish, settled = session.poll(now, random.random())  # noqa: S311 - spreads pauses
            for request_id in publish:
                self._publish(request_id)
            self._settle(settled)
            if session.stopped:
                self._settle(session.stop("", time.monotonic()))
            if not session.n_open and (self._exhausted or session.stopped):
                return
            if self._lost_since is not None:
                self._regain()
                continue
            if session.needs_sign_in:
                self._sign_in()
            self._handle(self.transport.receive(self._wait()))

    def _wait(self) -> float:
        now = time.monotonic()
        due = self.session.next_event(now)
        return IDLE if due is None else min(IDLE, max(0.0, due - now))

    def _handle(self, event: Event | None) -> None:
        match event:
            case Message(topic, payload) if topic == batch_reply_topic(*self.connection.device):
                self._receive(payload)
            case Acknowledged(topic) if topic == batch_topic(*self.connection.device):
                self._counts["acknowledged"] += 1
            case Lost(reason):
                log.warning("the connection is lost (%s)", reason)
                now = time.monotonic()
                self._lost_since = now
                self._settle(self.session.on_lost(now))

    def _receive(self, payload: bytes) -> None:
        try:
            reply = decode_reply(payload)
        except PlatformError as error:
            # Whose it was cannot be told: the request is tried again when it is overdue.
            self._counts["broken_replies"] += 1
            log.warning("%s", error)
            return
        self._settle(
            self.session.receive(
                reply.request_id,
                reply.code,
                reply.message,
                time.monotonic(),
                random.random(),  # noqa: S311
            )
        )

    def _connect(self) -> None:
        """Sign in, and the sub-devices with it."""
        self._connects.append(time.monotonic())
        self._counts["connects"] += 1
        self.transport.connect()
        self._lost_since = None
        self._sign_in()

    def _sign_in(self) -> None:
        try:
            for event in self.sub_devices.sign_in(self.transport):
                self._handle(event)
            self.session.on_connected(time.monotonic())
        except ConnectionLost as error:
            self._handle(Lost(str(error)))

    def _regain(self) -> None:
        """Connect again, as soon as the platform's connect limit allows."""
        now = time.monotonic()
        lost_since = now if self._lost_since is None else self._lost_since
        if now - lost_since > REGAIN_WITHIN:
            self.session.stopped = f"the connection was not regained within {REGAIN_WITHIN:.0f} s"
            self._settle(self.session.give_up(now))
            return
        allowed = next_connect(
            self._connects, now, limit=self.limits.connects, period=self.limits.connect_period
        )
        if allowed > now:
            # Nothing else can happen: wait where an interrupt can end the wait.
            time.sleep(min(allowed - now, IDLE))
            return
        try:
            self._connect()
        except ConnectError as error:
            log.warning("%s", error)
            self._lost_since = lost_since

    def _prepared(self) -> Iterator[Prepared]:
        window = (self.history.start, self.history.end)
        for raw in self.history.slabs(self.models.all()):
            yield self.preparer.prepare(raw, window)

    def _feed(self) -> None:
        """Make requests ready while the session wants them."""
        while not self._exhausted and self.session.wants_more:
            prepared = next(self._slabs, None)
            if prepared is None:
                self._exhausted = True
                return
            self._intend(prepared)

    def _intend(self, prepared: Prepared) -> None:
        """Write a slab down, then queue its requests."""
        rows, queued = [], []
        for chunk in prepared.chunks():
            request_id = self._next_id()
            payload = chunk.payload(request_id, self.policy)
            digest = hashlib.sha256(payload).hexdigest()
            rows.append(
                (
                    request_id, chunk.slab, chunk.number, chunk.n_entries, chunk.n_values,
                    len(payload), *chunk.times, digest,
                )
            )  # fmt: skip
            queued.append((request_id, len(payload), chunk.n_values))
            self._requests[request_id] = _Sent(chunk)
        tallies: dict[str, Tally] = {"read": {}, "withheld": {}}
        for part in prepared.parts:
            add_tally(tallies["read"], part.tally_read())
            add_tally(tallies["withheld"], part.tally_withheld())
        self.journal.intend(rows, tallies, joined(map(rejects_withheld, prepared.parts)))
        for request in queued:
            self.session.add(*request)
        self._counts["rows"] += prepared.n_rows
        self._counts["empty_entries"] += prepared.n_empty
        self._bar.add(prepared.n_rows)

    def _publish(self, request_id: str) -> None:
        sent = self._requests[request_id]
        sent.sent_at = time.time_ns() // 1_000_000
        payload = sent.chunk.payload(request_id, self.policy)
        log.debug("request %s: %d bytes", request_id, len(payload))
        self.transport.publish(batch_topic(*self.connection.device), payload)
        self._counts["published"] += 1

    def _settle(self, settled: list[Settled]) -> None:
        """Write down what became of requests and their values."""
        for one in settled:
            sent = self._requests.pop(one.request_id)
            tally, suspects = sent.chunk.tally(), {}
            if one.outcome == "accepted" and self.policy.skip_invalid_measurepoints:
                suspects = sent.chunk.tally_suspects()
                add_tally(tally, {key: -n for key, n in suspects.items()})
            rejects = (
                rejects_of_chunk(sent.chunk, one)
                if one.outcome != "accepted" or suspects
                else joined([])
            )
            tallies: dict[str, Tally] = {one.outcome: tally}
            if suspects:
                tallies["declined"] = suspects
            self.journal.settle(one, sent.sent_at, tallies, rejects)
            log.debug("request %s: %s, code %s", one.request_id, one.outcome, one.code)

    def _next_id(self) -> str:
        # Unique for a gateway across runs: a late reply to an earlier run settles nothing here.
        return str(self.start * 1_000_000 + next(self._numbers))

    def _finish(self) -> None:
        """Settle what is open, and remember how the run ended."""
        session = self.session
        self._settle(session.give_up(time.monotonic()) if session.n_open else [])
        self._counts["strangers"] = session.strangers
        self._counts["doubles"] = session.doubles
        self._counts["contradictions"] = session.contradictions
        self._counts["sub_devices_refused"] = len(self.sub_devices.refused)
        self._counts["disordered_slabs"] = self.preparer.duplicates.n_disordered
        unread = 0 if self._exhausted else max(0, self.history.n_rows - self._counts["rows"])
        self._counts["unread_rows"] = unread
        self.journal.note(
            counts=self._counts,
            ended_at=_instant(time.time_ns() // 1_000_000),
            stopped=session.stopped,
            complete=self._exhausted and not session.stopped,
        )
        log.info("run ended%s", f": {session.stopped}" if session.stopped else "")
