"""The points that a run has checked: their rules, their values, and the fates of these.

Pure: counts of a journal in, a table out. A journal holds no values; it counts those in requests by
point, and lists each reject.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from ..display.amounts import MAX_NAME, visible
from ..display.facts import SHOWN_FATES
from ..display.page import mark
from ..display.sentences import FATE_WORDS, names, unit_in_words
from ..display.tables import Table, Wanted, downloads
from ..display.verdict import allowed_in_words

if TYPE_CHECKING:
    from ..display.facts import Standing
    from ..model.measurepoint import Measurepoint
    from ..model.thing_model import ThingModel
    from ..outcome.point_counts import PointCounts

__all__ = ["checked_section", "fates_by_point"]

MAX_POINTS: Final = 200
_REJECTED: Final = frozenset({"declined", "withheld"})  # of which each value is a reject
# Columns that stand in the table however few values they count.
_ALWAYS: Final = ("accepted", "withheld", "declined")
Point = tuple[str, str]  # the product where each has a model of its own, else ""; the identifier


def fates_by_point(
    sent: PointCounts,
    rejected: Mapping[tuple[str, str, str], int],
    models: Mapping[str, ThingModel],
) -> dict[Point, Counter[str]]:
    """Return the number of values of each fate by point; points of the models without any, too.

    Parameters
    ----------
    sent : mapping
        Values in requests by point and outcome.
    rejected : mapping
        Rejects by product, point and outcome.
    models : mapping of str to ThingModel
        Thing models by product; of a single one the product is empty.
    """
    found: dict[Point, Counter[str]] = defaultdict(Counter)
    for product, model in models.items():
        for identifier in model.measurepoints:
            found[product, identifier] = Counter()
    by_product = any(models)
    for (product, point), fates in sent.items():
        found[product if by_product else "", point].update(fates)
    for (product, point, fate), n in rejected.items():
        if fate in _REJECTED:
            found[product if by_product else "", point][fate] += n
    return dict(found)


def checked_section(
    fates: Mapping[Point, Counter[str]], models: Mapping[str, ThingModel], standing: Standing
) -> dict[str, Any] | None:
    """Return a row for each point that has values, also where all of them arrived.

    Those with most rejects come first, the others in the order of the model.
    """
    with_values = {point: counts for point, counts in fates.items() if counts.total()}
    if not with_values:
        return None
    order = sorted(
        with_values, key=lambda one: _arrived(with_values[one]) - with_values[one].total()
    )
    columns = [*_ALWAYS]
    columns += [
        fate
        for fate in SHOWN_FATES
        if fate not in _ALWAYS and any(counts[fate] for counts in with_values.values())
    ]
    rows = [_row(one, with_values[one], models, columns) for one in order]
    heads = ["passed" if fate == "accepted" else FATE_WORDS[fate][0] for fate in columns]
    names_of = ("Point", "Type", "Range", "Unit", "Values", *(head.capitalize() for head in heads))
    cut = f", the first {MAX_POINTS} of {len(rows):,}" if len(rows) > MAX_POINTS else ""
    [whole] = downloads([Wanted(pd.DataFrame(rows, columns=names_of), len(rows), "points checked")])
    table = Table(
        f"Values of each point{cut}; passed is what the platform answered with 200",
        names_of,
        [_shown(row, with_values[one]) for row, one in zip(rows[:MAX_POINTS], order, strict=False)],
        frozenset(range(4, len(names_of))),
        is_lines=True,
        download=whole if cut else None,
    )
    return {
        "sentence": _sentence(with_values),
        "table": table,
        "notes": [*_notes(fates, with_values, models, standing)],
    }


def _arrived(counts: Counter[str]) -> int:
    return counts["accepted"]


def _sentence(points: Mapping[Point, Counter[str]]) -> str:
    whole = sum(_arrived(counts) == counts.total() for counts in points.values())
    if whole == len(points):
        return f"Every value of {_of(whole)} passed."
    if whole:
        return f"Every value of {whole:,} of {len(points):,} points passed; the others come first."
    each = f"Each of the {len(points):,} points" if len(points) > 1 else "The one point"
    return f"{each} has values that did not arrive."


def _of(n: int) -> str:
    return "the one point" if n == 1 else f"all {n:,} points"


def _notes(
    fates: Mapping[Point, Counter[str]],
    points: Mapping[Point, Counter[str]],
    models: Mapping[str, ThingModel],
    standing: Standing,
) -> Any:
    """Yield what the table cannot tell."""
    empty = tuple(
        visible(_name(one, len(models) > 1), MAX_NAME) for one in fates if one not in points
    )
    if empty:
        yield f"No value was read of {names(empty, 'points')} of the thing model."
    if not models:
        yield "The journal does not hold the thing model: types, ranges and units are not known."
    counted = sum(counts.total() for counts in points.values())
    if counted < standing.n("read"):
        yield (
            f"The journal tells the points of {counted:,} of the {standing.n('read'):,} values "
            "that were read."
        )


def _name(point: Point, has_products: bool) -> str:
    product, identifier = point
    return f"{identifier or 'no point named'}{f' ({product})' if product and has_products else ''}"


def _row(
    point: Point, counts: Counter[str], models: Mapping[str, ThingModel], columns: list[str]
) -> tuple[Any, ...]:
    """Return the name of a point, its rules, and the numbers of its values."""
    product, identifier = point
    model = models.get(product)
    known = model.measurepoints.get(identifier) if model is not None else None
    name = visible(_name(point, len(models) > 1), MAX_NAME)
    return (name, *_rules(known, model), counts.total(), *(counts[fate] for fate in columns))


def _rules(point: Measurepoint | None, model: ThingModel | None) -> tuple[str, str, str]:
    """Return type, range and unit of a point."""
    if point is None:
        return "" if model is None else "not in the model", "", ""
    kind = f"{point.type} of {point.item_type}" if point.item_type else point.type
    return kind, allowed_in_words(point), unit_in_words(point.unit).strip()


def _shown(row: tuple[Any, ...], counts: Counter[str]) -> tuple[Any, ...]:
    """Return a row with the mark of the fate that most of its other values met, if any."""
    from markupsafe import Markup

    worst = max(SHOWN_FATES[1:], key=lambda fate: counts[fate])
    fate = "accepted" if _arrived(counts) == counts.total() else worst
    name = Markup("{} {}").format(mark(fate), row[0])
    return (name, row[1], row[2] or "–", row[3] or "–", *(f"{n:,}" if n else "–" for n in row[4:]))
