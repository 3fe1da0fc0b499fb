"""Commands about what was sent: runs, their reports and audits, and what the platform stored."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .command import OK, REJECTS, Answer, Command
from .documents import records
from .history_options import add_history, history_of
from .inputs import models_of
from .outputs import Tables
from .run_words import run_told
from .sending_options import TABLES, add_tables

if TYPE_CHECKING:
    import argparse

    from .parsing import Parser
    from .speech import Speaker

__all__ = ["COMMANDS"]

STATES: Final = ("stored", "different", "missing", "not comparable")
_WRONG: Final = ("different", "missing")
_SHOWN: Final = ["source", "row", "device_key", "time", "measurepoint", "value", "found", "state"]
_TIMES: Final = ("started_at", "ended_at")
LATER: Final = {
    "touched": "one row a device and point: what was written",
    "lineage": "one row a run: this one, and those whose rejects it sends",
}


def _add_report(parser: Parser) -> None:
    parser.general.add_argument("journal", metavar="JOURNAL", help="what replay --journal wrote")
    parser.general.add_argument("--html", metavar="FILE", help="one page for people to read")
    parser.general.add_argument(
        "--audit", metavar="FOLDER", help="new or empty: all that mpreplay verify can check"
    )
    tables = parser.add_argument_group("tables (.parquet or .csv; - is stdout)")
    add_tables(tables, LATER)


def _report(options: argparse.Namespace, say: Speaker) -> Answer:
    from ..audit.bundle import check_free
    from ..display.page import need_jinja2
    from ..errors import ReplayWarning
    from ..journal.reader import read_journal
    from ..outputs import check_apart, path_of
    from ..report.outputs import check_outputs
    from ..report.writing import disagreements, warn_of
    from ..run import open_run

    tables = Tables.of({name: getattr(options, name) for name in (*TABLES, *LATER)})
    others = {name: getattr(options, name) for name in ("html", "audit")}
    files = {name: path_of(path, name) for name, path in others.items() if path is not None}
    if files:
        need_jinja2()
    run = open_run(options.journal)
    reader = read_journal(run.path)
    if audit := files.pop("audit", None):  # all is checked first: a failed command writes nothing
        check_free(audit.resolve())
    check_outputs(reader, None, {**tables.files, **files})
    check_apart({**tables.files, **files, **({"audit": audit} if audit else {})}, {})
    faults = disagreements(reader)
    if faults:
        warn_of(faults)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReplayWarning)  # already warned above
        written = _write_all(options, run, tables, say)
    told = run_told(run, options.journal, say, is_said=not written["written"])
    facts = {**told, "sound": not faults, **written}
    return Answer(REJECTS if faults else OK, facts)


def _write_all(
    options: argparse.Namespace, run: Any, tables: Tables, say: Speaker
) -> dict[str, Any]:
    """Write what is asked for, and return the places, and the head of the audit."""
    for name in tables.names:
        found = getattr(run, name)
        tables.write(name, found() if name in LATER else found)
        say(f"{name}: {tables.places[name]}")
    written = tables.places
    if options.html:
        run.report(options.html)
        written["html"] = options.html
        say(f"report: {options.html}")
    if not options.audit:
        return {"written": written, "head": None}
    head = run.audit(options.audit)
    say(f"audit: {options.audit}\nhead: {head}\nKeep the head elsewhere; to check the audit:")
    say(f"  mpreplay verify {shlex.quote(options.audit)} --head {head}")
    say("Each audit of a journal has a head of its own, since it says when it was made.")
    return {"written": {**written, "audit": options.audit}, "head": head}


def _add_runs(parser: Parser) -> None:
    parser.general.add_argument(
        "folder", metavar="FOLDER", help="a folder of journals, as of replay --journal FOLDER/"
    )


def _runs(options: argparse.Namespace, say: Speaker) -> Answer:
    from ..report.listing import runs_in

    found, others = runs_in(Path(options.folder))
    times = {name: found[name].dt.strftime("%Y-%m-%d %H:%M:%S").fillna("") for name in _TIMES}
    shown = found.assign(**times).rename(columns={name: f"{name} [UTC]" for name in _TIMES})
    say.show(shown.drop(columns="run_id")) if len(found) else say("no runs")
    for path, why in others:
        say.warn(f"{path} is left out: {why}")
    facts = {"folder": options.folder, "runs": records(found)}
    return Answer(OK, {**facts, "left_out": [str(path) for path, _ in others]})


def _add_reconcile(parser: Parser) -> None:
    parser.general.add_argument("journal", metavar="JOURNAL", help="what replay --journal wrote")
    add_history(parser)
    parser.general.add_argument(
        "--stored",
        metavar="FILE",
        required=True,
        help="values read back: device_key, time, measurepoint, value",
    )
    parser.general.add_argument(
        "--not-comparable",
        metavar="POINT",
        action="append",
        default=[],
        help="a point that the platform compresses",
    )
    parser.general.add_argument(
        "--out", metavar="FILE", help="one row a value and its state: .parquet, .csv, or -"
    )


def _reconcile(options: argparse.Namespace, say: Speaker) -> Answer:
    import pandas as pd

    from ..frames import RECONCILED_COLUMNS, typed
    from ..readback.stored_file import read_stored
    from ..run import open_run

    tables = Tables.of({"out": options.out})
    history = history_of(options)
    tables.check(options, history)
    frames = open_run(options.journal).iter_reconcile(
        read_stored(Path(options.stored)),
        history=history,
        model=models_of(options.model),
        not_comparable=options.not_comparable,
    )
    counts = dict.fromkeys(STATES, 0)
    kept = [typed([], RECONCILED_COLUMNS)]
    for frame in frames:
        for state, n in frame["state"].value_counts().items():
            counts[str(state)] += int(n)
        kept.append(frame if tables else frame[frame["state"].isin(_WRONG)])
    found = pd.concat(kept, ignore_index=True)
    n_values, n_wrong = sum(counts.values()), sum(counts[state] for state in _WRONG)
    say(f"{n_values:,} values: {', '.join(f'{n:,} {state}' for state, n in counts.items())}")
    if tables:
        tables.write("out", found)
    elif n_wrong:
        say.show(found[_SHOWN], hint="; --out FILE has all")
    facts = {"ok": not n_wrong, "n_values": n_values, "counts": counts, "written": tables.places}
    return Answer(REJECTS if n_wrong else OK, facts)


def _add_verify(parser: Parser) -> None:
    parser.general.add_argument("folder", metavar="FOLDER", help="what report --audit wrote")
    parser.general.add_argument("--head", metavar="HEX", help="the head that was printed then")
    parser.general.add_argument(
        "--source",
        metavar="FILE",
        nargs="+",
        action="extend",
        default=[],
        help="what the run read: is it unchanged?",
    )


def _verify(options: argparse.Namespace, say: Speaker) -> Answer:
    from ..audit.heads import compared, sealed_head, told_of, verify_audit
    from ..audit.source_files import source_of
    from ..display.amounts import count

    folder = Path(options.folder)
    sources = compared(folder, [source_of(source) for source in options.source])
    findings = verify_audit(folder, head=options.head)
    head = None if len(findings) else sealed_head(folder)
    for file, where, finding in findings.itertuples(index=False):
        say(f"{file}{', ' if where else ''}{where}: {finding}")
    if head is None:
        say(f"not as it was written: {count(len(findings), 'finding')}")
    else:
        say(f"verified: the audit itself is as it was written\nhead: {head}")
        say(f"the run: {told_of(folder)}")
    if not options.head and head is not None:
        say(
            "No head was given: an audit that was made anew as a whole would look the same. Is "
            "the head above the one that was kept when the audit was made? (--head HEX compares)"
        )
    doubt = ", if the manifest can be believed" if len(findings) else ""
    for path, difference in sources:
        say(f"{path}: {difference or f'is what the run read{doubt}'}")
    is_ok = head is not None and not any(difference for _, difference in sources)
    facts = {
        "ok": is_ok,
        "head": head,
        "findings": records(findings),
        "sources": [{"path": str(path), "difference": why or None} for path, why in sources],
    }
    return Answer(OK if is_ok else REJECTS, facts)


COMMANDS: Final = (
    Command(
        "report",
        "tell a run; write its report or audit",
        _add_report,
        _report,
        "JOURNAL [options]",
        "run.db --html report.html --rejects rejects.csv",
        ("..run", "..report.writing"),
    ),
    Command(
        "runs",
        "list the runs in a folder of journals",
        _add_runs,
        _runs,
        "FOLDER [options]",
        "runs/ --json",
        ("..report.listing",),
    ),
    Command(
        "reconcile",
        "compare a run with what the platform has stored",
        _add_reconcile,
        _reconcile,
        "JOURNAL HISTORY --model [PRODUCT=]FILE --stored FILE [options]",
        "run.db day.parquet --model model.json --time ts --stored stored.csv",
        ("..run", "..readback.reconciling", "..doors.opening"),
    ),
    Command(
        "verify",
        "check that an audit is unaltered",
        _add_verify,
        _verify,
        "FOLDER [options]",
        "audit --head 5f0c… --source history/*.parquet",
        ("..audit.verifying",),
    ),
)
