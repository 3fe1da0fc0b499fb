"""What the command line says: arguments spelled as options, and a run in a few lines."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ..errors import Argument, Message


def warn(message: Warning | str, *_: Any, **__: Any) -> None:
    """Show a warning as a person at a terminal reads it."""
    from ..errors import ReplayWarning

    told = message.message if isinstance(message, ReplayWarning) else str(message)
    print(f"mpreplay: warning: {with_options(told)}", file=sys.stderr)


def say_run(run: Any, journal: str | None, *, allows_offline: bool) -> None:
    """Print a run, why values did not arrive, and how to go on."""
    from ..display.sentences import cause_in_words

    print(run)
    if extra := run.summary()["extra_requests"]:
        print(f"finding what the platform minds took {extra:,} requests more")
    found = run.causes
    if len(found):
        print("\nwhy values did not arrive:")
    for cause in found.head(20).to_dict("records"):
        said, mend = cause_in_words(cause, allows_offline=allows_offline)
        print(f"  {spoken(said)} [{cause['check']}]")
        print(f"      to do: {spoken(mend)}")
    if len(found) > 20:
        rest = found["values"].iloc[20:].sum()
        print(f"  … and {rest:,} values for {len(found) - 20} causes more; --rejects FILE has all")
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
_OPTIONS: Final = {
    "time_column": "time",
    "device_column": "device",
    "product_column": "product",
    "points": "point",
    "point_column": "long",
}


def option(argument: Argument) -> str:
    """Return an argument as its option: ``--tz``, ``--on-invalid withhold``."""
    name = _OPTIONS.get(argument.name, argument.name).replace("_", "-")
    if argument.value is None or argument.value is True:
        return f"--{name}"
    # As Python writes it, with its escapes, so that a message stays on one line.
    value = repr(argument.value).strip("'\"")
    return f"--{name} {value}"


def with_options(message: str | Message) -> str:
    """Return a message with an option for each argument."""
    return message if isinstance(message, str) else message.spelled(option)


# Only for what ``say_run`` prints, until its texts come as messages too; then this is to go.
def spoken(text: str) -> str:
    """Return a message with options in the place of arguments: ``--on-invalid withhold``."""
    names = "|".join(_ARGUMENTS)

    def spelled(found: re.Match[str]) -> str:
        name = _OPTIONS.get(found[1], found[1]).replace("_", "-")
        value = (found[2] or "").strip("'\"")
        return f"--{name}" if value in {"", "True"} else f"--{name} {value}"

    return re.sub(rf"\b({names})=('[^']*'|\[[^]]*\]|True)?", spelled, text)


_ARGUMENTS: Final = (
    "allow_offline_sub_device", "device_column", "device_key", "duplicates", "ignore",
    "on_invalid", "point_column", "points", "product_column", "product_key", "quality",
    "sub_device_secrets", "time_column", "time_unit", "tz",
)  # fmt: skip
