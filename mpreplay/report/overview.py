"""The balance of a run, and the map of arrivals over time. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..display.amounts import MAX_NAME, count, share, shares, visible
from ..display.facts import NAMES_SHOWN, OPEN, SHOWN_FATES
from ..display.page import mark, safe
from ..display.pictures import arrival_map, balance
from ..display.plain_words import TERMS
from ..display.sentences import FATE_WORDS, listed
from ..display.tables import MAX_ROWS, Table
from ..frames import FATES
from .figures import arrivals

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from ..display.facts import Standing
    from ..display.pictures import Arrivals
    from ..outcome.packed_counts import Names

LITTLE: Final = 0.005  # share from which a part of a bar has its true width


def balance_section(standing: Standing) -> dict[str, Any]:
    """Return the balance of a run: a sentence, a picture and a table."""
    counts = {fate: standing.n(fate) for fate in SHOWN_FATES if standing.n(fate)}
    terms = " + ".join(f"{n:,} {FATE_WORDS[fate][0]}" for fate, n in counts.items())
    sign = "=" if standing.is_balanced else "≠"
    read = standing.n("read")
    others = [FATE_WORDS[fate][0] for fate in FATES if fate not in counts]
    none = f"No value was {listed(others, 'or')}." if others else ""
    of_fates = shares(list(counts.values()), read)
    rows = [
        (_labelled(fate), f"{n:,}", part, FATE_WORDS[fate][1])
        for (fate, n), part in zip(counts.items(), of_fates, strict=True)
    ]
    notes = []
    if 0 < standing.n_missing < 0.1 * read:
        notes.append(f"The lower bar shows the {standing.n_missing:,} that did not arrive.")
    if any(0 < n < LITTLE * read for n in counts.values()):
        notes.append("What is very little is drawn wider than it is.")
    return {
        "sentence": f"{count(read, 'value')} read {sign} {terms or 0}. {none}".strip(),
        "picture": safe(balance(counts)) if read else "",
        "note": " ".join(notes),
        "table": Table(
            "What became of the values that were read",
            ("Fate", "Values", "Share", "What it means"),
            [*rows, ("read", f"{read:,}", share(read, read), "the sum of the above")],
            frozenset({1, 2}),
        ),
    }


def _labelled(fate: str) -> Any:
    from markupsafe import Markup

    return Markup('<span class="whole">{} {}</span>').format(mark(fate), FATE_WORDS[fate][0])


def glossary() -> Table:
    """Return the words that a page about a run uses, with their meanings."""
    return Table("The words of this page", ("Word", "Meaning"), list(TERMS))


def scope_of(books: Iterable[pd.DataFrame], names: Names) -> list[tuple[str, str]]:
    """Return which devices the values of a run are of, and the span of their days."""
    devices = sorted({key for _, key in names.devices if key})
    shown = [visible(one, MAX_NAME) for one in devices]
    told = ", ".join(shown)
    if len(shown) > NAMES_SHOWN:
        told = f"{len(shown):,}: {shown[0]} … {shown[-1]}"
    found = (("Devices", told), ("Readings", span_of(books)))
    return [(name, words) for name, words in found if words]


def span_of(books: Iterable[pd.DataFrame]) -> str:
    """Return the first and the last day of values; the empty text without a day."""
    ends = [(part["day"].min(), part["day"].max()) for part in books if part["day"].notna().any()]
    if not ends:
        return ""
    first, last = min(one for one, _ in ends), max(one for _, one in ends)
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}" if first < last else f"{first:%Y-%m-%d}"


def map_section(books: Iterable[pd.DataFrame], standing: Standing) -> dict[str, Any] | None:
    """Return the map of arrivals by device and period, or None without a device."""
    found = arrivals(books)
    if not found.devices:
        return None
    missing = found.read - found.accepted
    touched = int((missing > 0).sum())
    said = [
        f"Each column is a {found.step}, each row a device; a cell is filled from below by the "
        "share that arrived, and above that by the fate that most of the others met. However few "
        "they are, they are drawn high enough to be seen."
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
    worst = sorted(zip(*missing.nonzero(), strict=True), key=lambda cell: -missing[cell])
    numbers = (found.read, found.accepted, missing)
    cells = [
        (found.devices[row], found.periods[column], *(f"{n[row, column]:,}" for n in numbers))
        for row, column in worst[:MAX_ROWS]
    ]
    most = f", the {MAX_ROWS} with most of {touched:,}" if touched > MAX_ROWS else ""
    return {
        "sentence": " ".join(said),
        "picture": safe(arrival_map(found, unanswered=_unanswered(standing))),
        "key": _key_of_map(found, standing),
        "devices": _devices(found.devices, found.read, found.accepted),
        "worst": cells
        and Table(
            f"Cells in which values are missing{most}",
            ("Device", f"{found.step.capitalize()} from", "Read", "Accepted", "Missing"),
            cells,
            frozenset({2, 3, 4}),
            is_lines=True,
        ),
    }


def _key_of_map(found: Arrivals, standing: Standing) -> list[tuple[Any, str]]:
    """Return the legend of the map: the fates that most of the missing values of a cell met."""
    missing = found.read - found.accepted
    key = []
    for number, fate in enumerate(FATES):
        of_fate = (missing > 0) & (found.most == number)
        if not of_fate.any():
            continue
        shown = _unanswered(standing) if fate == "in_doubt" else fate
        name = FATE_WORDS[shown][0]
        if shown == "in_doubt" and standing.n(OPEN):
            name = f"{name} or {FATE_WORDS[OPEN][0]}"
        key.append((mark(shown), name))
    return key


def _unanswered(standing: Standing) -> str:
    """Return the fate behind "in doubt" in the books, which do not tell open from in doubt."""
    return OPEN if standing.n(OPEN) and not standing.n("in_doubt") else "in_doubt"


def _devices(names: list[str], read: Any, accepted: Any) -> Table:
    rows = [
        (name, f"{of_row:,}", f"{arrived:,}", f"{of_row - arrived:,}", share(arrived, of_row))
        for name, of_row, arrived in zip(
            names, map(int, read.sum(axis=1)), map(int, accepted.sum(axis=1)), strict=True
        )
    ]
    columns = ("Device", "Read", "Accepted", "Missing", "Arrived")
    return Table("Values by device", columns, rows, frozenset({1, 2, 3, 4}), is_lines=True)
