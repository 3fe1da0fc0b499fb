"""The page of a plan, in the look of a run's report. A shell over its template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..display.amounts import MAX_NAME, count, duration, visible
from ..display.page import mark, page, safe
from ..display.pictures import arrival_map, standing_mark
from ..display.tables import Table
from .plan_words import (
    EXAMPLE,
    causes_told,
    fate_words,
    first_line,
    gap_table,
    key_of_map,
    map_of,
    told,
)

if TYPE_CHECKING:
    from .planned import Planned

__all__ = ["rendered"]

_TEMPLATE: Final = "plan_page.html.jinja"
MAX_CAUSES: Final = 40


def rendered(plan: Planned) -> str:
    """Return a plan as one HTML page.

    Raises
    ------
    ConfigError
        If Jinja2 is not installed.
    """
    causes = causes_told(plan)
    found = map_of(plan)
    return page(
        __package__,
        _TEMPLATE,
        headline=first_line(plan),
        rest=plan.would_raise or "",
        state=_state(plan),
        state_mark=safe(standing_mark(not (plan.would_raise or plan.n_offline))),
        gateway=visible(plan.made.gateway, 2 * MAX_NAME),
        facts=[(name, value) for name, value in _headlines(plan) if value],
        sentences=list(told(plan)),
        causes=[
            {"swatch": mark(fate), "said": one.sentence, "mend": one.advice}
            for fate, one in causes[:MAX_CAUSES]
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


def _state(plan: Planned) -> str:
    if plan.would_raise:
        return "Replay would raise"
    offline = count(plan.n_offline, "sub-device")
    return f"Ready; {offline} must be online" if plan.n_offline else "Ready to send"


def _headlines(plan: Planned) -> list[tuple[str, str]]:
    return [
        ("Values read", count(plan.n_values)),
        ("Values to send", count(plan.n_sent)),
        ("Requests", count(plan.n_requests)),
        ("Largest request", f"{plan.largest:,} bytes" if plan.largest else ""),
        ("Devices", count(plan.n_devices)),
        ("At least", duration(plan.seconds) if plan.seconds else ""),
    ]


def _balance(plan: Planned) -> Table:
    rows: list[tuple[Any, ...]] = [
        (words.split(" ", 1)[1], f"{n:,}") for _, n, words in fate_words(plan) if n
    ]
    rows.append(("read", f"{plan.n_values:,}"))
    return Table("Values", ("Expected fate", "Values"), rows, frozenset({1}))
