"""What the command line says: arguments spelled as options, and a run in a few lines."""

from __future__ import annotations

import re
import sys
from typing import Any, Final


def warn(message: Warning | str, *_: Any, **__: Any) -> None:
    """Show a warning as a person at a terminal reads it."""
    print(f"mpreplay: warning: {spoken(str(message))}", file=sys.stderr)


def say_run(run: Any, journal: str | None, *, allows_offline: bool) -> None:
    """Print a run, why values did not arrive, and how to go on."""
    from ..display.sentences import cause_in_words
    from ..journal.reader import read_journal
    from ..report.causes import gather

    print(run)
    if extra := run.summary()["extra_requests"]:
        print(f"isolating the rejected values took {extra:,} extra requests")
    causes = gather(read_journal(run.path).iter_reject_tables(), n_examples=0).causes
    if causes:
        print("\nwhy values did not arrive:")
    for cause in causes[:MAX_CAUSES]:
        told = cause_in_words(cause, allows_offline=allows_offline)
        print(f"  {told.sentence} [{cause.check}]")
        print(f"      to do: {spoken(str(told.advice))}")
    if rest := causes[MAX_CAUSES:]:
        n = sum(cause.n for cause in rest)
        print(f"  … and {n:,} values for {len(rest)} causes more; --rejects FILE has all")
    if journal:
        continued = run.summary()["continued"]
        times = f" (continued {continued} time{'s' * (continued != 1)})" if continued else ""
        print(f"\njournal: {run.path}{times}; mpreplay report reads it: page, tables, audit")
    if not run.complete:
        print(
            "to continue: the same command again"
            if journal
            else "nothing was kept to continue from: run it again with --journal PATH"
        )


# What the library calls an argument and the command line an option.
MAX_CAUSES: Final = 20
_OPTIONS: Final = {
    "time_column": "time", "device_column": "device", "product_column": "product",
    "points": "point", "point_column": "long",
}  # fmt: skip


def spoken(text: str) -> str:
    """Return a message with options in the place of arguments: ``--on-invalid withhold``."""
    names = "|".join(_ARGUMENTS)

    def option(found: re.Match[str]) -> str:
        name = _OPTIONS.get(found[1], found[1]).replace("_", "-")
        value = (found[2] or "").strip("'\"")
        return f"--{name}" if value in {"", "True"} else f"--{name} {value}"

    return re.sub(rf"\b({names})=('[^']*'|\[[^]]*\]|True)?", option, text)


_ARGUMENTS: Final = (
    "allow_offline_sub_device", "device_column", "device_key", "duplicates", "ignore",
    "on_invalid", "point_column", "points", "product_column", "product_key", "quality",
    "sub_device_secrets", "time_column", "time_unit", "tz",
)  # fmt: skip
