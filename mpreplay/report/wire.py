"""The section of a report about the wire: codes, latency and throughput over time.

Pure: results in, texts and pictures out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pandas as pd

from ..conversation.pacing import BURST
from ..conversation.transport import PACKED_BYTES, PLAIN_REPLIES
from ..display.amounts import count, duration, seconds, setting
from ..display.facts import Standing
from ..display.page import mark, safe
from ..display.sentences import FATE_WORDS
from ..display.tables import MAX_ROWS, Table
from ..protocol.codes import return_code
from .figures import timeline
from .legs import legs_of
from .over_time import NO_REPLY, Timeline, code_bars, code_fates, lines, stroke

__all__ = ["wire_section"]

SHORT: Final = 10 * BURST  # of a run whose average pace says little [s]
FEWEST_STEPS: Final = 3  # of a picture over time
# Outcomes of requests that were never sent, in words.
_UNSENT: Final = {
    "declined": "declined, held back",
    "divided": "divided before it was sent",
}


def wire_section(
    results: pd.DataFrame, facts: Mapping[str, Any], standing: Standing
) -> dict[str, Any] | None:
    """Return the section of a report about the wire, or None if nothing was sent.

    Parameters
    ----------
    results : DataFrame
        One row a request; the outcome of an unsettled request is ``open``.
    facts : mapping
        Facts of the run from the journal.
    standing : Standing
        State of the run.
    """
    line = timeline(results, legs_of(facts, results))
    if line is None:
        return None
    return {
        "sentences": [
            " ".join(_told_of_wire(results, line)),
            " ".join(_told_of_rate(results, line, facts)),
            _retries(results, facts, standing),
        ],
        "pictures": _pictures(line) if len(line.steps) >= FEWEST_STEPS else [],
        "codes": _codes(results),
        "notes": _notes_on_codes(results, facts),
        "steps": _steps(line),
    }


def _told_of_wire(results: pd.DataFrame, line: Timeline) -> Iterator[str]:
    n = count(int(line.codes.to_numpy().sum()), "request")
    yield f"{n} in steps of {duration(line.width)}; one counts in the step in which it was sent."
    latency = results["latency"].dropna()
    if len(latency):
        yield (
            f"A reply took {duration(latency.median())} (median), the slowest "
            f"{duration(latency.max())}."
        )
    if line.pauses:
        times = count(len(line.pauses), "time") if len(line.pauses) > 1 else "once"
        others = "; dotted lines mark the shorter ones" * (len(line.pauses) > len(line.gaps))
        idle = f"Between requests the run was idle {times}, {duration(line.paused)} in all"
        yield f"{idle}: gaps show it{others}."


def _told_of_rate(results: pd.DataFrame, line: Timeline, facts: Mapping[str, Any]) -> Iterator[str]:
    yield from _told_of_packing(facts.get("counts") or {})
    if line.span < SHORT:  # the burst of its first second would look like a breach of the limit
        return
    sent = results[results["sent_at"].notna()]
    n_bytes, n_values = (int(sent[name].sum() / line.span) for name in ("n_bytes", "n_values"))
    yield (
        f"On average {n_bytes:,} bytes and {n_values:,} values a second were sent, over "
        f"{duration(line.span)}."
    )
    if limit := (facts.get("limits") or {}).get("bytes_per_second"):
        at_once = f"after a pause, {BURST:g} s of it may go at once"
        yield (
            f"The limit was {setting(limit)} bytes a second; {at_once}. A request counts whole at "
            "the time at which it was begun, and goes out at the limit's pace from there: what "
            "waits behind others shows as latency."
        )


def _told_of_packing(counts: Mapping[str, int]) -> Iterator[str]:
    if PACKED_BYTES in counts:
        yield (
            f"All that was sent came to {counts[PACKED_BYTES]:,} bytes as it travelled, packed; "
            "the bytes of requests here are those before packing, the limit counts those after."
        )
    if n := counts.get(PLAIN_REPLIES):
        yield f"{count(n, 'message')} of the platform came in plain, though packing was asked for."


def _retries(results: pd.DataFrame, facts: Mapping[str, Any], standing: Standing) -> str:
    """Return a sentence about requests that were sent more than once."""
    attempts = results["attempts"]
    n, most = int((attempts > 1).sum()), int(attempts.max())
    published = (facts.get("counts") or {}).get("published")
    # Of a part of the run that was killed: sent, and begun anew by the part that followed.
    lost = max(int(published or 0) - int(attempts.sum()), 0) * (not standing.is_going)
    said = [f"No request needed a second attempt{' within a part of the run' * bool(lost)}"]
    if n:
        said = [f"{count(n, 'request')} needed several attempts, at most {most}"]
    if published is not None and not standing.is_going:
        ended = f", {lost:,} of them before a part of the run ended without their answer"
        times = count(int(published), "time")
        said.append(f"the requests were published {times} in all{ended * bool(lost)}")
    kept = " Of each only the last attempt's code and latency are kept." if n else ""
    kept += " Of requests that have not settled it is not known." if standing.is_going else ""
    return f"{'; '.join(said)}.{kept}"


def _pictures(line: Timeline) -> list[dict[str, Any]]:
    solid, dashed = safe(stroke("solid")), safe(stroke("dashed"))
    fates = code_fates([str(code) for code in line.codes])
    step = f"steps of {duration(line.width)}"
    key_of_codes = [(mark(fate), code) for code, fate in fates.items()]
    key_of_latency = [(solid, "median"), (dashed, "slowest")]
    key_of_rate = [(solid, f"sent, without retries, in {step}")]
    latency = lines(line, "Latency over time, in seconds", {"median": "solid", "slowest": "dashed"})
    n_bytes = lines(line, "Bytes a second over time", {"bytes": "solid"})
    n_values = lines(line, "Values a second over time", {"values": "solid"})
    pictures = [
        ("Requests by return code", key_of_codes, code_bars(line)),
        ("Latency, in seconds", key_of_latency, latency),
        ("Bytes a second", key_of_rate, n_bytes),
        ("Values a second", key_of_rate, n_values),
    ]
    return [{"title": title, "key": key, "svg": safe(svg)} for title, key, svg in pictures]


def _codes(results: pd.DataFrame) -> Table:
    keys = ["code", "outcome", "sent"]
    counted = results.assign(n=1, sent=results["attempts"] > 0)
    sums = counted.groupby(keys, dropna=False)[["n", "n_values"]].sum().reset_index()
    rows = [
        (*_code(row), _outcome(row), f"{row['n']:,}", f"{row['n_values']:,}")
        for row in sums.to_dict("records")
    ]
    columns = ("Code", "Meaning", "Outcome", "Requests", "Values in them")
    return Table("Requests by return code", columns, rows[:MAX_ROWS], frozenset({3, 4}))


def _outcome(row: Mapping[Any, Any]) -> str:
    """Return the outcome of a request in words; an unsent request has words of its own."""
    outcome = str(row["outcome"])
    said = FATE_WORDS[outcome][0] if outcome in FATE_WORDS else outcome
    return said if row["sent"] else _UNSENT.get(outcome, said)


def _code(row: Mapping[Any, Any]) -> tuple[str, str]:
    """Return a code and its meaning; a request without a reply has no meaning."""
    if pd.isna(row["code"]):
        return (NO_REPLY if row["outcome"] == "in_doubt" else "none"), ""
    return str(int(row["code"])), return_code(int(row["code"])).meaning


def _notes_on_codes(results: pd.DataFrame, facts: Mapping[str, Any]) -> list[str]:
    """Return the reasons why values in requests differ from the balance."""
    notes = []
    copies = int((facts.get("counts") or {}).get("equal_copies") or 0)
    if copies:
        travel = "travels" if copies == 1 else "travel"
        notes.append(
            f"{count(copies, 'equal copy')} of other readings {travel} with them, once, and "
            "count in the balance but not in requests."
        )
    if (results["outcome"] == "divided").any():
        notes.append("Values of divided requests count again in the parts that were sent instead.")
    if ((results["outcome"] == "declined") & (results["attempts"] == 0)).any():
        notes.append(
            "Held back, not sent: an entry of the same device had been declined just before."
        )
    return notes


def _steps(line: Timeline) -> Table:
    names = [str(code) for code in line.codes]
    rows = [
        (
            step["start"].strftime("%Y-%m-%d %H:%M:%S.%f")[:-3],
            *(seconds(step[name]) for name in ("median", "slowest")),
            *(f"{step[name]:,.0f}" for name in ("bytes", "values")),
            *(f"{n:,}" for n in line.codes.iloc[number]),
        )
        for number, step in enumerate(line.steps.to_dict("records"))
        if step["requests"]
    ]
    columns = ("First sent", "Median [s]", "Slowest [s]", "Bytes/s", "Values/s", *names)
    return Table(
        f"Steps of {duration(line.width)} in which requests were sent; requests by code",
        columns,
        rows,
        frozenset(range(1, len(columns))),
        is_lines=True,
    )
