"""The page of a fleet, in the look of a run's report. A shell over its template."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from ..display.amounts import MAX_NAME, count, visible
from ..display.facts import Standing as Sums
from ..display.page import mark, page
from ..display.pictures import tone_of
from ..display.sentences import FATE_WORDS, cause_in_words
from ..display.tables import MAX_FILE_ROWS, MAX_ROWS, Table
from ..frames import FATES
from ..journal.points import models_of, sent_by_point
from ..journal.reader import of_journal
from ..report.causes import gathered_of
from ..report.checked import checked_section, fates_by_point
from ..report.merging import Merging
from ..report.overview import balance_section
from ..report.reject_groups import causes_told, more_causes, reject_groups
from .fleet_words import Standing, headline, status_table, totals

if TYPE_CHECKING:
    from ..journal.reader import JournalReader
    from ..model.thing_model import ThingModel
    from ..report.causes import Gathered
    from ..report.checked import Point

__all__ = ["Told", "rendered", "told_of"]

_TEMPLATE: Final = "fleet_page.html.jinja"
MAX_GATEWAYS: Final = 1_000


class Told(NamedTuple):
    """The facts that the journals of a fleet tell together.

    Parameters
    ----------
    gathered : Gathered
        Rejects by cause.
    gateways : list of int
        Number of gateways with each cause.
    fates : dict
        Number of values of each fate by point.
    models : dict of str to ThingModel
        Thing models by product.
    """

    gathered: Gathered
    gateways: list[int]
    fates: dict[Point, Counter[str]]
    models: dict[str, ThingModel]


def told_of(journals: Iterable[tuple[str, JournalReader]]) -> Told:
    """Return the facts of journals together, each given with the name of its gateway."""
    merging, models = Merging(), dict[str, "ThingModel"]()
    fates: dict[Point, Counter[str]] = defaultdict(Counter)
    for name, reader in journals:
        models = models or models_of(reader)  # one for the whole fleet
        found, own = _of_one(reader, name, models)
        merging.add(found)
        for point, counts in own.items():
            fates[point].update(counts)
    return Told(*merging.result(), fates, models)


@of_journal
def _of_one(
    reader: JournalReader, name: str, models: dict[str, ThingModel]
) -> tuple[Gathered, dict[Point, Counter[str]]]:
    found = gathered_of(reader, n_examples=MAX_FILE_ROWS)
    examples = [rows.assign(gateway=name) for rows in found.examples]
    fates = fates_by_point(sent_by_point(reader), found.by_point, models)
    return found._replace(examples=examples), fates


def rendered(standings: Sequence[Standing], told: Told, name: str) -> str:
    """Return a fleet as one HTML page.

    Raises
    ------
    ConfigError
        If Jinja2 is not installed.
    """
    first, rest = headline(standings)
    sums = totals(standings)
    is_complete = all(one.is_complete for one in standings)
    is_whole = is_complete and sums["accepted"] == sums["read"]
    whole = Sums({fate: sums[fate] for fate in ("read", *FATES)}, is_complete=is_complete)
    return page(
        __package__,
        _TEMPLATE,
        arrived=mark("accepted"),
        headline=first,
        rest=rest,
        state="Complete" + ", with rejects" * (not is_whole) if is_complete else "Not complete",
        tone=tone_of(is_whole=is_whole and bool(sums["read"]), is_done=is_complete),
        name=visible(name, 2 * MAX_NAME),
        facts=[
            ("Gateways", count(len(standings))),
            ("Devices", count(sums["devices"])),
            *_span(standings),
            ("Values", count(sums["read"])),
            ("Requests", count(sums["requests"])),
        ],
        causes=causes_told(told.gathered, whole),
        more_causes=more_causes(told.gathered),
        spread=_spread(told),
        balance=balance_section(whole),
        checked=checked_section(told.fates, told.models, whole),
        gateways=_without_empty(status_table(standings, MAX_GATEWAYS)),
        rejects=reject_groups(told.gathered, whole),
    )


def _span(standings: Sequence[Standing]) -> list[tuple[str, str]]:
    """Return the first and the last day of the values in requests."""
    first = [str(one.numbers["first_time"]) for one in standings if one.numbers.get("first_time")]
    last = [str(one.numbers["last_time"]) for one in standings if one.numbers.get("last_time")]
    if not first or not last:
        return []
    begin, end = min(first)[:10], max(last)[:10]
    return [("Readings", begin if begin == end else f"{begin} to {end}")]


def _without_empty(table: Table) -> Table:
    """Return the gateways without the columns in which nothing stands.

    They are lines unless a sentence says why one has failed.
    """
    kept = [n for n in range(len(table.columns)) if any(row[n] for row in table.rows)]
    return replace(
        table,
        columns=tuple(table.columns[n] for n in kept),
        rows=[tuple(row[n] for n in kept) for row in table.rows],
        numbers=frozenset(place for place, n in enumerate(kept) if n in table.numbers),
        is_lines=table.columns[-1] != "Why" or len(table.columns) - 1 not in kept,
    )


def _spread(told: Told) -> Table:
    """Return on how many gateways each cause was met."""
    rows = [
        (
            cause_in_words(cause, plain=True).said,
            FATE_WORDS[cause.outcome][0],
            f"{cause.n:,}",
            f"{n:,}",
        )
        for cause, n in zip(told.gathered.causes[:MAX_ROWS], told.gateways, strict=False)
    ]
    columns = ("Cause", "Fate", "Values", "Gateways")
    return Table("Gateways on which each cause was met", columns, rows, frozenset({2, 3}))
