"""Commands about job files: a job instead of a history, many gateways, the file itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
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
from .help_lines import add_line
from .inputs import arguments_over, connection_of
from .outputs import Tables
from .run_words import run_told
from .send_commands import (
    answer_of_check,
    answer_of_plan,
    answer_of_validation,
    how_to_replay,
    report_of,
    status_of,
)
from .sending_options import TABLES, add_accepting, add_tables
from .speech import on_stdout

if TYPE_CHECKING:
    import argparse

    from ..jobs.arguments import Arguments
    from ..jobs.job import Job
    from .parsing import Parser
    from .speech import Speaker

__all__ = ["COMMANDS", "taking_jobs"]

Carry = Callable[["argparse.Namespace", "Speaker"], Answer]


def taking_jobs(commands: Iterable[Command]) -> tuple[Command, ...]:
    """Return commands, of which those for a history take a job file in its place."""
    return tuple(
        replace(one, run=_either(one.run, _OF_A_JOB[one.name])) if one.name in _OF_A_JOB else one
        for one in commands
    )


def _either(run: Carry, run_job: Carry) -> Carry:
    def carry_out(options: argparse.Namespace, say: Speaker) -> Answer:
        return (run_job if _is_job(options.history) else run)(options, say)

    return carry_out


def _job_of(options: argparse.Namespace) -> Job:
    from ..jobs.job import load_job

    return load_job(options.history)


def _job_of_a_gateway(options: argparse.Namespace) -> Job:
    from ..errors import ConfigError

    job = _job_of(options)
    if job.is_fleet:
        raise ConfigError(
            f"{job.path}: this is a job of many gateways: mpreplay fleet {job.path}",
            argument="path",
        )
    return job


def _validate(options: argparse.Namespace, say: Speaker) -> Answer:
    job = _job_of(options)
    made = arguments_over(job, options)
    tables = Tables.of({"violations": options.violations})
    _check_apart(tables.files, made, job)
    return answer_of_validation(job.validated(made), tables, say)


def _plan(options: argparse.Namespace, say: Speaker) -> Answer:
    from ..errors import Argument, ConfigError, message

    job = _job_of(options)
    made = arguments_over(job, options)
    report = report_of(options)
    if report is not None and job.is_fleet:
        raise ConfigError(
            message(Argument("report"), ": the plan of many gateways is no page; --json tells it"),
            argument="report",
        )
    _check_apart({} if report is None else {"report": report}, made, job)
    found: Any = job.planned(made)
    return _answer_of_many(found, say) if job.is_fleet else answer_of_plan(found, report, say)


def _answer_of_many(found: Any, say: Speaker) -> Answer:
    """Tell the plan of a fleet."""
    say(found)
    say.show(found.gateways)
    facts = {"summary": found.summary(), "gateways": records(found.gateways), "written": {}}
    return Answer(REJECTS if facts["summary"]["gateways_would_raise"] else OK, facts)


def _check_apart(files: dict[str, Path], made: Arguments, job: Job) -> None:
    """Raise ConfigError if a file would go over what the job reads."""
    from ..jobs.writing import make_ready

    made.outputs = files
    with job.in_its_words():
        make_ready(made, job.path, made.read_history())


def _replay(options: argparse.Namespace, say: Speaker) -> Answer:
    job = _job_of_a_gateway(options)
    made = arguments_over(job, options)
    tables = _printed(options)
    if options.connection is not None:
        connection_of(options, say)  # warns of a secret that the list of processes shows
    run = job.send(made, on_interrupt="return", **how_to_replay(options))
    error, written = _written(run, made, tables)
    journal = made.journal and str(made.journal)
    told = run_told(run, journal, say)
    status = WRONG_INPUT if error else status_of(run, **_accepted_over(made.accept))
    facts = {**told, "job": str(job.path), "written": written}
    return Answer(status, facts, error)


def _printed(options: argparse.Namespace) -> Tables:
    """Return the table that goes to stdout; others are files of the job."""
    given = {name: getattr(options, name) for name in TABLES}
    return Tables.of({name: path for name, path in given.items() if path == "-"})


def _written(run: Any, made: Arguments, tables: Tables) -> tuple[Exception | None, dict[str, str]]:
    """Write the files of a job: an error is reported after the run, since a disk may be full."""
    from ..errors import ConfigError
    from ..jobs.writing import write_outputs

    places = {name: str(path) for name, path in made.outputs.items()} | tables.places
    try:
        for name in tables.names:
            tables.write(name, getattr(run, name))
        write_outputs(run, made.outputs)
    except ConfigError as error:
        return error, places
    return None, places


def _check(options: argparse.Namespace, say: Speaker) -> Answer:
    from ..errors import ConfigError
    from ..runner.preflight import check

    job = _job_of(options)
    for name in ("connection", "sub_device_secrets"):
        if getattr(options, name) is not None:
            raise ConfigError(f"{job.path}: the job says it: leave out {name}", argument=name)
    limits = job.limits()
    if options.no_connect_limit:
        limits = replace(limits, connects=None)
    tried = [check(one, secrets or None, limits=limits) for one, secrets in job.connections()]
    return answer_of_check(tried, say)


_OF_A_JOB: Final = {"validate": _validate, "plan": _plan, "replay": _replay, "check": _check}


def _is_job(given: str | None) -> bool:
    """Return True if a job file is given in place of a history."""
    return given is not None and given.lower().endswith(".toml")


def _accepted_over(accept: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the rejects that are no failure, as arguments of ``raise_for_rejects``."""
    return {"allow": (), "at_most": 0, **(accept or {})}


def _add_fleet(parser: Parser) -> None:
    to = parser.general
    to.add_argument("history", metavar="JOB", help="a job file with a table [fleet]")
    add_line(to, "the interval, in place of the file's", {"start": "TIME", "end": "TIME"})
    to.add_argument(
        "--wait", type=float, metavar="S", help="for another replay through a gateway; default 30"
    )
    add_tables(to)
    add_accepting(to)


def _fleet(options: argparse.Namespace, say: Speaker) -> Answer:
    from ..errors import ConfigError
    from ..jobs.job import load_job

    job = load_job(options.history)
    if not job.is_fleet:
        raise ConfigError(
            f"{job.path}: there is no table [fleet] in this job: mpreplay replay {job.path}",
            argument="path",
        )
    made = arguments_over(job, options)
    tables = _printed(options)
    more = {} if options.on_event is None else {"on_event": options.on_event, "progress": False}
    run: Any = job.send(made, on_interrupt="return", **more)
    error, written = _written(run, made, tables)
    status = run.status
    say(run)
    told = status.notna() & status.ne("")
    say.show(
        status.loc[:, told.any()].fillna(""),
        hint=f"; mp.open_fleet({str(run.path)!r}).status has all",
    )
    if not run.complete:
        say("to continue: the same command again")
    facts = {
        "job": str(job.path),
        "folder": str(run.path),
        "complete": run.complete,
        "summary": run.summary(),
        "gateways": records(status),
        "written": written,
    }
    code = _fleet_status(run, status, **_accepted_over(made.accept))
    return Answer(WRONG_INPUT if error else code, facts, error)


def _fleet_status(run: Any, status: Any, allow: Iterable[str], at_most: float) -> int:
    """Return the exit status of a fleet."""
    from ..errors import ReplayFailed

    states = set(status["state"])
    if not run.complete:
        if states & {"stopped", "waiting"}:
            return INTERRUPTED
        return NO_CONNECTION if states == {"failed"} and not run.summary()["read"] else NOT_COMPLETE
    try:
        run.raise_for_rejects(allow, at_most)
    except ReplayFailed:
        return REJECTS
    return OK


def _add_job(parser: Parser) -> None:
    to = parser.general.add_mutually_exclusive_group(required=True)
    to.add_argument("file", metavar="FILE", nargs="?", help="a job file to check; nothing is sent")
    to.add_argument(
        "--example",
        metavar="FOLDER",
        nargs="?",
        const="",
        help="print a job; with a FOLDER, write it there with a model and a history to try it",
    )
    to.add_argument("--schema", action="store_true", help="print the JSON Schema, for editors")


def _job(options: argparse.Namespace, say: Speaker) -> Answer:
    from ..jobs.examples import EXAMPLE, SCHEMA
    from ..jobs.job import load_job

    if options.file is not None:
        job = load_job(options.file)
        say(f"in order: {job}")
        missing = [str(path) for path in job.missing()]
        for path in missing:
            say.warn(f"{path} is not there")
        facts = {"job": str(job.path), "is_fleet": job.is_fleet, "missing": missing}
        return Answer(OK, facts)
    if options.example:
        from ..demo import write_example

        files = write_example(Path(options.example))
        say("\n".join(f"written: {path}" for path in files))
        return Answer(OK, {"written": [str(path) for path in files]})
    text = (SCHEMA if options.schema else EXAMPLE).read_text("utf-8")
    if options.json:
        return Answer(OK, {"text": text})
    on_stdout(text.rstrip("\n"))
    return Answer(OK)


COMMANDS: Final = (
    Command(
        "fleet",
        "replay a job through many gateways",
        _add_fleet,
        _fleet,
        "JOB [options]",
        "job.toml --start 2024-03-01 --end 2024-03-02",
    ),
    Command(
        "job",
        "check a job file, or print an example",
        _add_job,
        _job,
        "[FILE] [options]",
        "--example > job.toml",
    ),
)
