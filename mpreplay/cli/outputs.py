"""Files that a command writes: checked before anything is sent, then written whole.

A shell over files.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .speech import need_stdout, stdout

if TYPE_CHECKING:
    import argparse

__all__ = ["Tables"]

ENDINGS: Final = (".parquet", ".csv")
# Tables with readings in them are for their owner alone.
PRIVATE: Final = frozenset({"rejects", "violations", "out"})
STDOUT: Final = "-"
ROWS_AT_ONCE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables that are asked for.

    Parameters
    ----------
    files : dict of str to Path
        Files by the name of the table.
    on_stdout : str or None
        Name of the table that goes to stdout as CSV.
    """

    files: dict[str, Path]
    on_stdout: str | None = None

    @classmethod
    def of(cls, given: Mapping[str, str | None]) -> Tables:
        """Return the tables by their options; ``-`` is stdout.

        Raises
        ------
        ConfigError
            If a table cannot be written there.
        """
        from ..errors import Argument, ConfigError, message
        from ..outputs import check_file, path_of

        printed = [name for name, path in given.items() if path == STDOUT]
        if printed:
            need_stdout()
        if len(printed) > 1:
            both = message(*(part for one in printed for part in (Argument(one, STDOUT), " ")))
            told = message("stdout takes one table, not ", both, ": give the others a file")
            raise ConfigError(told, argument=printed[1], value=STDOUT)
        files = {
            name: path_of(path, name)
            for name, path in given.items()
            if path is not None and path != STDOUT
        }
        for name, path in files.items():
            if path.suffix.lower() not in ENDINGS:
                told = message(Argument(name, str(path)), ": the name must end in .parquet or .csv")
                raise ConfigError(told, argument=name, value=path)
            check_file(path, name)
        return cls(files, *printed)

    def __bool__(self) -> bool:
        return bool(self.files or self.on_stdout)

    def __contains__(self, name: object) -> bool:
        return name in self.files or name == self.on_stdout

    @property
    def names(self) -> list[str]:
        """Names of the tables."""
        return [*self.files, *filter(None, [self.on_stdout])]

    @property
    def places(self) -> dict[str, str]:
        """Place of each table, for people and programs."""
        printed = {self.on_stdout: STDOUT} if self.on_stdout else {}
        return {name: str(path) for name, path in self.files.items()} | printed

    def check(
        self,
        options: argparse.Namespace,
        history: Any,
        connection: Any = None,
        more: Mapping[str, Path] | None = None,
    ) -> None:
        """Raise ConfigError if a file would go over what is read, or over another one.

        ``more`` are other files that the command writes, by their arguments.
        """
        from ..history.history import files_of
        from ..outputs import check_apart
        from ..report.outputs import parts_of

        journal = getattr(options, "journal", None)
        keys = [getattr(connection, name, None) for name in ("ca_file", "cert_file", "key_file")]
        read = [getattr(options, name, None) for name in ("sub_device_secrets", "stored")]
        models = [given.rpartition("=")[2] for given in options.model]
        check_apart(
            {**self.files, **(more or {})},
            {
                "a file of the history": files_of(history),
                "read by this command": [
                    Path(one) for one in (*models, *filter(None, read + keys))
                ],
                "the journal": [] if journal is None else parts_of(Path(journal)),
            },
        )
        self._check_taken_up(options, history)

    def _check_taken_up(self, options: argparse.Namespace, history: Any) -> None:
        from ..errors import Argument, ConfigError, message

        # Beside Parquet files, those of CSV are left out.
        read = ENDINGS if any(source.is_text for source in history.sources) else ENDINGS[:1]
        for name, path in self.files.items():
            if path.suffix.lower() in read and _is_taken_up(path, options.history):
                told = message(
                    Argument(name, str(path)),
                    " would become part of the history; write it to another folder",
                )
                raise ConfigError(told, argument=name, value=path)

    def write(self, name: str, frame: Any) -> None:
        """Write a table."""
        if name == self.on_stdout:
            _print(frame)
        else:
            from ..outputs import write_table

            write_table(frame, self.files[name], is_private=name in PRIVATE)


def _is_taken_up(path: Path, history: str) -> bool:
    """Return True if a folder or a pattern would find a file the next time."""
    real, searched = os.path.realpath(path), os.path.realpath(history)
    if Path(history).is_dir():
        return Path(searched) in Path(real).parents
    return fnmatch.fnmatch(real, searched)


def _print(frame: Any) -> None:
    """Write a table to stdout as CSV, in UTF-8."""
    with stdout() as stream:
        stream.flush()
        for first in range(0, max(1, len(frame)), ROWS_AT_ONCE):
            part = frame.iloc[first : first + ROWS_AT_ONCE]
            text = part.to_csv(index=False, header=not first, lineterminator="\n")
            stream.buffer.write(text.encode(errors="backslashreplace"))
        stream.buffer.flush()
