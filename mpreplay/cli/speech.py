"""Words of the command line: arguments spelled as options, a run in a few lines, and where to."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

__all__ = ["Speaker", "need_stdout", "nothing", "on_stdout", "option", "stdout", "with_options"]

if TYPE_CHECKING:
    import pandas as pd

    from ..errors import Argument, Message


class Speaker:
    """The voice of a command, for people.

    Parameters
    ----------
    say : callable
        Function that takes each text.
    warn : callable
        Function that takes each warning.
    """

    def __init__(self, say: Callable[[str], object], warn: Callable[[str], object]) -> None:
        self._say = say
        self.warn = warn

    def __call__(self, text: Any) -> None:
        """Tell a text."""
        self._say(str(text))

    def show(self, frame: pd.DataFrame, n: int | None = None, hint: str = "") -> None:
        """Tell the first rows of a frame, which stand for n."""
        first = frame.head(MAX_ROWS)
        self(rows_in_words(first) if "source" in first else first.to_string(index=False))
        n = len(frame) if n is None else n
        if n > MAX_ROWS:
            self(f"… and {n - MAX_ROWS:,} more{hint}")


def nothing(_text: str) -> None:
    """Say nothing."""


def on_stdout(text: str) -> None:
    """Print a text on stdout."""
    with stdout() as stream:
        print(text, file=stream, flush=True)


def need_stdout() -> None:
    """Raise ConfigError before any work if there is no stdout to write data to."""
    if sys.stdout is None:
        from ..errors import ConfigError

        raise ConfigError("stdout is closed: there is nothing to write to")


@contextmanager
def stdout() -> Iterator[Any]:
    """Yield stdout; a reader who has closed the pipe is no error, and what follows goes nowhere.

    Raises
    ------
    ConfigError
        If it cannot be written.
    """
    try:
        yield sys.stdout
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # else the end of the process fails once more
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            from ..errors import ConfigError

            raise ConfigError(f"stdout cannot be written ({error.strerror or error})") from error


MAX_ROWS: Final = 20  # shown of a table
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


def rows_in_words(frame: pd.DataFrame) -> str:
    """Return rows of violations or conflicts as a table, headed by a source that all share."""
    from ..display.amounts import time_in_words

    sources = {*frame["source"], *frame.get("other_source", ())}
    head = f"in {sources.pop()}:\n" if len(sources) == 1 else ""
    told = frame["time"].map(time_in_words)
    if "time_text" in frame:  # a time that cannot be read, as it stands there
        told = told.where(frame["time_text"].isna(), frame["time_text"])
    frame = frame.assign(time=told)
    names = [name for name in _SHOWN if name in frame and (len(sources) or "source" not in name)]
    table = frame[names].rename(columns=_HEADINGS)
    for name in table.columns.intersection(list(_LONG)):
        table[name] = [_short(one) for one in table[name]]
    return head + table.fillna("").to_string(index=False)


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
