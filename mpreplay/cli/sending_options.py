"""The options of a replay and its plan: the recipient, the policy, the limits, what is kept."""

from __future__ import annotations

import argparse
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from ..secret import sealed
from .help_lines import add_line

if TYPE_CHECKING:
    from .parsing import Parser

__all__ = [
    "DUPLICATES",
    "HISTORY_USAGE",
    "TABLES",
    "add_accepting",
    "add_connection",
    "add_duplicates",
    "add_keeping",
    "add_sending",
    "add_tables",
]

HISTORY_USAGE: Final = "HISTORY --model [PRODUCT=]FILE [--time COLUMN] [options]"
# Tables of a run, by option.
TABLES: Final = {
    "results": "one row a request",
    "rejects": "one row a value that did not arrive",
    "books": "one row a device and day",
}
DUPLICATES: Final = {"choices": ("raise", "first", "last"), "default": "raise", "metavar": "WHAT"}
_CONNECTION: Final = "mqtt://DEVICE:SECRET@HOST/PRODUCT; MPREPLAY_CONNECTION"
_INVALID: Final = {
    "choices": ("raise", "withhold", "send"),
    "default": "raise",
    "metavar": "WHAT",
}
_LEVEL: Final = {
    "choices": ("point", "entry", "device", "no"),
    "default": "point",
    "metavar": "LEVEL",
}


def add_connection(to: Any) -> None:
    """Add the connection, and the secrets of sub-devices."""
    to.add_argument("--connection", metavar="URI", type=sealed, help=_CONNECTION)
    to.add_argument(
        "--sub-device-secrets",
        metavar="FILE",
        help='JSON: {"PRODUCT/DEVICE": "secret or env:NAME"}',
    )


def add_sending(parser: Parser) -> Any:
    """Add how a history is sent, and return the group."""
    to = parser.add_argument_group("how to send it")
    add_connection(to)
    to.add_argument(
        "--allow-offline-sub-device", action="store_true", help="let the platform take their data"
    )
    to.add_argument(
        "--skip-invalid-measurepoints", action="store_true", help="let the platform drop values"
    )
    add_line(
        to,
        "raise (default), withhold, send; raise, first, last",
        {"on-invalid": _INVALID, "duplicates": DUPLICATES},
    )
    add_line(
        to,
        "to the point (default), entry, device, no; cost, 1000",
        {"isolate": _LEVEL, "extra-requests": {"type": int, "metavar": "N"}},
    )
    add_line(to, "of a request; default 480000", {"max-bytes": "N", "max-entries": "N"}, type=int)
    for name, told in (("bytes", "default 1000000; 0: no limit"), ("values", "default: no limit")):
        to.add_argument(f"--{name}-per-second", type=float, metavar="N", help=told)
    add_line(
        to,
        "before trying again, 30; publishes of a request, 5",
        {
            "reply-timeout": {"type": float, "metavar": "S"},
            "attempts": {"type": int, "metavar": "N"},
        },
    )
    add_line(
        to,
        "in flight, 16; for a platform that allows any connects",
        {
            "window": {"type": int, "metavar": "N"},
            "no-connect-limit": {"action": "store_true"},
        },
    )
    return to


def add_duplicates(parser: Parser) -> None:
    """Add which of two readings counts."""
    add_line(parser.general, "raise (default), or of two: first, last", {"duplicates": DUPLICATES})


def add_keeping(parser: Parser) -> None:
    """Add what is kept of a run, and which rejects are as they should be."""
    out = parser.add_argument_group("what to keep (.parquet or .csv; - is stdout)")
    out.add_argument(
        "--journal", metavar="PATH", help="a file; with / at its end, a folder for a file a run"
    )
    add_line(
        out,
        "its file in the folder; send it again; for a lease",
        {
            "run-key": "KEY",
            "again": "",
            "wait": {"type": float, "metavar": "S"},
        },
    )
    add_tables(out)
    add_accepting(out)


def add_accepting(to: Any) -> None:
    """Add which rejects are as they should be."""
    add_line(
        to,
        "of rejects: checks not counted; most others, as 5, 0.01",
        {
            "allow*": "CHECK",
            "max-rejects": {"metavar": "N", "type": _amount, "default": 0},
        },
    )


def add_tables(to: Any, more: dict[str, str] | None = None) -> None:
    """Add the tables of a run."""
    add_line(
        to, "one row a request; one a device and day", dict.fromkeys(("results", "books"), "FILE")
    )
    for name, told in ({"rejects": TABLES["rejects"]} | (more or {})).items():
        to.add_argument(f"--{name}", metavar="FILE", help=told)


def _amount(text: str) -> int | float:
    """Return a number of values, or a share below 1."""
    with suppress(ValueError):
        if (number := int(text)) >= 0:
            return number
    with suppress(ValueError):
        if 0 <= (share := float(text)) < 1:
            return share
    raise argparse.ArgumentTypeError(
        f"{text!r} is neither a number of values nor a share below 1, as 0.01"
    )
