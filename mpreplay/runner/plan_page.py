"""The page of a plan, in the look of a run's report. A shell over its template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..display.amounts import MAX_NAME, count, duration, visible
from ..display.page import aside, mark, page, safe, whole
from ..display.pictures import arrival_map, tone_of
from ..display.plain_words import Apart, told_apart
from ..display.reasons import plain_advice
from ..display.sentences import cause_in_words
from ..display.tables import Table
from ..report.overview import span_of
from .plan_words import EXAMPLE, fate_words, first_line, gap_table, key_of_map, map_of, told_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .planned import Planned

__all__ = ["rendered"]

_TEMPLATE: Final = "plan_page.html.jinja"
MAX_CAUSES: Final = 40
MAX_HINTS: Final = 8


def rendered(plan: Planned) -> str:
    """Return a plan as one HTML page.

    Raises
    ------
    ConfigError
        If Jinja2 is not installed.
    """
    causes = plan.foreseen
    found = map_of(plan)
    return page(
        __package__,
        _TEMPLATE,
        headline=first_line(plan),
        rest=aside(*_raised(plan)),
        state=_state(plan),
        tone=tone_of(
            is_whole=not plan.would_raise and 0 < plan.n_values == plan.fates.get("accepted", 0),
            is_done=not plan.would_raise,
        ),
        gateway=visible(plan.made.gateway, 2 * MAX_NAME),
        facts=[(name, value) for name, value in _headlines(plan) if value],
        sentences=[aside(one) for one in told_of(plan)],
        causes=[
            {
                "swatch": mark(one.outcome),
                "said": whole(*cause_in_words(one, plain=True)[:2]),
                "mend": plain_advice(one.advice),
            }
            for one in causes[:MAX_CAUSES]
        ],
        more_causes=max(0, len(causes) - MAX_CAUSES),
        balance=_balance(plan),
        map=safe(arrival_map(found)) if found.devices else "",
        step=found.step,
        key=[(mark(fate), words) for fate, words in key_of_map(plan)],
        gaps=gap_table(plan),
        request=visible(plan.first_request[:EXAMPLE]),
        is_cut=len(plan.first_request) > EXAMPLE,
        sources=Table("Sources", ("Source",), [(visible(one),) for one in plan.made.names[:30]]),
    )


def _raised(plan: Planned) -> Iterator[Apart]:
    """Yield the reasons for which a replay would send nothing."""
    forecast = plan.made.forecast
    if not plan.would_raise:
        return
    yield Apart("A replay would send nothing")
    if forecast.policy.on_invalid == "raise" and forecast.n_violations:
        there = "There is" if forecast.n_violations == 1 else "There are"
        many = count(forecast.n_violations, "violation")
        yield Apart(f"{there} {many} of the thing model")
        yield Apart("A replay that withholds these sends the rest", "on_invalid='withhold'")
        yield from map(told_apart, forecast.hints[:MAX_HINTS])
    if forecast.policy.duplicates == "raise" and (n := plan.n_superseded):
        yield Apart(
            f"{count(n, 'value')} {'has' if n == 1 else 'have'} the device, time and point of "
            "another, and another value: state which of them the replay sends",
            "duplicates='first' or duplicates='last'",
        )


def _state(plan: Planned) -> str:
    if plan.would_raise:
        return "Not ready: nothing would be sent"
    if plan.n_offline:
        return f"Ready; {count(plan.n_offline, 'sub-device')} must be online"
    kept = plan.n_values - plan.fates.get("accepted", 0)
    return f"Ready to send all but {count(kept, 'value')}" if kept else "Ready to send"


def _headlines(plan: Planned) -> list[tuple[str, str]]:
    return [
        ("Values read", count(plan.n_values)),
        ("Values to send", count(plan.n_sent)),
        ("Requests", count(plan.n_requests)),
        ("Largest request", f"{plan.largest:,} bytes" if plan.largest else ""),
        ("Devices", count(plan.n_devices)),
        ("Readings", span_of(plan.made.forecast.books)),
        ("At least", duration(plan.seconds) if plan.seconds else ""),
    ]


def _balance(plan: Planned) -> Table:
    rows: list[tuple[Any, ...]] = [
        (words.split(" ", 1)[1], f"{n:,}") for _, n, words in fate_words(plan) if n
    ]
    rows.append(("read", f"{plan.n_values:,}"))
    return Table("Values", ("Expected fate", "Values"), rows, frozenset({1}))
