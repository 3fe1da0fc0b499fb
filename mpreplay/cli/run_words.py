"""A run for people, in a few lines, and for programs, as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .documents import records
from .speech import with_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .speech import Speaker

__all__ = ["run_told"]

MAX_CAUSES: Final = 20  # shown of a run


def run_told(
    run: Any, journal: str | None, say: Speaker, *, is_said: bool = True
) -> dict[str, Any]:
    """Tell a run, and return it as facts for the JSON document."""
    from ..journal.reader import read_journal, run_id_of
    from ..report.causes import cause_frame, gathered_of

    reader = read_journal(run.path)
    causes = gathered_of(reader).causes  # a look at all rejects, which may be very many
    if is_said:
        _say_run(run, journal, causes, say)
    return {
        "run": run_id_of(reader.facts()),
        "journal": str(run.path) if journal else None,
        "complete": run.complete,
        "summary": run.summary(),
        "causes": records(cause_frame(causes)),
    }


def _say_run(run: Any, journal: str | None, causes: Sequence[Any], say: Speaker) -> None:
    """Tell a run, the causes of its rejects, and the way to continue."""
    from ..display.sentences import cause_in_words

    say(run)
    if extra := run.summary()["extra_requests"]:
        say(f"isolating the rejected values took {extra:,} extra requests")
    if causes:
        say("\nwhy values did not arrive:")
    for cause in causes[:MAX_CAUSES]:
        told = cause_in_words(cause)
        say(f"  {told.sentence} [{cause.check}]")
        say(f"      to do: {with_options(told.advice)}")
    if rest := causes[MAX_CAUSES:]:
        n = sum(cause.n for cause in rest)
        say(f"  … and {n:,} values for {len(rest)} causes more; --rejects FILE has all")
    if journal:
        continued = run.summary()["continued"]
        times = f" (continued {continued} time{'s' * (continued != 1)})" if continued else ""
        say(f"\njournal: {run.path}{times}; mpreplay report reads it: page, tables, audit")
    if not run.complete:
        say(
            "to continue: the same command again"
            if journal
            else "nothing was kept to continue from: run it again with --journal PATH"
        )
