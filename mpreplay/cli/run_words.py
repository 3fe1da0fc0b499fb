"""A run for people, in a few lines, and for programs, as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .documents import records
from .speech import with_options

if TYPE_CHECKING:
    from .speech import Speaker

__all__ = ["run_facts", "say_run"]

MAX_CAUSES: Final = 20  # told of a run


def run_facts(run: Any, journal: str | None) -> dict[str, Any]:
    """Return a run as facts for the JSON document."""
    from ..journal.reader import read_journal, run_id_of

    return {
        "run": run_id_of(read_journal(run.path).facts()),
        "journal": str(run.path) if journal else None,
        "complete": run.complete,
        "summary": run.summary(),
        "causes": records(run.causes),
    }


def say_run(run: Any, journal: str | None, say: Speaker) -> None:
    """Tell a run, the causes of its rejects, and the way to continue."""
    from ..display.sentences import cause_in_words
    from ..journal.reader import read_journal
    from ..report.causes import gathered_of

    say(run)
    if extra := run.summary()["extra_requests"]:
        say(f"isolating the rejected values took {extra:,} extra requests")
    causes = gathered_of(read_journal(run.path)).causes
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
