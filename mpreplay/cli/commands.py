"""The command line: arguments in, exit status out. Each command is one call of the library."""

from __future__ import annotations

import importlib
import io
import sys
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from ..runner.interrupts import Interrupts
from .command import HEAVY, INTERRUPTED, NO_CONNECTION, WRONG_INPUT, Answer
from .documents import document, json_line
from .logs import Stderr, telling
from .options import COMMANDS, parser_of_commands
from .parsing import Usage
from .speech import Speaker, need_stdout, nothing, on_stdout, with_options

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

__all__ = ["main"]

# Options that write a table; where it goes to stdout, the words for people go beside it.
_TABLES: Final = ("results", "rejects", "books", "touched", "lineage", "violations", "out")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments; by default the arguments of the process.

    Returns
    -------
    int
        The exit status.
    """
    with Interrupts() as interrupts:  # before anything that takes time
        is_process = arguments is None
        given = list(sys.argv[1:] if arguments is None else arguments)
        arguments = None  # a URI stands there, and an error tracker would print it
        status = _run(given, interrupts)
        interrupts.end(of_process=is_process)
    return status


def _run(given: list[str], interrupts: Interrupts) -> int:
    """Run a command, and return its status; its words are forgotten once they are understood."""
    _take_any_text()
    tells_more = "--version" in given and not {"--verbose", "-v"}.isdisjoint(given)
    parser = parser_of_commands(tells_more=tells_more)
    try:
        options = parser.parse_args(given)
    except Usage as error:
        raise SystemExit(_told_usage(error, given)) from None
    given.clear()
    options.program = parser
    lines = Stderr(is_json=options.log == "json", shows_time=options.verbose)
    options.on_event = lines.on_event if lines.is_json else None
    with telling(lines, verbose=options.verbose):
        answer = _answer(options, lines, interrupts)
        return _told(answer, options, lines)


def _answer(options: argparse.Namespace, lines: Stderr, interrupts: Interrupts) -> Answer:
    """Return the answer of a command, whatever its end."""
    command = COMMANDS[options.command]
    try:
        if options.json:
            need_stdout()
        for name in (*HEAVY, *command.modules) if command.modules else ():
            # An import that is interrupted in its midst may swallow it, or leave a broken module.
            importlib.import_module(name, __package__)
            interrupts.heed()
        interrupts.at_once = True
        interrupts.heed()
        answer = command.run(options, _speaker(options, lines))
        interrupts.at_once = False
        return answer
    except KeyboardInterrupt as error:
        interrupts.end()
        return Answer(INTERRUPTED, error=error)
    except Exception as error:
        from ..errors import MpReplayError

        interrupts.at_once = False

        if not isinstance(error, MpReplayError):
            raise
        return Answer(_status_of(error), error=error)


def _status_of(error: Exception) -> int:
    from ..errors import TransportError

    if _is_interrupt(error):
        return INTERRUPTED
    return NO_CONNECTION if isinstance(error, TransportError) else WRONG_INPUT


def _told(answer: Answer, options: argparse.Namespace, lines: Stderr) -> int:
    """Tell the error of an answer, print the document that is asked for, return the status."""
    if answer.error is not None:
        _tell_error(answer.error, lines)
    if options.json:
        facts = {**answer.facts, **({} if answer.error is None else _error(answer.error))}
        is_whole = answer.is_whole and answer.error is None
        whole = json_line if is_whole else partial(document, options.command, answer.status)
        try:
            on_stdout(whole(facts))
        except Exception as error:
            from ..errors import ConfigError

            if not isinstance(error, ConfigError):
                raise
            _tell_error(error, lines)
            return answer.status or WRONG_INPUT
    return answer.status


def _is_interrupt(error: BaseException) -> bool:
    from ..errors import Interrupted

    return isinstance(error, KeyboardInterrupt | Interrupted)


def _tell_error(error: BaseException, lines: Stderr) -> None:
    if _is_interrupt(error):
        lines.tell("interrupted", "")
    else:
        lines.tell("error", _message(error))


def _error(error: BaseException) -> dict[str, Any]:
    """Return an error as a field of a document."""
    argument = getattr(error, "argument", None)
    told = {"kind": type(error).__name__, "message": _message(error), "argument": argument}
    return {"error": told}


def _message(error: BaseException) -> str:
    if _is_interrupt(error):
        return "interrupted"
    return with_options(getattr(error, "message", str(error)))


def _speaker(options: argparse.Namespace, lines: Stderr) -> Speaker:
    """Return who speaks to people: on stdout, or beside it where a table or a document is there."""
    if any(getattr(options, name, None) == "-" for name in _TABLES):
        say = nothing if options.json else lines.say
    else:
        say = nothing if options.json else on_stdout
    return Speaker(say, lambda told: lines.tell("warning", with_options(told)))


def _told_usage(error: Usage, given: Sequence[str]) -> int:
    """Tell that a line cannot be parsed, and return the status."""
    told = str(error) or "no arguments are given"
    is_json_log = "--log=json" in given or ("--log", "json") in pairwise(given)
    if is_json_log:
        Stderr(is_json=True).tell("error", told)
    elif sys.stderr is not None:
        parser = error.parser
        text = f"{parser.format_usage()}{parser.prog}: error: {told}\n"
        sys.stderr.write(text if str(error) else parser.format_help())
    if "--json" in given:
        command = error.parser.prog.partition(" ")[2] or None
        facts = {"error": {"kind": "Usage", "message": told, "argument": None}}
        on_stdout(document(command, WRONG_INPUT, facts))
    return WRONG_INPUT


def _take_any_text() -> None:
    """Let stdout take every text, whatever its encoding: a failed print would hide a run."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
