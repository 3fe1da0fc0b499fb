"""``report.html``: a run on one self-contained page, for people who were not there.

It reads the journal and decides only what is worth a line. Only this module imports Jinja2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from math import isnan
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from ..errors import ConfigError
from ..gathering import Gathered, gather
from ..protocol import return_code
from ..results import FATES
from ..wording import (
    FATE_WORDS,
    MAX_NAME,
    Standing,
    cause_in_words,
    count,
    standing_of,
    verdict,
    visible,
)
from .figures import NO_REPLY, Timeline, arrivals, taken_apart, timeline
from .pictures import (
    DARK,
    LIGHT,
    arrival_map,
    balance,
    code_bars,
    code_fates,
    lines,
    stroke,
    style,
    swatch,
    verdict_mark,
)

if TYPE_CHECKING:
    from ..journal_reader import JournalReader

__all__ = ["render"]

MAX_CAUSES: Final = 40  # with their first rows
FIRST_ROWS: Final = 5
MAX_ROWS: Final = 30  # of any other table
MAX_VALUE: Final = 120  # characters of a value
LITTLE: Final = 0.005  # the share from which a part of a bar is as wide as it should be
_TEMPLATE: Final = "report.html.jinja"
# A secret stands nowhere in a journal; should one ever, a report is no place for it.
_SECRET: Final = re.compile(r"(://[^:/@\s]*:)[^@\s]*@")
_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d)")
# What a journal counts beside values, in words.
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


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a report; ``numbers`` are the columns that are set to the right."""

    caption: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    numbers: frozenset[int] = frozenset()


def render(reader: JournalReader) -> str:
    """Return the report of a run as one HTML page.

    Parameters
    ----------
    reader : JournalReader
        Of a run that has ended or is going on.

    Returns
    -------
    str
        Without a script and without a reference to anything outside; bounded in size, however many
        values were rejected.

    Raises
    ------
    ConfigError
        If Jinja2 is not installed.
    JournalError
        If the journal cannot be read.
    """
    template = _template()
    facts, totals, results = reader.facts(), reader.totals(), reader.results()
    standing = standing_of(facts, totals, n_open=reader.n_open(), n_rows=reader.rows()[0])
    gathered = gather(reader.iter_rejects(), n_examples=FIRST_ROWS)
    headline, rest = verdict(standing)
    page: str = template.render(
        light=_safe(style(LIGHT)),
        dark=_safe(style(DARK)),
        arrived=_mark("accepted"),
        headline=headline,
        rest=rest,
        state="Complete" if standing.is_complete else "Not complete",
        state_mark=_safe(verdict_mark(standing.is_complete)),
        gateway=facts.get("gateway"),
        version=facts.get("version", ""),
        facts=_headlines(facts, standing, results),
        causes=_causes(gathered),
        more_causes=_more_causes(gathered),
        balance=_balance(standing),
        map=_map(reader.books()),
        wire=_wire(results),
        rejects=_rejects(gathered),
        apart=_apart(results),
        settings=_settings(facts),
    )
    return page


def _template() -> Any:
    try:
        import jinja2
    except ImportError as error:
        raise ConfigError(
            "a report needs Jinja2, which is not installed: pip install 'mpreplay[report]'"
        ) from error
    environment = jinja2.Environment(
        autoescape=True,
        finalize=lambda value: value if hasattr(value, "__html__") else visible(value),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.from_string((files(__package__) / _TEMPLATE).read_text(encoding="utf-8"))


def _safe(made: str) -> Any:
    """Mark what this package made itself as HTML; never a text that came from data."""
    from markupsafe import Markup

    return Markup(made)  # noqa: S704 - pictures escape the names that they show


def _unbroken(text: str) -> Any:
    """Return a text as HTML in which no date is torn at its hyphens."""
    from markupsafe import Markup, escape

    whole = Markup('<span class="whole">{}</span>')
    parts = _DATE.split(text)  # every second one is a date
    return Markup("").join(whole.format(p) if n % 2 else escape(p) for n, p in enumerate(parts))


def _headlines(
    facts: Mapping[str, Any], standing: Standing, results: pd.DataFrame
) -> list[tuple[str, str]]:
    started, ended = facts.get("started_at"), facts.get("ended_at")
    took = None if started is None or ended is None else (ended - started) / 1000
    found = [
        ("Started", _moment(started)),
        ("Took", "" if took is None else _duration(took)),
        ("Requests", count(len(results))),
        ("Values read", count(standing.n("read"))),
        ("Continued", count(int(facts.get("continued") or 0), "time")),
    ]
    return [(name, value) for name, value in found if value and value != "0 times"]


def _causes(gathered: Gathered) -> list[dict[str, Any]]:
    found = []
    for cause in gathered.causes.head(MAX_CAUSES).to_dict("records"):
        said, mend = cause_in_words(cause)  # type: ignore[arg-type]
        found.append({"swatch": _mark(cause["outcome"]), "said": _unbroken(said), "mend": mend})
    return found


def _more_causes(gathered: Gathered) -> str:
    more = gathered.causes.iloc[MAX_CAUSES:]
    if more.empty:
        return ""
    values = count(int(more["values"].sum()), "value")
    return f"{count(len(more), 'cause')} more, of {values} together, are in rejects.parquet."


def _mark(fate: str) -> Any:
    return _safe(swatch(fate)) if fate in FATE_WORDS else ""


def _balance(standing: Standing) -> dict[str, Any]:
    counts = {fate: standing.n(fate) for fate in FATES}
    terms = " + ".join(f"{n:,} {FATE_WORDS[fate][0]}" for fate, n in counts.items())
    balanced = "" if standing.is_balanced else " These do not add up: the journal is damaged."
    read = standing.n("read")
    rows = [
        (_labelled(fate), f"{n:,}", _share(n, read), FATE_WORDS[fate][1])
        for fate, n in counts.items()
    ]
    notes = []
    if 0 < standing.n_rejects < 0.1 * read:
        notes.append(f"The lower bar shows the {standing.n_rejects:,} that did not arrive.")
    if any(0 < n < LITTLE * read for n in counts.values()):
        notes.append("What is very little is drawn wider than it is.")
    return {
        "sentence": f"{read:,} values read = {terms}.{balanced}",
        "picture": _safe(balance(counts)) if read else "",
        "note": " ".join(notes),
        "table": Table(
            "What became of the values that were read",
            ("Fate", "Values", "Share", "What it means"),
            [*rows, ("read", f"{read:,}", _share(read, read), "the sum of the above")],
            frozenset({1, 2}),
        ),
    }


def _labelled(fate: str) -> Any:
    from markupsafe import Markup

    return Markup('<span class="whole">{} {}</span>').format(_mark(fate), FATE_WORDS[fate][0])


def _share(n: int, total: int) -> str:
    """Return a share in percent; what is not nothing or all never reads as if it were."""
    share = 100 * n / total if total else 0.0
    if 0 < n < total and not 0.01 <= share <= 99.99:
        return "< 0.01 %" if share < 1 else "> 99.99 %"
    return f"{share:.2f} %"


def _map(books: pd.DataFrame) -> dict[str, Any] | None:
    found = arrivals(books)
    if not found.devices:
        return None
    missing = found.read - found.accepted
    touched = int((missing > 0).sum())
    said = [
        f"Each column is a {found.step}, each row a device; a cell is filled from below by the "
        "share that arrived."
    ]
    if found.n_others:
        said.append(f"The {len(found.devices) - 1} devices with the most rejects come first.")
    said.append(
        f"In {touched:,} of {count(int((found.read > 0).sum()), 'cell')} something is missing."
        if touched
        else "Nothing is missing."
    )
    if found.n_timeless:
        said.append(f"{count(found.n_timeless, 'value')} without a readable time cannot be shown.")
    fates = sorted({FATES[n] for n in found.most[missing > 0]}, key=FATES.index)
    worst = sorted(zip(*missing.nonzero(), strict=True), key=lambda cell: -missing[cell])
    cells = [
        (found.devices[row], found.periods[column], f"{found.read[row, column]:,}",
         f"{found.accepted[row, column]:,}", f"{missing[row, column]:,}")
        for row, column in worst[:MAX_ROWS]
    ]  # fmt: skip
    most = f", the {MAX_ROWS} with most of {touched:,}" if touched > MAX_ROWS else ""
    return {
        "sentence": " ".join(said),
        "picture": _safe(arrival_map(found)),
        "key": [(_mark(fate), f"mostly {FATE_WORDS[fate][0]}") for fate in fates],
        "devices": _devices(found.devices, found.read, found.accepted),
        "worst": cells
        and Table(
            f"Cells in which values are missing{most}",
            ("Device", f"{found.step.capitalize()} from", "Read", "Accepted", "Missing"),
            cells,
            frozenset({2, 3, 4}),
        ),
    }


def _devices(names: list[str], read: Any, accepted: Any) -> Table:
    rows = [
        (name, f"{of_row:,}", f"{arrived:,}", f"{of_row - arrived:,}", _share(arrived, of_row))
        for name, of_row, arrived in zip(
            names, map(int, read.sum(axis=1)), map(int, accepted.sum(axis=1)), strict=True
        )
    ]
    columns = ("Device", "Read", "Accepted", "Missing", "Arrived")
    return Table("Values by device", columns, rows, frozenset({1, 2, 3, 4}))


def _wire(results: pd.DataFrame) -> dict[str, Any] | None:
    line = timeline(results)
    if line is None:
        return None
    latency = results["latency"].dropna()
    said = [
        f"{count(int(line.codes.to_numpy().sum()), 'request')} in steps of {_duration(line.width)}."
    ]
    if len(latency):
        said.append(
            f"A reply took {_duration(latency.median())} (median), the slowest "
            f"{_duration(latency.max())}."
        )
    if line.pauses:
        many = count(len(line.pauses), "pause")
        said.append(f"{many} ({_duration(line.paused)} in all, dotted lines) left out.")
    solid, dashed = _safe(stroke("solid")), _safe(stroke("dashed"))
    fates = code_fates([str(code) for code in line.codes])
    pictures = [
        ("Requests by return code", [(_mark(fate), code) for code, fate in fates.items()],
         code_bars(line)),
        ("Latency, in seconds", [(solid, "median"), (dashed, "slowest")],
         lines(line, "Latency over time, in seconds", {"median": "solid", "slowest": "dashed"})),
        ("Bytes a second", [(solid, "sent, without retries")],
         lines(line, "Bytes a second over time", {"bytes": "solid"})),
        ("Values a second", [(solid, "sent, without retries")],
         lines(line, "Values a second over time", {"values": "solid"})),
    ]  # fmt: skip
    return {
        "sentence": " ".join(said),
        "pictures": [{"title": t, "key": key, "svg": _safe(svg)} for t, key, svg in pictures],
        "codes": _codes(results),
        "steps": _steps(line),
    }


def _codes(results: pd.DataFrame) -> Table:
    keys = ["code", "outcome"]
    sums = results.assign(n=1).groupby(keys, dropna=False)[["n", "n_values"]].sum().reset_index()
    rows = [
        (*_code(row), str(row["outcome"]).replace("_", " "), f"{row['n']:,}",
         f"{row['n_values']:,}")
        for row in sums.to_dict("records")
    ]  # fmt: skip
    columns = ("Code", "Meaning", "Outcome", "Requests", "Values in them")
    return Table("Requests by return code", columns, rows[:MAX_ROWS], frozenset({3, 4}))


def _code(row: Mapping[Any, Any]) -> tuple[str, str]:
    """Return a code and its meaning; requests without a reply have neither."""
    if pd.isna(row["code"]):
        return (NO_REPLY if row["outcome"] == "in_doubt" else "none"), ""
    return str(int(row["code"])), return_code(int(row["code"])).meaning


def _steps(line: Timeline) -> Table:
    names = [str(code) for code in line.codes]
    rows = [
        (step["start"].strftime("%Y-%m-%d %H:%M:%S.%f")[:-3], _seconds(step["median"]),
         _seconds(step["slowest"]), f"{step['bytes']:,.0f}", f"{step['values']:,.0f}",
         *(f"{n:,}" for n in line.codes.iloc[number]))
        for number, step in enumerate(line.steps.to_dict("records"))
        if step["requests"]
    ]  # fmt: skip
    columns = ("First sent", "Median [s]", "Slowest [s]", "Bytes/s", "Values/s", *names)
    return Table(
        f"Steps of {_duration(line.width)} in which requests were sent; requests by code",
        columns,
        rows,
        frozenset(range(1, len(columns))),
    )


def _rejects(gathered: Gathered) -> dict[str, Any] | None:
    if not gathered.n_read:
        return None
    shown = gathered.causes.head(MAX_CAUSES).to_dict("records")
    groups = [
        {
            "swatch": _mark(cause["outcome"]),
            "title": _unbroken(cause_in_words(cause)[0]),  # type: ignore[arg-type]
            "table": _examples(examples, int(cause["values"])),
        }
        for cause, examples in zip(shown, gathered.examples, strict=False)
    ]
    told = f"The first rows of each cause; all {gathered.n_read:,} rejects are in"
    return {"note": f"{told} Run.rejects and in the bundle's rejects.parquet.", "groups": groups}


def _examples(frame: pd.DataFrame, n: int) -> Table:
    sources = [source for source in frame["source"].dropna().unique() if source]
    of = f" of {visible(sources[0], 2 * MAX_NAME)}" if len(sources) == 1 else ""
    has_sources, has_requests = len(sources) > 1, bool(frame["request_id"].notna().any())
    columns = ["Row", "Device", "Time", "Point", "Value", "Reason"]
    columns += ["Source"] * has_sources + ["Request"] * has_requests
    rows = []
    for reject in frame.itertuples():
        row: tuple[Any, ...] = (
            visible(reject.row), visible(reject.device_key, MAX_NAME), _time(reject.time),
            visible(reject.measurepoint, MAX_NAME), visible(reject.value, MAX_VALUE),
            visible(reject.reason),
        )  # fmt: skip
        row += (visible(reject.source, MAX_NAME),) * has_sources
        rows.append(row + (visible(reject.request_id, MAX_NAME),) * has_requests)
    first = f"The first {len(rows)} of {n:,}" if n > len(rows) else f"All {n:,}"
    caption = f"{first}{of}" if n > 1 else f"The one{of}"
    return Table(caption, tuple(columns), rows, frozenset({0}))


def _apart(results: pd.DataFrame) -> dict[str, Any]:
    found = taken_apart(results)
    if not found.n_divided:
        return {"sentence": "No request was taken apart.", "table": None}
    said = (
        f"{count(found.n_divided, 'request')} taken apart, to find what was to blame and to save "
        f"the rest: {count(found.n_parts, 'extra request')}."
    )
    fates = [fate for fate in FATES if fate in found.table]
    rows = [
        (row["request_id"], "" if pd.isna(row["code"]) else str(int(row["code"])),
         f"{int(row['values']):,}", f"{int(row['parts']):,}",
         *(f"{int(row[fate]):,}" for fate in fates))
        for row in found.table.head(MAX_ROWS).to_dict("records")
    ]  # fmt: skip
    columns = ("Request", "Code", "Values", "Parts", *(FATE_WORDS[fate][0] for fate in fates))
    most = (
        f", the {MAX_ROWS} with most of {len(found.table):,}" if len(found.table) > MAX_ROWS else ""
    )
    caption = f"Requests as planned that were taken apart{most}, and what became of their values"
    return {
        "sentence": said,
        "table": Table(caption, columns, rows, frozenset(range(1, len(columns)))),
    }


def _settings(facts: Mapping[str, Any]) -> list[Table]:
    run = {
        "mpreplay": facts.get("version"),
        "journal format": facts.get("format"),
        "run": facts.get("run_id"),
        "replays rejects of": (facts.get("parent") or {}).get("run_id"),
        "gateway": facts.get("gateway"),
        "connection": facts.get("connection"),
        "started": _moment(facts.get("started_at")),
        "ended": _moment(facts.get("ended_at")),
        "continued": facts.get("continued", 0),
        "stopped": facts.get("stopped") or "no",
    }
    counts = {_COUNTS.get(name, name): n for name, n in (facts.get("counts") or {}).items()}
    limits = facts.get("limits") or {}
    made_from = facts.get("fingerprint") or {}
    found = [
        ("The run", {name: value for name, value in run.items() if value is not None}),
        ("Made from", _given({k: v for k, v in made_from.items() if k not in limits})),
        ("Limits", limits),
        ("Also counted", counts),
    ]
    return [
        Table(caption, ("Name", "Value"), _plain(values.items()))
        for caption, values in found
        if values
    ]


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were given, and the names of the others together."""
    others = [name for name, value in values.items() if value is None or value == []]
    given = {name: value for name, value in values.items() if name not in others}
    return {**given, "not given": ", ".join(others)} if others else given


def _plain(values: Iterable[tuple[str, Any]]) -> list[tuple[Any, ...]]:
    return [(visible(name, MAX_NAME), _setting(value)) for name, value in values]


def _setting(value: Any) -> str:
    """Return a setting as text, without anything that could be a secret."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return visible(_SECRET.sub(r"\1***@", text))


def _moment(ms: int | None) -> str:
    if ms is None:
        return ""
    return pd.Timestamp(ms, unit="ms", tz="UTC").strftime("%Y-%m-%d %H:%M:%S UTC")


def _time(time: Any) -> str:
    if pd.isna(time):
        return ""
    shown = str(time.strftime("%Y-%m-%d %H:%M:%S.%f"))[:-3]
    return shown.removesuffix(".000")


def _seconds(value: float) -> str:
    return "" if isnan(value) else f"{value:.3f}"


def _duration(seconds: float) -> str:
    """Return how long something took, as people say it."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
