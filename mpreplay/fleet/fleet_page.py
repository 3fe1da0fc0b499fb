"""The page of a fleet, in the look of a run's report. A shell over its template."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from ..display.amounts import MAX_NAME, count, moment, visible
from ..display.facts import NAMES_SHOWN
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
from ..report.overview import balance_section, glossary
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
# Whether the sums of all gateways agree, in words.
_TRUST: Final = {
    True: "Every value that was read has one fate: those of all gateways add up to what was read.",
    False: "The fates of all gateways do not add up to what was read: a journal is damaged or was "
    "altered.",
}


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
    devices : list of str
        The first devices in order, and the last.
    began : list of int
        Times at which gateways began, in milliseconds since the epoch.
    """

    gathered: Gathered
    gateways: list[int]
    fates: dict[Point, Counter[str]]
    models: dict[str, ThingModel]
    devices: list[str]
    began: list[int]


def told_of(journals: Iterable[tuple[str, JournalReader]]) -> Told:
    """Return the facts of journals together, each given with the name of its gateway."""
    merging, models = Merging(), dict[str, "ThingModel"]()
    fates: dict[Point, Counter[str]] = defaultdict(Counter)
    devices: list[str] = []
    began: list[int] = []
    for name, reader in journals:
        models = models or models_of(reader)  # one for the whole fleet
        found, own, names, at = _of_one(reader, name, models)
        merging.add(found)
        for point, counts in own.items():
            fates[point].update(counts)
        devices = _ends_of(devices, names)
        began += [at] if at else []
    return Told(*merging.result(), fates, models, devices, began)


def _ends_of(known: list[str], more: list[str]) -> list[str]:
    """Return the first names in order, and the last."""
    names = sorted({*known, *more})
    return [*names[:NAMES_SHOWN], *names[NAMES_SHOWN:][-1:]]


@of_journal
def _of_one(
    reader: JournalReader, name: str, models: dict[str, ThingModel]
) -> tuple[Gathered, dict[Point, Counter[str]], list[str], int]:
    found = gathered_of(reader, n_examples=MAX_FILE_ROWS)
    examples = [rows.assign(gateway=name) for rows in found.examples]
    fates = fates_by_point(sent_by_point(reader), found.by_point, models)
    names = [key for _, key in reader.names().devices if key]
    began = int(reader.facts().get("started_at") or 0)
    return found._replace(examples=examples), fates, names, began


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
            ("Devices", _devices(told.devices, sums["devices"])),
            *_span(standings),
            *((("Started", moment(min(told.began))),) if told.began else ()),
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
        trust=_TRUST[whole.is_balanced],
        words=glossary(),
    )


def _devices(names: Sequence[str], n: int) -> str:
    """Return the devices by name if they are few, else their number with the first and last."""
    shown = [visible(one, MAX_NAME) for one in names]
    if len(shown) == n <= NAMES_SHOWN or not shown:
        return ", ".join(shown) or count(n)
    return f"{n:,}: {shown[0]} … {shown[-1]}"


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
