"""The keys of a job file, in one table: loader, JSON Schema and messages are made from it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .takes import (
    DEVICES,
    FLAG,
    NAME,
    NUMBER,
    PAIR,
    PATHS,
    PLAUSIBLE,
    REFERENCE,
    TEXT,
    TIME,
    TRUTHS,
    URI,
    WORDS,
    Takes,
    any_of,
    list_of,
    map_of,
    number,
    one_of,
    or_off,
    whole,
)

__all__ = ["JOB", "LIMITS", "Key", "Table", "tables_with"]


class Key(NamedTuple):
    """A key: its values, and its meaning."""

    takes: Takes
    told: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of keys.

    Parameters
    ----------
    told : str
        Its meaning.
    keys : mapping of str to Key or Table
        The keys in it.
    each : Key or Table, optional
        What each name of the user's own is, in a table of such names.
    names : Takes, optional
        The kind of these names.
    needed : tuple of str, optional
        Keys that must be there.
    one_of : tuple of str, optional
        Keys of which there must be exactly one.
    apart : tuple of (str, str), optional
        Keys that exclude each other.
    goes_with : mapping of str to tuple of str, optional
        Keys that need others.
    """

    told: str
    keys: Mapping[str, Key | Table] = field(default_factory=dict)
    each: Key | Table | None = None
    names: Takes | None = None
    needed: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    apart: tuple[tuple[str, str], ...] = ()
    goes_with: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_DECIMAL: Final = one_of(".", ",")
_RATE: Final = or_off(number("a number above 0", "5000", 1e-9))
_SECONDS: Final = number("a number of seconds above 0", "30", 1e-9)

_TEXT: Final = Table(
    "how texts are written: CSV files and columns of texts",
    {
        "delimiter": Key(NAME, "between the cells of a CSV file: one character"),
        "decimal": Key(_DECIMAL, "the decimal separator"),
        "encoding": Key(NAME, "the encoding of a CSV file"),
        "absent": Key(WORDS, "words that mean that there is no value"),
        "strip": Key(FLAG, "whether blanks around texts are removed"),
    },
)
_COLUMN: Final = Table(
    "a column whose cells are written in a way of their own",
    {
        "point": Key(NAME, "identifier of the measurement point"),
        "values": Key(
            map_of(TRUTHS, "a table of texts to values", "{ ON = 1, OFF = 0 }"),
            "text of a cell to its value",
        ),
        "labels": Key(FLAG, "whether cells hold the labels of an ENUM"),
        "scale": Key(NUMBER, "factor from the column's unit to the point's"),
        "suffix": Key(TEXT, "text that may stand after a number"),
        "absent": Key(WORDS, "words that mean that there is no value, in this column"),
        "decimal": Key(_DECIMAL, "decimal separator, in this column"),
    },
    needed=("point",),
)
_SOURCE: Final = Table(
    "the readings",
    {
        "path": Key(PATHS, "file, folder, pattern or list of these; Parquet, Arrow or CSV"),
        "time": Key(NAME, "column of times"),
        "tz": Key(NAME, "zone of naive times, such as Europe/Paris"),
        "time_unit": Key(one_of("s", "ms", "us", "ns"), "unit of numeric times"),
        "time_format": Key(NAME, "format of texts that are not ISO 8601, as strptime has it"),
        "ambiguous": Key(
            one_of("raise", "earliest", "latest", "infer"), "a naive time that occurs twice"
        ),
        "nonexistent": Key(
            one_of("raise", "shift_forward", "shift_backward"), "a naive time that does not exist"
        ),
        "plausible": Key(PLAUSIBLE, "times to believe"),
        "device": Key(NAME, "column of device keys"),
        "device_key": Key(NAME, "one device key for all rows"),
        "product": Key(NAME, "column of product keys"),
        "product_key": Key(NAME, "one product key for all rows"),
        "devices": Key(DEVICES, "read rows of these devices alone"),
        "points": Table("column to measurement point, where the two differ", each=Key(NAME, "")),
        "columns": Table("columns whose cells are written in their own way", each=_COLUMN),
        "quality": Table("column of readings to the column of their quality", each=Key(NAME, "")),
        "ignore": Key(WORDS, "columns without readings"),
        "only": Key(FLAG, "read the columns of points, columns and quality alone"),
        "point_column": Key(NAME, "column of points, in the long form: one row a value"),
        "value_column": Key(NAME, "column of values, in the long form"),
        "quality_column": Key(NAME, "column of qualities, in the long form"),
        "start": Key(TIME, "read times from here on; --start goes before it"),
        "end": Key(TIME, "read times before here; --end goes before it"),
        "text": _TEXT,
    },
    needed=("path",),
)
_CONNECTION_PARTS: Final = {
    "port": Key(whole(1, 18883), "default: 11883, with TLS 18883"),
    "product_key": Key(NAME, "product key of the gateway"),
    "device_key": Key(NAME, "device key of the gateway"),
    "device_secret": Key(REFERENCE, "env:NAME or file:PATH; a secret itself is refused"),
    "tls": Key(FLAG, "encrypt"),
    "ca_file": Key(NAME, "PEM file of trusted authorities"),
    "cert_file": Key(NAME, "PEM file of the client's certificate"),
    "key_file": Key(NAME, "PEM file of its key"),
    "client_id": Key(NAME, "default: the device key"),
}
_SECRETS: Final = Table(
    'secrets of sub-devices: "PRODUCT/DEVICE" to env:NAME or file:PATH',
    each=Key(REFERENCE, ""),
    names=PAIR,
)
_CONNECTION: Final = Table(
    "the platform and the gateway; without it, the variable MPREPLAY_CONNECTION",
    {
        "uri": Key(URI, "env:NAME or file:PATH of a URI, or a URI whose secret is one of these"),
        "host": Key(NAME, "the MQTT host, in place of a URI"),
        **_CONNECTION_PARTS,
        "sub_device_secrets": _SECRETS,
    },
    apart=(("uri", "host"),),
    goes_with={
        "host": ("product_key", "device_key", "device_secret"),
        **dict.fromkeys(_CONNECTION_PARTS, ("host",)),
    },
)
_REPLAY: Final = Table(
    "how readings are sent",
    {
        "allow_offline_sub_device": Key(FLAG, "let the platform take data of offline sub-devices"),
        "skip_invalid_measurepoints": Key(FLAG, "let the platform drop invalid values"),
        "on_invalid": Key(one_of("raise", "withhold", "send"), "values against the thing model"),
        "duplicates": Key(one_of("raise", "first", "last"), "different values of one time"),
        "isolate": Key(
            or_off(one_of("point", "entry", "device")), "how far a declined request is taken apart"
        ),
        "progress": Key(
            any_of('true, false or "auto"', FLAG, one_of("auto")), "show how far the replay is"
        ),
        "wait": Key(
            number("a number of seconds", "600", 0), "for another replay of the gateway to end [s]"
        ),
    },
)
LIMITS: Final = Table(
    "limits of requests and rates; false switches one off",
    {
        "max_bytes": Key(whole(256, 480_000), "size that a request stays below [bytes]"),
        "max_entries": Key(or_off(whole(1, 200)), "most entries of a request"),
        "max_values": Key(or_off(whole(1, 10_000)), "most values of a request"),
        "window": Key(whole(1, 16), "requests in flight"),
        "bytes_per_second": Key(_RATE, "default: 1000000"),
        "values_per_second": Key(_RATE, "default: no limit"),
        "reply_timeout": Key(_SECONDS, "before a request is tried again [s]"),
        "attempts": Key(whole(1, 5), "publishes of a request"),
        "connects": Key(or_off(whole(1, 4)), "connects in a period"),
        "connect_period": Key(_SECONDS, "the period [s]"),
        "keepalive": Key(whole(1, 60), "of MQTT [s]"),
        "give_up_after": Key(or_off(whole(1, 20)), "requests declined alike from the start"),
        "extra_requests": Key(or_off(whole(1, 1_000)), "most extra requests to take one apart"),
    },
)
_OUTPUT: Final = Table(
    "files written after the run; folders are made, {start:%Y-%m-%d} and {key} are filled in",
    {
        "results": Key(NAME, "one row a request: .csv or .parquet"),
        "rejects": Key(NAME, "one row a value that did not arrive: .csv or .parquet"),
        "books": Key(NAME, "one row a device and day: .csv or .parquet"),
        "touched": Key(NAME, "one row a device and point: .csv or .parquet"),
        "report": Key(NAME, "one page for people to read: .html"),
    },
)
_AT_MOST: Final = number("a number of values, or a share below 1", "0.001", 0)

JOB: Final = Table(
    "a backfill",
    {
        "source": _SOURCE,
        "model": Table(
            "the thing models",
            {
                "path": Key(NAME, "the thing model, as JSON"),
                "products": Table("product key to thing model", each=Key(NAME, "")),
            },
            one_of=("path", "products"),
        ),
        "connection": _CONNECTION,
        "replay": _REPLAY,
        "limits": LIMITS,
        "journal": Table(
            "the record of the run, from which it is continued",
            {
                "folder": Key(NAME, "a folder, with a file a run; made where it is missing"),
                "file": Key(NAME, "one file"),
                "key": Key(NAME, "names the file in the folder, such as {start:%Y-%m-%d}"),
            },
            one_of=("folder", "file"),
            goes_with={"key": ("folder",)},
        ),
        "output": _OUTPUT,
        "accept": Table(
            "rejects with which the job is done all the same",
            {
                "allow": Key(
                    list_of(NAME, "a list of checks", '["superseded"]'),
                    "checks whose rejects are as they should be",
                ),
                "at_most": Key(_AT_MOST, "most other rejects; below 1: their share"),
            },
        ),
        "fleet": Table(
            "many gateways, for mpreplay fleet",
            {
                "topology": Key(NAME, "CSV: gateway, connection, product_key, device_key"),
                "folder": Key(NAME, "of the journals; made where it is missing"),
                "values_per_second": Key(_RATE, "of the organisation, shared by the gateways"),
            },
            needed=("topology", "folder"),
        ),
    },
    needed=("source", "model"),
    apart=(("fleet", "connection"), ("fleet", "journal")),
)


def tables_with(name: str, table: Table = JOB, path: str = "") -> Iterator[str]:
    """Yield the tables in which a key or a table of this name stands, dotted.

    Examples
    --------
    >>> list(tables_with("suffix")), list(tables_with("window"))
    (['source.columns.NAME'], ['limits'])
    """
    for key, what in table.keys.items():
        if key == name:
            yield path
        if isinstance(what, Table):
            yield from tables_with(name, what, f"{path}.{key}".lstrip("."))
    if isinstance(table.each, Table):
        yield from tables_with(name, table.each, f"{path}.NAME")
