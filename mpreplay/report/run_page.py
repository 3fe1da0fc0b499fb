"""``report.html``: a run on a self-contained page, for people without access to the run.

Reads the journal and decides only about the lines to show.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from ..display.amounts import MAX_NAME, count, duration, masked, moment, setting, visible
from ..display.facts import OPEN, SHOWN_FATES
from ..display.page import mark, page
from ..display.pictures import tone_of
from ..display.sentences import FATE_WORDS, ended_in_words, headline, left_out_in_words
from ..display.tables import MAX_FILE_ROWS, MAX_ROWS, Table
from ..journal.points import models_of, sent_by_point
from ..journal.summary import ended_of
from .causes import gathered_of
from .checked import checked_section, fates_by_point
from .figures import taken_apart
from .legs import legs_of
from .overview import balance_section, glossary, map_section, scope_of
from .reject_groups import causes_told, more_causes, reject_groups
from .standing import WHOLE, standing_of, state_of
from .wire import wire_section

if TYPE_CHECKING:
    from ..display.facts import Standing
    from ..journal.reader import JournalReader

__all__ = ["render"]

MAX_COLUMNS: Final = 12  # that were not asked for, by name
# Facts with a section of their own, left out of the table "Made from".
_TOLD_APART: Final = frozenset({"history", "model"})
_TEMPLATE: Final = "run_page.html.jinja"
# Why a request was never sent, by its outcome.
_NOT_SENT: Final = {
    "declined": "held back",
    "divided": "divided beforehand",
    "not_sent": "when the run ended",
}
# Names of a journal's counts other than values, in words.
_COUNTS: Final = {
    "published": "requests published, retries included",
    "acknowledged": "acknowledged by the broker",
    "connects": "connects",
    "strangers": "replies to requests of another run",
    "doubles": "replies that came twice",
    "contradictions": "later replies that contradict the first",
    "broken_replies": "replies that could not be read",
    "sub_devices_refused": "sub-devices whose sign-in was refused",
    "disordered_slabs": "parts of the history that go back in time",
    "equal_copies": "readings that are equal copies of others",
}


def render(reader: JournalReader, disagreements: Sequence[tuple[str, str]] = ()) -> str:
    """Return the report of a run as one HTML page.

    Parameters
    ----------
    reader : JournalReader
        Reader of an ended run, or of a copy at one moment of a run under way.
    disagreements : sequence of (str, str)
        Place and description of each contradiction between the tables of the journal.

    Returns
    -------
    str
        A page without scripts and external references, of bounded size for any number of rejects.

    Raises
    ------
    ConfigError
        If Jinja2 is not installed.
    JournalError
        If the journal cannot be read.
    """
    facts, results = reader.facts(), _results(reader)
    standing = standing_of(facts, reader.totals(), reader.open_ended(), n_rows=reader.rows()[0])
    standing = replace(standing, is_sound=not disagreements)
    gathered = gathered_of(reader, n_examples=MAX_FILE_ROWS)
    books = reader.book_parts()
    scope, arrived = scope_of(books, reader.names()), map_section(books, standing)
    del books  # of very many devices and days
    models = models_of(reader)
    fates = fates_by_point(sent_by_point(reader), gathered.by_point, models)
    first_line, rest = headline(standing)
    return page(
        __package__,
        _TEMPLATE,
        arrived=mark("accepted"),
        headline=first_line,
        rest=rest,
        state=state_of(standing),
        tone=tone_of(
            is_whole=state_of(standing) == WHOLE and bool(standing.n("read")),
            is_done=standing.is_complete and standing.is_sound and standing.is_balanced,
        ),
        gateway=visible(facts.get("gateway") or "", 2 * MAX_NAME),
        version=facts.get("version", ""),
        facts=[*scope, *_headlines(facts, standing, results)],
        causes=causes_told(gathered, standing),
        more_causes=more_causes(gathered),
        balance=balance_section(standing),
        checked=checked_section(fates, models, standing),
        map=arrived,
        wire=wire_section(results, facts, standing),
        rejects=reject_groups(gathered, standing),
        apart=_apart(results),
        trust=_trust(facts, standing, disagreements),
        settings=_settings(facts, standing),
        words=glossary(),
    )


def _results(reader: JournalReader) -> pd.DataFrame:
    """Return the results; requests not settled are ``open``, not in doubt."""
    outcomes = [request["outcome"] for request in reader.iter_requests()]
    return reader.results().assign(outcome=pd.Series(outcomes, dtype=object))


def _headlines(
    facts: Mapping[str, Any], standing: Standing, results: pd.DataFrame
) -> list[tuple[str, str]]:
    sent = results["attempts"] > 0
    unsent = results.loc[~sent, "outcome"].value_counts()
    unsettled = int(unsent.pop(OPEN)) if OPEN in unsent else 0
    continued = int(facts.get("continued") or 0)
    found = [
        ("Started", moment(facts.get("started_at"))),
        *_duration_of_run(facts, standing, results),
        ("Values", count(standing.n("read"))),
        ("Requests sent", count(int(sent.sum()))),
        ("Requests not sent", _unsent(unsent.to_dict())),
        ("Requests not settled", count(unsettled) if unsettled else ""),
        ("Continued", count(continued, "time") if continued else ""),
    ]
    return [(name, value) for name, value in found if value]


def _unsent(counts: Mapping[Any, int]) -> str:
    """Return how many requests were not sent, and why; the empty text for none."""
    why = (f"{n:,} {_NOT_SENT.get(outcome, 'other')}" for outcome, n in counts.items())
    return f"{sum(counts.values()):,}: {', '.join(why)}" if counts else ""


def _duration_of_run(
    facts: Mapping[str, Any], standing: Standing, results: pd.DataFrame
) -> list[tuple[str, str]]:
    if standing.is_going:
        last = results["sent_at"].max()
        shown = "" if pd.isna(last) else last.strftime("%Y-%m-%d %H:%M:%S UTC")
        return [("Ended", "not ended"), ("Last known to be sent", shown)]
    legs = legs_of(facts, results)
    idle = sum(after.start - before.end for before, after in pairwise(legs)) / 1000
    return [
        ("Took", duration(sum(leg.seconds for leg in legs)) if legs else ""),
        ("Idle between its parts", duration(idle) if idle > 0 else ""),
    ]


def _apart(results: pd.DataFrame) -> dict[str, Any]:
    found = taken_apart(results)
    if not found.n_divided:
        return {"sentence": "No request was taken apart.", "table": None}
    said = (
        f"{count(found.n_divided, 'request')} taken apart, to find what was to blame and to save "
        f"the rest: {count(found.n_parts, 'extra request')}"
    )
    n_sent = int((results["parent_id"].notna() & (results["attempts"] > 0)).sum())
    said += f", {n_sent:,} of them sent." if n_sent < found.n_parts else "."
    fates = [fate for fate in SHOWN_FATES if fate in found.table]
    rows = [
        (
            row["request_id"],
            "" if pd.isna(row["code"]) else str(int(row["code"])),
            f"{int(row['values']):,}",
            f"{int(row['parts']):,}",
            *(f"{int(row[fate]):,}" for fate in fates),
        )
        for row in found.table.head(MAX_ROWS).to_dict("records")
    ]
    columns = ("Request", "Code", "Values", "Parts", *(FATE_WORDS[fate][0] for fate in fates))
    most = (
        f", the {MAX_ROWS} with most of {len(found.table):,}" if len(found.table) > MAX_ROWS else ""
    )
    caption = f"Requests as planned that were taken apart{most}, and what became of their values"
    return {
        "sentence": said,
        "table": Table(caption, columns, rows, frozenset(range(1, len(columns))), is_lines=True),
    }


def _trust(
    facts: Mapping[str, Any], standing: Standing, disagreements: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Return the evidence that a report is true: books, sources and model."""
    books = "Every value that was read has one fate, and books, requests and rejects agree."
    if not (standing.is_sound and standing.is_balanced):
        books = "These books do not add up: the journal is damaged or was altered."
    made_from = facts.get("fingerprint") or {}
    rows = [(visible(where, 2 * MAX_NAME), visible(what)) for where, what in disagreements]
    more = f", the first {MAX_ROWS} of {len(rows):,}" if len(rows) > MAX_ROWS else ""
    sources = list(_sources(facts, made_from.get("history") or []))
    return {
        "books": books,
        "faults": rows and Table(f"What does not add up{more}", ("Where", "What"), rows[:MAX_ROWS]),
        "sources": sources
        and Table(
            "What was read, as it was when the run began",
            ("Source", "Bytes", "SHA-256"),
            sources[:MAX_ROWS],
            frozenset({1}),
        ),
        "left_out": visible(left_out_in_words(facts.get("left_out") or [])),
        "columns": _listed(facts.get("columns_left_out") or []),
        "more": count(len(sources) - MAX_ROWS, "source") if len(sources) > MAX_ROWS else "",
        "model": setting(made_from["model"]) if made_from.get("model") else "",
    }


def _listed(columns: Sequence[str]) -> str:
    """Return the first names of columns, and the number of the others."""
    shown = ", ".join(visible(name, MAX_NAME) for name in columns[:MAX_COLUMNS])
    more = len(columns) - MAX_COLUMNS
    return f"{shown} and {count(more, 'other')}" if more > 0 else shown


def _sources(facts: Mapping[str, Any], prints: Any) -> Iterator[tuple[str, str, str]]:
    """Yield name, size and digest of each source."""
    prints = prints if isinstance(prints, list) else [prints]
    for source, cells in zip_longest(facts.get("sources") or [], prints):
        known = source or {}
        size, sha256 = known.get("bytes"), known.get("sha256")
        # A frame has no bytes of its own; mpreplay's fingerprint of its cells is shown instead.
        tag = known.get("tag") and f"tag of its store: {known['tag']}"
        shown = (
            sha256 or tag or f"no file: a table in memory ({visible(str(cells or ''), MAX_NAME)})"
        )
        yield (
            visible(known.get("name") or "not known", 2 * MAX_NAME),
            "" if size is None else f"{size:,}",
            masked(str(shown)),
        )


def _settings(facts: Mapping[str, Any], standing: Standing) -> list[Table]:
    isolate = facts.get("isolate")
    run = {
        "mpreplay": facts.get("version"),
        "journal format": facts.get("format"),
        "run": facts.get("run_id"),
        "replays rejects of": (facts.get("parent") or {}).get("run_id"),
        "gateway": facts.get("gateway"),
        "connection": facts.get("connection"),
        "started": moment(facts.get("started_at")),
        "ended": "not ended" if standing.is_going else moment(facts.get("ended_at")),
        "continued": facts.get("continued", 0),
        "stopped": ended_in_words(ended_of(facts)) or ("not known" if standing.is_going else "no"),
    }
    counts = {_COUNTS.get(name, name): n for name, n in (facts.get("counts") or {}).items() if n}
    limits = facts.get("limits") or {}
    made_from = {
        name: value
        for name, value in (facts.get("fingerprint") or {}).items()
        if name not in limits and name not in _TOLD_APART
    }
    made_from |= {} if isolate is None else {"isolate": isolate}
    found = [
        ("The run", {name: value for name, value in run.items() if value is not None}),
        ("Made from", _given(made_from)),
        ("Limits", limits),
        ("Also counted", counts),
    ]
    return [
        Table(caption, ("Name", "Value"), _plain(values.items(), whole={"stopped"}))
        for caption, values in found
        if values
    ]


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given settings, and the names of all other settings in a single row."""
    others = [name for name, value in values.items() if value is None or value == []]
    given = {name: value for name, value in values.items() if name not in others}
    return {**given, "not given": ", ".join(others)} if others else given


def _plain(values: Iterable[tuple[str, Any]], whole: Container[str]) -> list[tuple[Any, ...]]:
    """Return settings as rows; a long one is clipped unless it is a sentence, to be read whole."""
    return [
        (visible(name, MAX_NAME), visible(value) if name in whole else setting(value))
        for name, value in values
    ]
