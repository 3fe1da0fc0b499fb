"""The library's arguments for one interval of a job.

A shell: follows the references of a connection, and reads thing models.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..cells.column import Column
from ..cells.text_format import TextFormat
from ..display.facts import CHECKS
from ..display.reasons import ADVICE_BY_CHECK
from ..errors import ConfigError
from ..errors.nearest import nearest
from ..files.uris import parse_uri
from ..fleet.topology import connection_of
from ..model.thing_model import ThingModel
from ..secret import Secret
from ..settings import Connection, Limits
from ..times.bounds import bound_of
from .templates import filled

if TYPE_CHECKING:
    from ..history.history import History

__all__ = ["Arguments", "arguments_of"]

# Keys of a source whose arguments have another name.
ARGUMENTS: Final = {
    "time": "time_column",
    "device": "device_column",
    "product": "product_column",
}
_OF_SOURCE: Final = frozenset({"path", "points", "columns", "text", "plausible", "devices"})
FILES: Final = ("ca_file", "cert_file", "key_file")


@dataclass(slots=True, repr=False)
class Arguments:
    """The arguments of one run of a job, which options of the command line may change.

    Parameters
    ----------
    source : str or list of str
        The files of readings.
    history : dict
        Other arguments of ``read_history``; its ``text`` as a dict of fields.
    models : str or dict of str to str
        The file of the thing model, or one for each product.
    connection : dict
        The table of the job; or ``given``, what replaces it.
    base : Path
        The folder that the connection's files are relative to.
    replay, limits : dict
        Arguments of ``replay``, and fields of ``Limits``.
    journal : str, optional
        File of the journal, or folder of journals, which ends in a slash.
    run_key : str, optional
        Name of the run in the folder.
    outputs : dict of str to Path
        Files to write after the run.
    sub_device_secrets : mapping, optional
        Secrets in place of those in the file.
    accept : dict, optional
        Arguments of ``raise_for_rejects``; None: not called.
    fleet : dict, optional
        Topology, folder and rate of a fleet.
    """

    source: Any
    history: dict[str, Any]
    models: str | dict[str, str]
    connection: dict[str, Any]
    base: Path
    replay: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)
    journal: str | None = None
    run_key: str | None = None
    outputs: dict[str, Path] = field(default_factory=dict)
    sub_device_secrets: Mapping[tuple[str, str], Secret] | None = None
    accept: dict[str, Any] | None = None
    fleet: dict[str, Any] | None = None

    def read_history(self) -> History:
        """Return the history."""
        from ..doors.opening import read_history

        given = dict(self.history)
        if text := given.pop("text", None):
            given["text"] = TextFormat(**text)
        return read_history(self.source, **given)

    def load_models(self) -> Any:
        """Return the thing model, or one for each product."""
        if isinstance(self.models, str):
            return ThingModel.load(self.models)
        return {product: ThingModel.load(path) for product, path in self.models.items()}

    def connect_as(self) -> Connection:
        """Return the connection, following a reference to its URI."""
        given = dict(self.connection)
        if "given" in given:
            return Connection.of(given["given"])
        given.pop("sub_device_secrets", None)
        if "uri" in given:
            return self._from_uri(Secret.sealed(given.pop("uri")))
        if not given:
            return Connection.of(None)
        given["device_secret"] = self._placed(Secret.sealed(given["device_secret"]))
        return self._with_files(Connection(**given))

    def _from_uri(self, uri: Secret) -> Connection:
        if uri.reference is not None:
            return connection_of(self._placed(uri))
        found = Connection.of(uri)
        return self._with_files(replace(found, device_secret=self._placed(found.device_secret)))

    def _with_files(self, found: Connection) -> Connection:
        given = {name: getattr(found, name) for name in FILES}
        placed: dict[str, Any] = {
            name: str(self.base / path) for name, path in given.items() if path
        }
        return replace(found, **placed)

    def _placed(self, secret: Secret) -> Secret:
        """Return a secret; the path of a reference to a file is relative to the job."""
        kind, _, name = (secret.reference or "").partition(":")
        return Secret.sealed(f"file:{self.base / name}") if kind == "file" else secret

    def secrets(self) -> Mapping[tuple[str, str], Secret] | None:
        """Return the secrets of sub-devices; None for none."""
        given = self.connection.get("sub_device_secrets")
        if given is None or self.sub_device_secrets is not None:
            return self.sub_device_secrets
        return {
            tuple(name.split("/", 1)): self._placed(Secret.sealed(one))
            for name, one in given.items()
        }

    def limits_of(self) -> Limits:
        """Return the limits; what is ``false`` is switched off."""
        given: dict[str, Any] = {n: None if one is False else one for n, one in self.limits.items()}
        return Limits(**given)

    def inputs(self) -> list[Path]:
        """Return the files that the run reads in addition to its history."""
        models = [self.models] if isinstance(self.models, str) else self.models.values()
        keys = [self.base / self.connection[name] for name in FILES if name in self.connection]
        topology = [Path(self.fleet["topology"])] if self.fleet else []
        return [*map(Path, models), *keys, *topology]


def arguments_of(
    path: Path, tables: Mapping[str, Any], start: Any = None, end: Any = None, key: Any = None
) -> Arguments:
    """Return the arguments of a job for an interval.

    Parameters
    ----------
    path : Path
        The file of the job.
    tables : mapping
        Its checked tables.
    start, end, key : optional
        In place of those in the file.

    Raises
    ------
    ConfigError, HistoryError
        If a template or a bound cannot work.
    """
    base, source = path.absolute().parent, tables["source"]  # a worker has a folder of its own
    start = source.get("start") if start is None else start
    end = source.get("end") if end is None else end
    given = {"start": _moment(start, "start"), "end": _moment(end, "end"), "job": path.stem}
    journal = tables.get("journal", {})
    fleet = _fleet(base, tables["fleet"], given) if "fleet" in tables else None
    if key is None and fleet is not None:
        key = Path(fleet["folder"]).name
    if key is None and "key" in journal:
        key = filled(journal["key"], given, "[journal] key")
    named = given | {"key": key}

    def placed(table: str, name: str, values: Mapping[str, Any] = named) -> Path:
        return base / filled(tables[table][name], values, f"[{table}] {name}")

    paths = source["path"] if isinstance(source["path"], list) else [source["path"]]
    sources = [_place(base, filled(one, named, "[source] path")) for one in paths]
    models = tables["model"]
    place = next((name for name in ("folder", "file") if name in journal), None)
    return Arguments(
        source=sources if isinstance(source["path"], list) else sources[0],
        history=_history(source) | _given(start=start, end=end),
        models=_models(base, models),
        connection=dict(tables.get("connection", {})),
        base=base,
        replay=dict(tables.get("replay", {})),
        limits=dict(tables.get("limits", {})),
        journal=f"{placed('journal', place)}{'/' * (place == 'folder')}" if place else None,
        run_key=key,
        outputs={name: placed("output", name) for name in tables.get("output", {})},
        accept=_accept(tables["accept"]) if "accept" in tables else None,
        fleet=fleet,
    )


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _moment(bound: Any, name: str) -> dt.datetime | None:
    """Return a bound as a time in UTC, for names of files."""
    ms = bound_of(bound, name)
    if ms is None:
        return None
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=ms)


def _place(base: Path, path: str) -> str:
    return str(base / path) if parse_uri(path) is None else path


def _models(base: Path, given: Mapping[str, Any]) -> str | dict[str, str]:
    if "path" in given:
        return str(base / given["path"])
    return {product: str(base / path) for product, path in given["products"].items()}


def _accept(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is accepted; a check that does not exist would fail the run after it was sent."""
    known = list(dict.fromkeys([*ADVICE_BY_CHECK, *CHECKS]))
    for name in given.get("allow", []):
        if name not in known:
            raise ConfigError(
                f"[accept] allow: there is no check {name!r}{nearest(name, known)}",
                argument="allow",
                value=name,
            )
    return dict(given)


def _fleet(base: Path, given: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    folder = base / filled(given["folder"], values, "[fleet] folder")
    return {**given, "topology": str(base / given["topology"]), "folder": folder}


def _history(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``read_history`` for a table, but for the path."""
    given = {
        ARGUMENTS.get(name, name): value for name, value in source.items() if name not in _OF_SOURCE
    }
    columns = {name: _column(one) for name, one in source.get("columns", {}).items()}
    points = source.get("points", {})
    if both := sorted(columns.keys() & points.keys()):
        raise ConfigError(
            f"[source]: the column {both[0]!r} stands both in points and in columns; leave it to "
            "one of the two",
            argument="points",
        )
    if columns or points:
        given["points"] = {**points, **columns}
    if "text" in source:
        given["text"] = dict(source["text"])
    if "plausible" in source:
        given["plausible"] = _span(source["plausible"])
    if "devices" in source:
        given["devices"] = [
            tuple(one) if isinstance(one, list) else one for one in source["devices"]
        ]
    return given


def _span(given: Any) -> Any:
    return None if given is False else tuple(None if one is False else one for one in given)


def _column(given: Mapping[str, Any]) -> Column:
    known = {one.name for one in fields(Column)}
    return Column(**{name: value for name, value in given.items() if name in known})
