"""Output of the command line: arguments spelled as options, and a run in a few lines."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ..errors import Argument, Message


def warn(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning for a person at a terminal."""
    from ..errors import ReplayWarning

    told = message.message if isinstance(message, ReplayWarning) else str(message)
    print(f"mpreplay: warning: {with_options(told)}", file=sys.stderr)


def say_run(run: Any, journal: str | None) -> None:
    """Print a run, the causes of its rejects, and the way to continue."""
    from ..display.sentences import cause_in_words
    from ..journal.reader import read_journal
    from ..report.causes import gathered_of

    print(run)
    if extra := run.summary()["extra_requests"]:
        print(f"isolating the rejected values took {extra:,} extra requests")
    causes = gathered_of(read_journal(run.path)).causes
    if causes:
        print("\nwhy values did not arrive:")
    for cause in causes[:MAX_CAUSES]:
        told = cause_in_words(cause)
        print(f"  {told.sentence} [{cause.check}]")
        print(f"      to do: {with_options(told.advice)}")
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


MAX_CAUSES: Final = 20  # printed for a run
# Options whose names differ from the names of the arguments.
_OPTIONS: Final = {
    "time_column": "time",
    "device_column": "device",
    "product_column": "product",
    "points": "column",
    "point_column": "long",
}


def option(argument: Argument) -> str:
    """Return an argument as its option: ``--tz``, ``--point a=P``, ``--ignore a --ignore b``."""
    given = argument.value
    if type(given).__name__ == "TextFormat":
        return " ".join(_spelled(name, value) for name, value in _told_fields(given).items())
    if argument.name == "points" and isinstance(given, dict):
        return " ".join(_point(name, point) for name, point in given.items())
    return _spelled(argument.name, given)


def _spelled(argument: str, given: Any) -> str:
    name = _OPTIONS.get(argument, argument).replace("_", "-")
    if given is None or given is True:
        return f"--{name}"
    if isinstance(given, dict):
        words = [f"{_word(key)}={_word(value)}" for key, value in given.items()]
    else:
        words = [_word(one) for one in (given if isinstance(given, list | tuple) else [given])]
    return " ".join(f"--{name} {shlex.quote(word)}" for word in words)


def _point(name: str, point: Any) -> str:
    """Return a column and its point, with how its cells are written if that was said."""
    if isinstance(point, str):
        return _spelled("points", {name: point})
    parts = [f"{_word(name)}={_word(point.point)}"]
    for field, value in _told_fields(point).items():
        if field == "labels":
            parts.append("labels")
        elif field == "values":
            told = "/".join(f"{_word(text)}:{_word(one)}" for text, one in value.items())
            parts.append(f"values={told}")
        elif field != "point":
            words = value if isinstance(value, list | tuple) else [value]
            parts.append(f"{field}={'/'.join(map(_word, words))}")
    return f"--column {shlex.quote(','.join(parts))}"


def _told_fields(given: Any) -> dict[str, Any]:
    from ..cells.text_format import told_fields

    return told_fields(given)


def _word(value: Any) -> str:
    """Return a value as it is typed; repr() keeps a message on one line."""
    return repr(value).strip("'\"")


def say_rows(frame: Any, most: int) -> None:
    """Print the first rows of violations or conflicts, of which only what tells them apart."""
    from ..display.amounts import time_in_words

    shown = frame.head(most)
    sources = {*shown["source"], *shown.get("other_source", ())}
    if len(sources) == 1:
        print(f"in {sources.pop()}:")
    told = shown["time"].map(time_in_words)
    if "time_text" in shown:  # a time that cannot be read, as it stands there
        told = told.where(shown["time_text"].isna(), shown["time_text"])
    shown = shown.assign(time=told)
    names = [name for name in _SHOWN if name in shown and (len(sources) or "source" not in name)]
    table = shown[names].rename(columns=_HEADINGS)
    for name in table.columns.intersection(_LONG):
        table[name] = [_short(one) for one in table[name]]
    print(table.fillna("").to_string(index=False))


def _short(value: Any) -> str:
    text = "" if value is None or value != value else str(value)  # noqa: PLR0124 (NaN)
    return f"{text[: MAX_LETTERS - 1]}…" if len(text) > MAX_LETTERS else text


MAX_LETTERS: Final = 28  # of a cell in a printed table
_SHOWN: Final = (
    *("source", "row", "device_key", "time", "measurepoint", "value", "check"),
    *("other_source", "other_row", "other_value"),
)
_HEADINGS: Final = {
    "device_key": "device",
    "measurepoint": "point",
    "other_source": "other source",
    "other_row": "other row",
    "other_value": "other value",
}
_LONG: Final = frozenset({"device", "point", "value", "other value"})


def with_options(message: str | Message) -> str:
    """Return a message with an option for each argument."""
    return message if isinstance(message, str) else message.spelled(option)
