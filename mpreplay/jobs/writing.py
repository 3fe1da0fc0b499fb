"""The files of a job: checked before anything is connected, and written after the run.

A shell over files.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..display.page import need_jinja2
from ..errors import ConfigError
from ..history.history import files_of
from ..journal.private import make_folder
from ..outputs import check_apart, check_file, write_table
from ..report.outputs import parts_of

if TYPE_CHECKING:
    from ..history.history import History
    from .arguments import Arguments

__all__ = ["make_ready", "write_outputs"]

ENDINGS: Final = (".csv", ".parquet")
REPORT: Final = "report"
PRIVATE: Final = "rejects"  # a table with readings in it is for its owner alone


def make_ready(arguments: Arguments, job: Path, history: History) -> None:
    """Make the folders of the files to write, and check that each can be written.

    Raises
    ------
    ConfigError
        If a file cannot be written, or is one that the run reads.
    """
    outputs = arguments.outputs
    for name, path in outputs.items():
        endings = (".html", ".htm") if name == REPORT else ENDINGS
        if path.suffix.lower() not in endings:
            raise _wrong(name, path, f"the name must end in {' or '.join(endings)}")
    if REPORT in outputs:
        need_jinja2()
    fleet = arguments.fleet or {}
    places = [Path(one) for one in (arguments.journal, fleet.get("folder")) if one is not None]
    for place in [*outputs.values(), *places]:
        _make(place.parent)
    for name, path in outputs.items():
        check_file(path, name)
    journals = [part for place in places for part in parts_of(place)]
    read = {
        "a file of the history": files_of(history),
        "read by this job": [job, *arguments.inputs()],
        "the journal": journals,
    }
    check_apart(outputs, read)
    _check_taken_up(outputs, arguments, history)


def _make(folder: Path) -> None:
    try:
        make_folder(folder)
    except OSError as error:
        raise ConfigError(
            f"{folder}: the folder cannot be made ({error.strerror or error})", value=folder
        ) from error


def _check_taken_up(outputs: Mapping[str, Path], arguments: Arguments, history: History) -> None:
    """Raise if a table would be read as a part of the history, the next time."""
    # Beside Parquet files, those of CSV are left out.
    read = ENDINGS if any(source.is_text for source in history.sources) else ENDINGS[1:]
    given = arguments.source if isinstance(arguments.source, list) else [arguments.source]
    for name, path in outputs.items():
        if path.suffix.lower() in read and any(_is_taken_up(path, one) for one in given):
            raise _wrong(name, path, "it would become part of the history; give another folder")


def _is_taken_up(path: Path, history: str) -> bool:
    real, searched = os.path.realpath(path), os.path.realpath(history)
    if Path(history).is_dir():
        return Path(searched) in Path(real).parents
    return fnmatch.fnmatch(real, searched)


def _wrong(name: str, path: Path, why: str) -> ConfigError:
    return ConfigError(f"[output] {name} = {str(path)!r}: {why}", argument=name, value=path)


def write_outputs(run: Any, outputs: Mapping[str, Path]) -> None:
    """Write the files of a run or a fleet; each that can be, if one cannot.

    Raises
    ------
    ConfigError
        If a file cannot be written: the first one.
    """
    unwritten: list[ConfigError] = []
    for name, path in outputs.items():
        try:
            if name == REPORT:
                run.report(path)
            else:
                table = getattr(run, name)
                found = table() if callable(table) else table
                write_table(found, path, is_private=name == PRIVATE)
        except ConfigError as error:
            unwritten.append(error)
    if unwritten:
        raise unwritten[0]
