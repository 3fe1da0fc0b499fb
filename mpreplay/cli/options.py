"""The words of the command line: its commands and their help; other modules carry them out."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from . import job_commands, other_commands, record_commands, send_commands
from .help_lines import add_line
from .logs import FORMS
from .parsing import Parser

if TYPE_CHECKING:
    from .command import Command

__all__ = ["COMMANDS", "STATUS", "parser_of_commands"]

STATUS: Final = """\
exit status:
  0  every value is accounted for and accepted (validate: all are valid; verify: unaltered)
  1  some values were not accepted (validate: not valid); the rejects say which and why
     (verify: something was altered; the findings say what; report: the books do not add up;
     plan: replay would raise; reconcile: some values are missing or different)
  2  something given cannot work: an argument, the thing model, the history, the journal, the audit
  3  no connection to the platform (check: or a sub-device is refused)
  4  the run ended before everything was settled
  5  interrupted
"""
COMMANDS: Final = {
    command.name: command
    for command in (
        *job_commands.taking_jobs(send_commands.COMMANDS),
        *job_commands.COMMANDS,
        *record_commands.COMMANDS,
        *other_commands.COMMANDS,
    )
}


def parser_of_commands(*, tells_more: bool = False) -> Parser:
    """Return the parser of the command line; ``command`` is the name of the given command.

    With ``tells_more`` the version comes with whether the fast lane is used, and why.
    """
    from ..version import __version__

    version = f"mpreplay {__version__}"
    if tells_more:
        from ..fast.library import state

        version += f"\n{state()}"

    parser = Parser(
        prog="mpreplay",
        usage="mpreplay COMMAND [options]",
        description="Backfill history into an EnOS IoT platform; every value's fate is on record.",
        epilog=f"example: mpreplay demo\n\n{STATUS}",
    )
    parser.general.add_argument("--version", action="version", version=version)
    _add_general(parser.general, verbose=False, json=False, log="plain")
    commands = parser.add_subparsers(
        title="commands",
        prog="mpreplay",
        required=True,
        metavar="COMMAND",
        dest="command",
        parser_class=Parser,
    )
    for command in COMMANDS.values():
        _add(commands, command)
    return parser


def _add(commands: Any, command: Command) -> None:
    example = f" {command.example}" if command.example else ""
    parser: Parser = commands.add_parser(
        command.name,
        help=command.told,
        description=f"{command.told[0].upper()}{command.told[1:]}.",
        usage=f"mpreplay {command.name} {command.usage}".rstrip(),
        epilog=f"example: mpreplay {command.name}{example}",
    )
    command.add(parser)
    none = argparse.SUPPRESS  # what stands before the command holds, unless it is said again
    _add_general(parser.general, verbose=none, json=none, log=none)


def _add_general(group: Any, *, verbose: Any, json: Any, log: Any) -> None:
    """Add what every command has, in a line."""
    group.add_argument("-h", "--help", action="help", help="show this help")
    add_line(
        group,
        "tell more; the result as JSON; logs: plain, json",
        {
            "verbose": {"action": "store_true", "default": verbose},
            "json": {"action": "store_true", "default": json},
            "log": {"choices": FORMS, "default": log, "metavar": "FORM"},
        },
    )
