"""A plan in words, as a notebook's form and as a picture. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from ..display import notebook
from ..display.amounts import count, duration, size
from ..display.picture import Panel, Picture
from ..display.pictures import Arrivals, arrival_map
from ..display.plain_words import Apart
from ..display.sentences import Told, cause_in_words
from ..display.tables import MAX_ROWS, Table
from ..report.figures import arrivals

if TYPE_CHECKING:
    from .planned import Planned

__all__ = [
    "fate_words",
    "first_line",
    "gap_table",
    "key_of_map",
    "map_of",
    "notebook_form",
    "picture",
    "sizes_in_words",
    "told",
    "told_of",
]

MAX_CAUSES: Final = 10
# The fates of a plan: the meaning of each before the replay.
FATES: Final = {
    "accepted": "to be sent",
    "accepted_if_online": "to be sent, and declined if their sub-device is offline",
    "declined": "expected to be declined",
    "withheld": "to be withheld",
}
_MARKS: Final = {"accepted_if_online": "in_doubt"}  # how a fate of its own is drawn
_LIMITS: Final = {
    "bytes_per_second": "the limit of {:,.0f} bytes/s",
    "values_per_second": "the limit of {:,.0f} values/s",
}
EXAMPLE: Final = 6_000  # characters of the first request that are shown


def first_line(plan: Planned) -> str:
    """Return the plan in a line, without a full stop."""
    if not plan.n_requests:
        return "There is no value to send"
    copies = f", for {count(plan.n_copies, 'equal copy')} more as well" if plan.n_copies else ""
    return (
        f"{plan.n_sent:,} of {count(plan.n_values, 'value')} would go out in "
        f"{count(plan.n_requests, 'request')}, {sizes_in_words(plan)}{copies}"
    )


def sizes_in_words(plan: Planned) -> str:
    """Return the size of the requests, and of what would travel if they are packed."""
    packed = "" if plan.n_bytes_packed is None else f" ({size(plan.n_bytes_packed)} packed)"
    return f"{size(plan.n_bytes)}{packed}"


def told(plan: Planned) -> Iterator[str]:
    """Yield sentences about time, limits and what is to be expected of the platform."""
    for one in told_of(plan):
        yield f"{one.said} ({one.arguments})." if one.arguments else f"{one.said}."


def told_of(plan: Planned) -> Iterator[Apart]:
    """Yield these sentences without full stops, their arguments apart."""
    if plan.n_requests:
        yield Apart(_time(plan))
    if plan.n_copies:
        share = "is equal to another" if plan.n_copies == 1 else "are equal to others"
        yield Apart(
            f"{count(plan.n_copies, 'reading')} {share} of the same device, point and time: they "
            "are not sent twice, and count as sent with these"
        )
    if plan.n_offline:
        yield Apart(
            f"{count(plan.n_offline, 'sub-device')} would not be signed in by this replay: what "
            "belongs to one that is offline is declined with code 1212, unless it is signed in, or "
            "the platform is asked to take it",
            "sub_device_secrets=…, or allow_offline_sub_device=True",
        )
    if len(gaps := plan.gaps):
        days = int(gaps["days"].sum())
        yield Apart(
            f"There {'is' if days == 1 else 'are'} {count(days, 'day')} without any value between "
            f"the first and the last day of {count(gaps['device_key'].nunique(), 'device')}"
        )


def _time(plan: Planned) -> str:
    limits = plan.made.limits
    if plan.limited_by is None:
        return "No limit on bytes or values is set: the platform's replies decide the time"
    limit = _LIMITS[plan.limited_by].format(getattr(limits, plan.limited_by))
    if plan.n_bytes_packed is not None:
        limit += f" (without compression {duration(plan.seconds_plain)})"
    return (
        f"It takes at least {duration(plan.seconds)}, by {limit}; replies slower than "
        f"{duration(plan.slowest_reply)} make it longer, with {count(limits.window, 'request')} in "
        f"flight. At 5,000 values/s, an organisation's usual contract, it takes "
        f"{duration(plan.seconds_at_5000)}. It connects once"
    )


def fate_words(plan: Planned) -> list[tuple[str, int, str]]:
    """Return fate, number of values, and both in words."""
    return [(_MARKS.get(fate, fate), n, f"{n:,} {FATES[fate]}") for fate, n in plan.fates.items()]


def causes_told(plan: Planned) -> list[tuple[str, Told]]:
    """Return the fate and the words of each cause."""
    return [(one.outcome, cause_in_words(one)) for one in plan.foreseen]


def map_of(plan: Planned) -> Arrivals:
    """Return the plan as a map of devices and days."""
    return arrivals(plan.made.forecast.books)


def key_of_map(plan: Planned) -> tuple[tuple[str, str], ...]:
    """Return the fates that the map shows, in words."""
    fates = dict(plan.fates)
    if_online = fates.pop("accepted_if_online", 0)
    words = dict(FATES)
    if if_online:  # a cell does not tell the two apart
        fates["accepted"] += if_online
        words["accepted"] = "to be sent; accepted if the sub-device is online"
    return tuple((fate, words[fate]) for fate, n in fates.items() if n)


def gap_table(plan: Planned) -> Table:
    """Return the longest gaps as a table."""
    gaps = plan.gaps.sort_values("days", ascending=False, kind="stable")
    rows: list[tuple[Any, ...]] = [
        (one.device_key, f"{one.first_day:%Y-%m-%d}", f"{one.last_day:%Y-%m-%d}", f"{one.days:,}")
        for one in gaps.head(MAX_ROWS).itertuples(index=False)
    ]
    more = f", the longest {MAX_ROWS} of {len(gaps):,}" if len(gaps) > MAX_ROWS else ""
    columns = ("Device", "From", "To", "Days")
    return Table(f"Days without a value{more}", columns, rows, frozenset({3}))


def picture(plan: Planned) -> Picture:
    """Return the map of devices and days as a picture."""
    found = map_of(plan)
    key = key_of_map(plan)
    title = f"Each column is a {found.step}; empty: no readings" if found.devices else ""
    return Picture(f"Plan: {first_line(plan)}", (Panel(arrival_map(found), title, key),))


def notebook_form(plan: Planned) -> str:
    """Return what a notebook shows of a plan, a screen at most."""
    causes = causes_told(plan)
    items = [
        f"{one.sentence}. To do: {one.advice}." if str(one.advice) else f"{one.sentence}."
        for _, one in causes[:MAX_CAUSES]
    ]
    more = len(causes) - MAX_CAUSES
    return notebook.block(
        notebook.heading(first_line(plan), _raised(plan), *told(plan)),
        notebook.bar(fate_words(plan)),
        notebook.listed(items),
        notebook.note(f"{more:,} causes more are in .causes." if more > 0 else ""),
        notebook.note(".coverage has each device and day, .first_request what goes out first."),
    )


def _raised(plan: Planned) -> str:
    return f"Replay would raise and send nothing: {plan.would_raise}" if plan.would_raise else ""
