"""Commands that check, plan and replay a history."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from .command import (
    INTERRUPTED,
    NO_CONNECTION,
    NOT_COMPLETE,
    OK,
    REJECTS,
    WRONG_INPUT,
    Answer,
    Command,
)
from .documents import records
from .history_options import add_history, history_of
from .inputs import connection_of, device_of, limits_of, models_of, policy_of, secrets_of
from .outputs import Tables
from .run_words import run_told
from .sending_options import (
    HISTORY_USAGE,
    TABLES,
    add_connection,
    add_duplicates,
    add_keeping,
    add_sending,
)
from .speech import option, with_options

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from .parsing import Parser
    from .speech import Speaker

__all__ = [
    "COMMANDS",
    "answer_of_check",
    "answer_of_plan",
    "answer_of_validation",
    "how_to_replay",
    "report_of",
    "status_of",
]

EXAMPLE: Final = "day.parquet --model model.json --time ts --device-key T01"
_PLANNED: Final = (
    "n_rows",
    "n_values",
    "n_sent",
    "n_requests",
    "n_bytes",
    "n_withheld",
    "n_superseded",
    "n_copies",
    "n_declined",
    "n_devices",
    "n_offline",
    "largest",
    "seconds",
    "seconds_at_5000",
    "limited_by",
    "would_raise",
)


def _add_validate(parser: Parser) -> None:
    add_history(parser)
    add_duplicates(parser)
    parser.general.add_argument(
        "--violations",
        metavar="FILE",
        help="write them: .parquet, .csv, or - for stdout",
    )


def _validate(options: argparse.Namespace, say: Speaker) -> Answer:
    from ..checks.validation import validate

    history = history_of(options)
    tables = Tables.of({"violations": options.violations})
    tables.check(options, history)
    found = validate(history, models_of(options.model), duplicates=options.duplicates)
    return answer_of_validation(found, tables, say)


def answer_of_validation(found: Any, tables: Tables, say: Speaker) -> Answer:
    """Tell a validation, and write its table."""
    say(found.spelled(option))
    if tables:
        tables.write("violations", found.violations)
    elif found.n_violations:
        say.show(found.violations, found.n_violations, "; --violations FILE keeps them")
    if found.n_conflicts:
        say("\nin conflict with the other reading (replay --duplicates first or last decides):")
        say.show(found.conflicts, found.n_conflicts)
    facts = {
        "ok": found.ok,
        "n_values": found.n_values,
        "n_violations": found.n_violations,
        "n_conflicts": found.n_conflicts,
        "checks": [
            {"measurepoint": point, "check": check, "n": n}
            for (point, check), n in found.counts.items()
        ],
        "written": tables.places,
    }
    return Answer(OK if found.ok else REJECTS, facts)


def _add_plan(parser: Parser) -> None:
    add_history(parser)
    to = add_sending(parser)
    to.add_argument(
        "--gateway", metavar="PRODUCT/DEVICE", help="in place of a connection: only its keys count"
    )
    parser.general.add_argument("--report", metavar="FILE", help="write the plan as one HTML page")


def _plan(options: argparse.Namespace, say: Speaker) -> Answer:
    from ..runner.planning import plan
    from ..settings import ENVIRONMENT

    history = history_of(options)
    gateway = None if options.gateway is None else device_of(options.gateway, "--gateway")
    report = report_of(options)
    if report is not None:
        Tables({}).check(options, history, more={"report": report})
    is_known = options.connection is not None or (gateway is None and ENVIRONMENT in os.environ)
    connection = connection_of(options, say) if is_known else None
    made = plan(
        history, models_of(options.model), connection, gateway=gateway, **policy_of(options)
    )
    return answer_of_plan(made, report, say)


def report_of(options: argparse.Namespace) -> Path | None:
    """Return the file of a plan's page, checked; None if none is asked for."""
    from ..display.page import need_jinja2
    from ..outputs import check_file, path_of

    if options.report is None:
        return None
    report = path_of(options.report, "report")
    check_file(report, "report")
    need_jinja2()
    return report


def answer_of_plan(made: Any, report: Path | None, say: Speaker) -> Answer:
    """Tell a plan, and write its page."""
    say(made)
    if made.would_raise:
        say(f"\nreplay would raise: {with_options(made.made.raised)}")
    if len(made.causes):
        say("\nwhy values would not arrive:")
        say.show(made.causes[["values", "outcome", "check", "reason", "mend"]])
    if report is not None:
        made.report(report)
        say(f"report: {report}")
    facts = {name: getattr(made, name) for name in _PLANNED}
    facts["causes"] = records(made.causes)
    facts["written"] = {} if report is None else {"report": str(report)}
    return Answer(REJECTS if made.would_raise else OK, facts)


def _add_replay(parser: Parser) -> None:
    add_history(parser)
    add_sending(parser)
    add_keeping(parser)


def _replay(options: argparse.Namespace, say: Speaker) -> Answer:
    from ..errors import ConfigError
    from ..runner.replaying import replay

    _check_names(options.allow)
    connection = connection_of(options, say)
    history = history_of(options)
    tables = Tables.of({name: getattr(options, name) for name in TABLES})
    tables.check(options, history, connection)
    run = replay(
        history,
        models_of(options.model),
        connection,
        **policy_of(options),
        journal=options.journal,
        on_interrupt="return",
        **how_to_replay(options),
    )
    unwritten = None
    for name in tables.names:
        try:
            tables.write(name, getattr(run, name))
        except ConfigError as error:  # a disk may be full: the run is reported in any case
            unwritten = unwritten or error
    told = run_told(run, options.journal, say)
    facts = {**told, "written": tables.places}
    status = status_of(run, options.allow, options.max_rejects)
    return Answer(WRONG_INPUT if unwritten else status, facts, unwritten)


def how_to_replay(options: argparse.Namespace) -> dict[str, Any]:
    """Return the given arguments of a replay that its plan does not take."""
    given = {name: getattr(options, name) for name in ("run_key", "again", "wait")}
    found = {name: value for name, value in given.items() if value is not None}
    if options.on_event is not None:
        found |= {"on_event": options.on_event, "progress": False}
    return found


def status_of(run: Any, allow: Iterable[str], at_most: float) -> int:
    """Return the exit status of a replay."""
    from ..errors import ReplayFailed
    from ..journal.reader import read_journal
    from ..journal.summary import ended_of

    ended = ended_of(read_journal(run.path).facts())
    if ended is not None and ended.kind == "interrupted":
        return INTERRUPTED
    if not run.complete:
        return NOT_COMPLETE
    try:
        run.raise_for_rejects(allow, at_most)
    except ReplayFailed:
        return REJECTS
    return OK


def _check_names(checks: list[str]) -> None:
    """Raise ConfigError for the name of no check: a typo would fail the run after it was sent."""
    from ..display.facts import CHECKS
    from ..display.reasons import ADVICE_BY_CHECK
    from ..errors import ConfigError
    from ..errors.nearest import nearest

    known = list(dict.fromkeys([*ADVICE_BY_CHECK, *CHECKS]))
    for name in checks:
        if name not in known:
            raise ConfigError(f"--allow {name}: there is no such check{nearest(name, known)}")


def _add_check(parser: Parser) -> None:
    parser.general.add_argument(
        "history", metavar="JOB", nargs="?", help="a job file: the connections of its gateways"
    )
    add_connection(parser.general)
    parser.general.add_argument(
        "--no-connect-limit", action="store_true", help="for a platform without one: a rehearsal"
    )


def _check(options: argparse.Namespace, say: Speaker) -> Answer:
    from ..errors import ConfigError
    from ..runner.preflight import check

    if options.history is not None:
        raise ConfigError(f"{options.history}: a job file ends in .toml", argument="path")
    found = check(
        connection_of(options, say),
        secrets_of(options.sub_device_secrets),
        limits=limits_of(options),
    )
    return answer_of_check([found], say)


def answer_of_check(found: Sequence[Any], say: Speaker) -> Answer:
    """Tell what was refused by the gateways."""
    for one in found:
        say(one)
        if not one.ok:
            say.show(one.refused)
    is_ok = all(one.ok for one in found)
    facts = {
        "ok": is_ok,
        "gateway": found[0].gateway if len(found) == 1 else None,
        "steps": [step for one in found for step in records(one.table)],
    }
    return Answer(OK if is_ok else NO_CONNECTION, facts)


COMMANDS: Final = (
    Command(
        "validate",
        "check a history against a thing model",
        _add_validate,
        _validate,
        HISTORY_USAGE,
        f"{EXAMPLE} --violations -",
        ("..checks.validation", "..doors.opening"),
    ),
    Command(
        "plan",
        "tell what a replay would send; nothing is connected",
        _add_plan,
        _plan,
        HISTORY_USAGE,
        f"{EXAMPLE} --gateway p/gw-1",
        ("..runner.planning", "..doors.opening"),
    ),
    Command(
        "replay",
        "send a history to the platform",
        _add_replay,
        _replay,
        HISTORY_USAGE,
        f"{EXAMPLE} --journal runs/",
        ("..runner.replaying", "..doors.opening"),
    ),
    Command(
        "check",
        "try the connection: sign in and out; no readings are sent",
        _add_check,
        _check,
        "[JOB] [options]",
        "--connection mqtts://gw-1:env%3AGW_SECRET@mqtt.example.com/gateway",
        ("..runner.preflight",),
    ),
)
