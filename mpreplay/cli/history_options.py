"""The options of a history: which rows are read, what their columns are, how cells are written."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from .help_lines import add_line

if TYPE_CHECKING:
    from .parsing import Parser

__all__ = ["add_columns", "add_history", "history_arguments", "history_of", "values_of"]

# Options of one meaning share a line of the help: it has to fit a screen.
_COLUMNS: Final = (
    ("when; the zone of naive times", {"time": "COLUMN", "tz": "ZONE"}),
    (
        "of numbers: s, ms, us, ns; of texts: %%d.%%m.%%Y …",
        {"time-unit": "UNIT", "time-format": "FORMAT"},
    ),
    (
        "clock changes: raise, earliest, shift_forward, …",
        {"ambiguous": "WHAT", "nonexistent": "WHAT"},
    ),
    ("times to believe; no: all of them", {"plausible": "FROM,TO"}),
    ("device keys: a column, or one for all rows", {"device": "COLUMN", "device-key": "KEY"}),
    ("product keys: likewise", {"product": "COLUMN", "product-key": "KEY"}),
    ("this device, and no others but those named so", {"devices*": "KEY"}),
    ("MORE: suffix=m/s,scale=10,labels,values=ON:1/OFF:0", {"column*": "NAME=POINT[,MORE]"}),
    ("a column and that of its quality", {"quality*": "COLUMN=COLUMN"}),
    ("no reading; --only: nor is any column not named", {"ignore*": "COLUMN", "only": ""}),
    ("columns of the long form", {"long": "POINT,VALUE[,QUALITY]"}),
    ("from here on, and before here, UTC", {"start": "TIME", "end": "TIME"}),
)
_TEXTS: Final = (
    ("of a CSV file; default: a comma, utf-8", {"delimiter": "C", "encoding": "NAME"}),
    ("of numbers, default a point; blanks around texts", {"decimal": "C", "strip": ""}),
    ("a word that means no value", {"absent*": "WORD"}),
)
# Options of ``read_history``, passed on as typed, if given.
_PASSED: Final = (
    "tz",
    "time_unit",
    "time_format",
    "ambiguous",
    "nonexistent",
    "device_key",
    "product_key",
    "start",
    "end",
    "only",
)
_COLUMNS_OF: Final = {
    "time_column": "time",
    "device_column": "device",
    "product_column": "product",
}
_LONG: Final = ("point_column", "value_column", "quality_column")
_TEXT_FIELDS: Final = ("delimiter", "decimal", "encoding", "strip")
_MORE: Final = "suffix=, scale=, values=TEXT:VALUE/TEXT:VALUE, absent=WORD/WORD, decimal=, labels"
_DECIMAL: Final = ("decimal=,", "decimal=\0")  # its comma is no comma between parts
_TABS: Final = ("\\t", "tab")


def add_history(parser: Parser) -> None:
    """Add a history, its thing model, its columns and its texts."""
    parser.general.add_argument(
        "history",
        metavar="HISTORY",
        help="file, folder or pattern of readings; rejects; job.toml",
    )
    parser.general.add_argument(
        "--model",
        metavar="[PRODUCT=]FILE",
        action="append",
        default=[],
        help="thing model as JSON; once a product, if several",
    )
    add_columns(parser)


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the columns and the texts of a history."""
    for title, lines in (("its columns", _COLUMNS), ("its texts", _TEXTS)):
        group = parser.add_argument_group(title)
        for told, options in lines:
            add_line(group, told, options)
    # The short form of --column, as messages spell it where nothing more is said of a column.
    group.add_argument(
        "--point", action="append", default=[], dest="column", help=argparse.SUPPRESS
    )


def history_of(options: argparse.Namespace) -> Any:
    """Return the history that the options of a command describe."""
    from ..doors.opening import read_history

    given = history_arguments(options)
    return read_history(options.history, **given | {"text": _text_format(options)})


def history_arguments(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of ``read_history`` that are given; ``text`` as a dict of fields."""
    from ..errors import ConfigError

    parts = (options.long or "").split(",")
    if options.long and not (2 <= len(parts) <= 3 and all(parts)):
        raise ConfigError(f"--long {options.long}: expected POINT,VALUE or POINT,VALUE,QUALITY")
    given = {name: getattr(options, name) for name in _PASSED}
    given |= {name: getattr(options, option) for name, option in _COLUMNS_OF.items()}
    given |= dict(zip(_LONG, [*(part or None for part in parts), None, None], strict=False))
    given |= {
        "points": _columns(options.column),
        "quality": _pairs(options.quality, "--quality"),
        "devices": options.devices,
        "ignore": options.ignore,
        "text": _text_fields(options),
    }
    found = {name: value for name, value in given.items() if value not in (None, [], {})}
    return found | ({"plausible": _plausible(options.plausible)} if options.plausible else {})


def values_of(options: argparse.Namespace) -> Any:
    """Return the history of which a model is drafted; its time need not be known."""
    from ..doors.opening import read_untimed
    from ..history.roles import Columns

    asked = (options.time, options.long, options.start, options.end, options.devices, options.only)
    if any(asked) or options.column or options.quality:
        return history_of(options)
    keys = [name for name in (options.device, options.product) if name is not None]
    columns = Columns(ignore=(*options.ignore, *keys), text=_text_format(options))
    return read_untimed(options.history, columns)


def _text_format(options: argparse.Namespace) -> Any:
    """Return the format of texts, None where no option says anything of it."""
    from ..cells.text_format import TextFormat

    given = _text_fields(options)
    return TextFormat(**given) if given else None


def _text_fields(options: argparse.Namespace) -> dict[str, Any]:
    found = {name: getattr(options, name) for name in _TEXT_FIELDS}
    given = {name: value for name, value in found.items() if value is not None}
    if given.get("delimiter") in _TABS:
        given["delimiter"] = "\t"
    if options.absent:
        given["absent"] = tuple(options.absent)
    return given


def _plausible(given: str) -> tuple[str, str] | None:
    from ..errors import ConfigError

    if given == "no":
        return None
    first, comma, last = given.partition(",")
    if not (first and comma and last):
        raise ConfigError(f"--plausible {given}: expected FROM,TO as 1980-01-01,+1d, or no")
    return first, last


def _pairs(given: list[str], option: str) -> dict[str, Any]:
    from ..errors import ConfigError

    pairs = {}
    for text in given:
        left, equals, right = text.partition("=")
        if not (left and equals and right):
            raise ConfigError(f"{option} {text}: expected two names with = between them")
        pairs[left] = right
    return pairs


def _columns(given: list[str]) -> dict[str, Any]:
    """Return the point of each column, with how its cells are written where that is said."""
    from ..cells.column import Column

    columns: dict[str, Any] = {}
    for name, told in _pairs(given, "--column").items():
        point, *parts = told.replace(*_DECIMAL).split(",")
        _check_commas(point, f"{name}={told}")
        more = dict(_more(part, f"{name}={told}") for part in parts)
        columns[name] = Column(point, **more) if more else point
    return columns


def _check_commas(point: str, given: str) -> None:
    """Raise ConfigError if what is said of a column stands behind a blank, not a comma."""
    from ..errors import ConfigError

    for word in point.split()[1:]:
        name, equals, _ = word.partition("=")
        if equals and name in _READ:
            raise ConfigError(f"--column {given}: write a comma, without blanks, before {word!r}")


def _more(part: str, given: str) -> tuple[str, Any]:
    """Return the name and the value of an argument of a column."""
    from ..errors import ConfigError

    name, equals, told = part.replace("\0", ",").partition("=")
    if part == "labels":
        return "labels", True
    with suppress(ValueError):
        if equals and told and (read := _READ.get(name)):
            return name, read(told)
    raise ConfigError(f"--column {given}: {part!r} is none of {_MORE}")


def _number(told: str) -> float:
    with suppress(ValueError):
        return int(told)
    return float(told)


def _words(told: str) -> tuple[str, ...]:
    return tuple(told.split("/"))


def _values(told: str) -> dict[str, Any]:
    pairs = [part.rpartition(":") for part in told.split("/")]
    if not all(colon for _, colon, _ in pairs):
        raise ValueError
    return {text: _value(value) for text, _, value in pairs}


def _value(told: str) -> Any:
    """Return a number or a truth value, or else the text."""
    try:
        return json.loads(told)
    except ValueError:
        return told


# How the arguments of a column are read, as they are typed.
_READ: Final[dict[str, Callable[[str], Any]]] = {
    "suffix": str,
    "decimal": str,
    "scale": _number,
    "absent": _words,
    "values": _values,
}
