"""``load_job()``: a backfill described in a TOML file, and its calls of the library.

A shell: reads the file.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..errors import Argument, ConfigError, Interrupted, MpReplayError
from ..fleet.topology import connection_of, topology_of
from ..outputs import path_of
from ..settings import ENVIRONMENT
from .arguments import ARGUMENTS, FILES, Arguments, arguments_of
from .checking import faults_in
from .keys import tables_with
from .toml_text import tables_in
from .writing import make_ready, write_outputs

if TYPE_CHECKING:
    from ..checks.validation import Validation
    from ..fleet.fleet_plan import FleetPlan
    from ..fleet.fleet_run import FleetRun
    from ..run import Run
    from ..runner.planning import Plan
    from ..secret import Secret
    from ..settings import Connection, Limits

__all__ = ["Job", "load_job"]

SHOWN: Final = 4  # faults of a file in a message
_OF_THE_CALL: Final = ("start", "end")  # given with it, as a rule, and not in the file
_KEYS: Final = {argument: key for key, argument in ARGUMENTS.items()}


class Job:
    """A backfill as a file tells it: source, model, connection, journal, what to write.

    Made by :func:`mpreplay.load_job`. Nothing is read but the file until a method is called.
    """

    def __init__(self, path: Path, tables: Mapping[str, Any]) -> None:
        self._path, self._tables = path, tables

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def is_fleet(self) -> bool:
        """True if the job has many gateways."""
        return "fleet" in self._tables

    def missing(self) -> list[Path]:
        """Return the missing files of a job other than its readings."""
        base, given = self._path.absolute().parent, self._tables
        model, connection = given["model"], given.get("connection", {})
        named = [model["path"]] if "path" in model else [*model["products"].values()]
        named += [connection[name] for name in FILES if name in connection]
        named += [given["fleet"]["topology"]] if self.is_fleet else []
        return [base / name for name in named if not (base / name).exists()]

    def connections(self) -> list[tuple[Connection, Mapping[tuple[str, str], Secret] | None]]:
        """Return the connection of each gateway, with the secrets of its sub-devices."""
        with self.in_its_words():
            base, given = self._path.absolute().parent, self._tables
            if self.is_fleet:
                members = topology_of(str(base / given["fleet"]["topology"]))
                gateways = [member.gateway for member in members]
                return [(connection_of(one.connection), one.sub_device_secrets) for one in gateways]
            of_one = Arguments("", {}, "", dict(given.get("connection", {})), base)
            return [(of_one.connect_as(), of_one.secrets())]

    def limits(self) -> Limits:
        """Return the limits of requests and rates."""
        with self.in_its_words():
            given = dict(self._tables.get("limits", {}))
            return Arguments("", {}, "", {}, self._path.parent, limits=given).limits_of()

    def validate(self, start: Any = None, end: Any = None) -> Validation:
        """Check the readings against the thing model; nothing is sent.

        Parameters
        ----------
        start, end : str or datetime, optional
            The interval, in place of the one in the file.
        """
        return self.validated(self.arguments(start, end))

    def validated(self, given: Arguments) -> Validation:
        """Check the readings of these arguments."""
        from ..checks.validation import validate

        with self.in_its_words():
            keys = {"device_column", "device_key"} & given.history.keys()
            own = None if keys else self._own_device(given)
            return validate(
                given.read_history(),
                given.load_models(),
                limits=given.limits_of(),
                gateway=own,
                duplicates=given.replay.get("duplicates", "raise"),
            )

    def plan(self, start: Any = None, end: Any = None) -> Plan | FleetPlan:
        """Return the plan of the replay, without sending anything.

        Parameters
        ----------
        start, end : str or datetime, optional
            The interval, in place of the one in the file.

        Returns
        -------
        Plan, or FleetPlan of a job with many gateways
        """
        return self.planned(self.arguments(start, end))

    def planned(self, given: Arguments) -> Plan | FleetPlan:
        """Return the plan of these arguments."""
        with self.in_its_words():
            policy = {n: v for n, v in given.replay.items() if n not in ("wait", "progress")}
            policy["limits"] = given.limits_of()
            if given.fleet is not None:
                return _plan_fleet(given, given.fleet, policy)
            from ..runner.planning import plan

            return plan(
                given.read_history(),
                given.load_models(),
                gateway=self._own_device(given),
                sub_device_secrets=given.secrets(),
                **policy,
            )

    def replay(
        self,
        start: Any = None,
        end: Any = None,
        *,
        stop: threading.Event | None = None,
        on_event: Callable[[dict[str, Any]], object] | None = None,
    ) -> Run | FleetRun:
        """Send the readings, write the files of ``[output]``, and hold the run to ``[accept]``.

        Parameters
        ----------
        start, end : str or datetime, optional
            The interval, in place of the one in the file.
        stop, on_event : optional
            As for ``replay``.

        Returns
        -------
        Run, or FleetRun of a job with many gateways

        Raises
        ------
        ReplayFailed
            If the file has a table ``[accept]``, and more values did not arrive than it allows.
        Interrupted
            As ``replay``, after the files are written; a notebook gets the partial run.
        ConfigError, HistoryError, InvalidHistory, ConnectError, JournalError
            As ``replay``; output files are checked before anything is connected.
        """
        given = self.arguments(start, end)
        try:
            run = self.send(given, stop=stop, on_event=on_event)
        except Interrupted as error:
            if error.run is not None:
                write_outputs(error.run, given.outputs)
            raise
        write_outputs(run, given.outputs)
        if given.accept is not None:
            run.raise_for_rejects(**given.accept)
        return run

    def arguments(self, start: Any = None, end: Any = None, key: str | None = None) -> Arguments:
        """Return the arguments of the library for an interval, with templates filled in."""
        with self.in_its_words():
            return arguments_of(self._path, self._tables, start, end, key)

    def send(self, given: Arguments, **more: Any) -> Run | FleetRun:
        """Check the files to write, and send the readings; ``write_outputs`` then writes them.

        ``more`` are other arguments of ``replay``, or of ``replay_fleet``.
        """
        with self.in_its_words():
            history, models = given.read_history(), given.load_models()
            make_ready(given, self._path, history)
            send = _send if given.fleet is None else _send_fleet
            return send(given, history, models, {n: v for n, v in more.items() if v is not None})

    def _own_device(self, given: Arguments) -> tuple[str, str] | None:
        """Return the keys of the gateway; None where no connection is named."""
        own = {name for name in given.connection if name != "sub_device_secrets"}
        if given.fleet is not None or not (own or os.environ.get(ENVIRONMENT)):
            return None
        return given.connect_as().device

    @contextmanager
    def in_its_words(self) -> Iterator[None]:
        """Let errors name the keys of the file in place of the library's arguments."""
        try:
            yield
        except MpReplayError as error:
            if not isinstance(error.message, str):
                error.message = f"{self._path}: {error.message.spelled(_as_key)}"
                error.args = (error.message, *error.args[1:])
            raise

    def __repr__(self) -> str:
        source, connection = self._tables["source"]["path"], self._tables.get("connection", {})
        shown = source if isinstance(source, str) else f"{len(source)} paths"
        by = "many gateways" if self.is_fleet else connection.get("host") or "a gateway"
        return f"Job({str(self._path)!r}: {shown} through {by})"


def _send(given: Arguments, history: Any, models: Any, more: Mapping[str, Any]) -> Run:
    from ..runner.replaying import replay

    return replay(
        history,
        models,
        given.connect_as(),
        sub_device_secrets=given.secrets(),
        limits=given.limits_of(),
        journal=given.journal,
        run_key=given.run_key,
        **{**given.replay, **more},
    )


def _plan_fleet(given: Arguments, fleet: Mapping[str, Any], policy: Mapping[str, Any]) -> FleetPlan:
    from ..fleet.fleet_plan import plan_fleet

    return plan_fleet(
        given.read_history(),
        given.load_models(),
        fleet["topology"],
        values_per_second=fleet.get("values_per_second") or None,
        **policy,
    )


def _send_fleet(given: Arguments, history: Any, models: Any, more: Mapping[str, Any]) -> FleetRun:
    from ..fleet.fleeting import replay_fleet

    fleet = given.fleet or {}
    return replay_fleet(
        history,
        models,
        fleet["topology"],
        journal=fleet["folder"],
        values_per_second=fleet.get("values_per_second") or None,
        limits=given.limits_of(),
        **{**given.replay, **more},
    )


def _as_key(argument: Argument) -> str:
    """Return an argument as the key of a job file."""
    name = _KEYS.get(argument.name, argument.name)
    homes = [home for home in tables_with(name) if home]
    if name in _OF_THE_CALL and argument.is_named:
        return name
    if not homes:
        return str(argument)
    if argument.is_named or argument.value is None:
        return f"{name} of [{homes[0]}]"
    value = argument.value
    told = str(value).lower() if isinstance(value, bool) else _quoted(value)
    return f"{name} = {told} under [{homes[0]}]"


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) and '"' not in value else repr(value)


def load_job(path: str | os.PathLike[str]) -> Job:
    """Read a job file.

    Parameters
    ----------
    path : path
        The file, as ``mpreplay job --example`` prints one. Paths in it are relative to it.

    Returns
    -------
    Job

    Raises
    ------
    ConfigError
        If the file cannot be read, is not TOML, has a key that does not exist, a value of the
        wrong kind, or a secret in it.

    Examples
    --------
    >>> load_job("no-such-job.toml")
    Traceback (most recent call last):
    mpreplay.errors.ConfigError: no-such-job.toml: there is no such job file
    """
    file = path_of(path, "path")
    found = _read(file)
    if isinstance(found, list):
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise ConfigError(
            f"{file}: {'; '.join(found[:SHOWN])}{more}", argument="path", value=str(file)
        )
    return Job(file, found)


def _read(path: Path) -> dict[str, Any] | list[str]:
    """Return the tables of a file, or what is wrong: an error raised here would hold its text."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ["there is no such job file"]
    except OSError as error:
        return [f"the job file cannot be read ({error.strerror or error})"]
    tables = tables_in(data)
    if isinstance(tables, str):
        return [tables]
    return list(faults_in(tables)) or tables
