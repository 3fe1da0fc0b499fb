"""The words of the command line: commands, options, help; ``commands.py`` carries them out."""

from __future__ import annotations

import argparse
from typing import Any, Final

from ..secret import sealed
from .help_lines import Help, add_line
from .history_options import add_history

__all__ = ["STATUS", "parser_of_commands"]

STATUS: Final = """\
exit status:
  0  every value is accounted for and accepted (validate: all are valid; verify: unaltered)
  1  some values were not accepted (validate: not valid); the rejects say which and why
     (verify: something was altered; the findings say what; report: the books do not add up)
  2  something given cannot work: an argument, the thing model, the history, the journal, the audit
  3  no connection to the platform
  4  the run ended before everything was settled
  5  interrupted
"""
# Tables of a run, by option.
TABLES: Final = {
    "results": "one row a request",
    "rejects": "one row a value that did not arrive",
    "books": "one row a device and day",
}
LATER: Final = {
    "touched": "one row a device and point: what was written",
    "lineage": "one row a run: this one, and those whose rejects it sends",
}
CONNECTION: Final = "mqtt://DEVICE:SECRET@HOST:PORT/PRODUCT"


def parser_of_commands() -> argparse.ArgumentParser:
    """Return the parser of the command line; ``command`` is the name of the given command."""
    from ..version import __version__

    parser = argparse.ArgumentParser(
        prog="mpreplay",
        description="Backfill history into an EnOS IoT platform; every value's fate is on record.",
        epilog=STATUS,
        formatter_class=Help,
    )
    parser.add_argument("--version", action="version", version=f"mpreplay {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell what is being done")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_validate(commands)
    _add_replay(commands)
    _add_report(commands)
    _add_verify(commands)
    _add_simulate(commands)
    _add_model(commands)
    return parser


def _add(commands: Any, name: str, text: str, usage: str = "") -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        usage=f"mpreplay {name} {usage}".rstrip(),
        formatter_class=Help,
    )
    parser.set_defaults(command=name)
    return parser


HISTORY_USAGE: Final = "HISTORY --model [PRODUCT=]FILE [--time COLUMN] [options]"


def _add_demo(commands: Any) -> None:
    _add(commands, "demo", "replay a small wind farm against the rehearsal platform")


def _add_validate(commands: Any) -> None:
    parser = _add(commands, "validate", "check a history against a thing model", HISTORY_USAGE)
    add_history(parser)
    add_line(parser, "raise (default), or which of two: first, last", {"duplicates": _DUPLICATES})
    parser.add_argument(
        "--violations", metavar="FILE", help="write them to a .parquet or .csv file"
    )


_DUPLICATES: Final = {
    "choices": ("raise", "first", "last"),
    "default": "raise",
    "metavar": "WHAT",
}


def _add_replay(commands: Any) -> None:
    parser = _add(commands, "replay", "send a history to the platform", HISTORY_USAGE)
    add_history(parser)
    to = parser.add_argument_group("how to send it")
    to.add_argument(
        "--connection",
        metavar="URI",
        type=sealed,
        help=f"{CONNECTION}, or MPREPLAY_CONNECTION",
    )
    to.add_argument(
        "--allow-offline-sub-device", action="store_true", help="let the platform take their data"
    )
    to.add_argument(
        "--skip-invalid-measurepoints", action="store_true", help="let the platform drop values"
    )
    to.add_argument(
        "--sub-device-secrets",
        metavar="FILE",
        help='JSON: {"PRODUCT/DEVICE": "secret or env:NAME"}',
    )
    invalid = {"choices": ("raise", "withhold", "send"), "default": "raise", "metavar": "WHAT"}
    add_line(
        to,
        "raise (default), withhold, send; raise, first, last",
        {"on-invalid": invalid, "duplicates": _DUPLICATES},
    )
    levels = ("point", "entry", "device", "no")
    add_line(
        to,
        "to the point (default), entry, device, no; cost, 1000",
        {
            "isolate": {"choices": levels, "default": "point", "metavar": "LEVEL"},
            "extra-requests": {"type": int, "metavar": "N"},
        },
    )
    add_line(to, "of a request; default 480000", {"max-bytes": "N", "max-entries": "N"}, type=int)
    to.add_argument(
        "--bytes-per-second", type=float, metavar="N", help="default 1000000; 0: no limit"
    )
    to.add_argument(
        "--no-connect-limit", action="store_true", help="for a platform without one: a rehearsal"
    )
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
        "default: no limit; requests in flight, 16",
        {
            "values-per-second": {"type": float, "metavar": "N"},
            "window": {"type": int, "metavar": "N"},
        },
    )
    out = parser.add_argument_group("what to keep (.parquet or .csv)")
    out.add_argument("--journal", metavar="PATH", help="a file, or a folder for a file a run")
    for name, text in TABLES.items():
        out.add_argument(f"--{name}", metavar="FILE", help=text)


def _add_report(commands: Any) -> None:
    parser = _add(commands, "report", "tell a run; write its report or audit", "JOURNAL [options]")
    parser.add_argument("journal", metavar="JOURNAL", help="what replay --journal wrote")
    parser.add_argument("--html", metavar="FILE", help="one page for people to read")
    parser.add_argument(
        "--audit", metavar="FOLDER", help="new or empty: all that mpreplay verify can check"
    )
    tables = parser.add_argument_group("tables (.parquet or .csv)")
    for name, text in {**TABLES, **LATER}.items():
        tables.add_argument(f"--{name}", metavar="FILE", help=text)


def _add_verify(commands: Any) -> None:
    parser = _add(commands, "verify", "check that an audit is unaltered", "FOLDER [options]")
    parser.add_argument("folder", metavar="FOLDER", help="what report --audit wrote")
    parser.add_argument("--head", metavar="HEX", help="the head that was printed then")
    parser.add_argument(
        "--source",
        metavar="FILE",
        nargs="+",
        action="extend",
        default=[],
        help="what the run read: is it unchanged?",
    )


def _add_simulate(commands: Any) -> None:
    parser = _add(
        commands,
        "simulate",
        "run the rehearsal platform until interrupted",
        "--model FILE [options]",
    )
    parser.add_argument("--model", metavar="FILE", required=True, help="thing model, as JSON")
    parser.add_argument(
        "--gateway", metavar="PRODUCT/DEVICE", default="gateway/gw-1", help="default: gateway/gw-1"
    )
    for name, text in (
        ("sub-device", "in the gateway's topology"),
        ("online", "likewise, and signed in already"),
        ("device", "one that exists and is not in the topology"),
    ):
        parser.add_argument(
            f"--{name}", metavar="PRODUCT/DEVICE", action="append", default=[], help=text
        )
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument(
        "--no-connect-limit", action="store_true", help="allow any number of connects"
    )
    parser.add_argument("--behind", metavar="mqtt://HOST:PORT", help="serve behind this broker")
    parser.add_argument(
        "--faults",
        metavar="TEXT",
        help='what goes wrong: a seed like 7, "lose_reply=0.1 delay=0.2:1.5", or "script: ok kick '
        'delay:0.5"; python -m pydoc mpreplay.simulator.faults lists the words',
    )


def _add_model(commands: Any) -> None:
    parser = _add(
        commands, "model", "show a thing model, convert it, or draft one", "FILE [options]"
    )
    parser.add_argument(
        "file", metavar="FILE", help="thing model as JSON; with --draft: a Parquet file"
    )
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    parser.add_argument("--draft", action="store_true", help="guess a model from readings")
    parser.add_argument(
        "--ignore", metavar="COLUMN", action="append", default=[], help="with --draft: no reading"
    )
