"""Files that a command writes: checked before anything is sent, then written whole.

A shell over files.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import argparse

__all__ = ["check_tables", "checked_tables", "write_table"]

ENDINGS: Final = (".parquet", ".csv")
# Tables with readings in them are for their owner alone.
PRIVATE: Final = frozenset({"rejects", "violations"})


def checked_tables(given: Mapping[str, str | None]) -> dict[str, Path]:
    """Return the paths of the tables that are asked for, by their options.

    Raises
    ------
    ConfigError
        If a table cannot be written there.
    """
    from ..errors import Argument, ConfigError, message
    from ..outputs import check_file, path_of

    tables = {name: path_of(path, name) for name, path in given.items() if path is not None}
    for name, path in tables.items():
        if path.suffix.lower() not in ENDINGS:
            told = message(Argument(name, str(path)), ": the name must end in .parquet or .csv")
            raise ConfigError(told, argument=name, value=path)
        check_file(path, name)
    return tables


def check_tables(
    tables: Mapping[str, Path], options: argparse.Namespace, history: Any, connection: Any = None
) -> None:
    """Raise ConfigError if a command would write over what it reads, or one table over another."""
    from ..errors import Argument, ConfigError, message
    from ..history.history import files_of
    from ..outputs import check_apart
    from ..report.outputs import parts_of

    journal = getattr(options, "journal", None)
    secrets = getattr(options, "sub_device_secrets", None)
    keys = [getattr(connection, name, None) for name in ("ca_file", "cert_file", "key_file")]
    models = [given.rpartition("=")[2] for given in options.model]
    others = [*models, *filter(None, [secrets, *keys])]
    check_apart(
        tables,
        {
            "a file of the history": files_of(history),
            "read by this command": [Path(one) for one in others],
            "the journal": [] if journal is None else parts_of(Path(journal)),
        },
    )
    # Beside Parquet files, those of CSV are left out.
    read = ENDINGS if any(source.is_text for source in history.sources) else ENDINGS[:1]
    for name, path in tables.items():
        if path.suffix.lower() in read and _is_taken_up(path, options.history):
            told = message(
                Argument(name, str(path)),
                " would become part of the history; write it to another folder",
            )
            raise ConfigError(told, argument=name, value=path)


def _is_taken_up(path: Path, history: str) -> bool:
    """Return True if a folder or a pattern would find a file the next time."""
    real, searched = os.path.realpath(path), os.path.realpath(history)
    if Path(history).is_dir():
        return Path(searched) in Path(real).parents
    return fnmatch.fnmatch(real, searched)


def write_table(frame: Any, path: Path, name: str) -> None:
    """Write a table to a checked path."""
    from ..outputs import written

    with written(path, is_private=name in PRIVATE) as file:
        if path.suffix.lower() == ".parquet":
            frame.to_parquet(file, index=False)
        else:
            frame.to_csv(file, index=False)
