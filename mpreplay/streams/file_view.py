"""A Parquet file that is read in another way than as itself.

A shell: reads a file by row groups, and never holds a whole file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..sources.parquet import ParquetSource
from ..sources.source import INDEX, FileFacts

if TYPE_CHECKING:
    from ..sources.source import Span, Window

__all__ = ["FileView"]


@dataclass(frozen=True, slots=True)
class FileView:
    """A file of a dataset, or one that holds a stream of DataFrames.

    Parameters
    ----------
    inner : ParquetSource
        The file.
    types : mapping of str to DataType, optional
        Types of the columns that the folders name.
    time_from_index : bool, optional
        True if a column holds the index of DataFrames, which is the time.
    """

    inner: ParquetSource
    types: Mapping[str, pa.DataType] = field(default_factory=dict)
    time_from_index: bool = False

    def keyed(self, names: Iterable[str | None]) -> FileView:
        """Return the source with columns of keys: their texts are read with a dictionary."""
        keys = [name for name in names if name not in self.types]
        return replace(self, inner=self.inner.keyed(keys))

    @property
    def name(self) -> str:
        """Name in messages and frames."""
        return self.inner.name

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.inner.n_rows

    @property
    def columns(self) -> list[str]:
        """Names of the columns, without the index."""
        return [name for name in self.inner.columns if name not in self._index]

    @property
    def partitions(self) -> Mapping[str, str | None]:
        """Columns of the path, with their values."""
        return self.inner.partitions

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes that pandas keeps beside a frame."""
        return self.inner.attributes

    @property
    def file(self) -> FileFacts:
        """Size and SHA-256 of the file."""
        return self.inner.file

    @property
    def is_text(self) -> bool:
        """True if every cell is a text, whatever it means."""
        return self.inner.is_text

    def fingerprint(self, needed: list[str]) -> str:
        """Return the digest of the file's bytes, with the needed columns of its path."""
        return self.inner.fingerprint(needed)

    def spans(
        self, n_rows: int, window: Window, time: str | None, weighty: Sequence[str] = ()
    ) -> list[Span]:
        """Return the rows of each slab."""
        column = INDEX if self.time_from_index else time
        return self.inner.spans(n_rows, window, column, weighty)

    def read(self, needed: list[str], spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
        """Yield the columns of each span, and the index."""
        for columns in self.inner.read([*needed, *self._index], spans):
            for name, kind in self.types.items():
                if name in columns:
                    columns[name] = columns[name].cast(kind)
            yield columns

    @property
    def _index(self) -> list[str]:
        return [INDEX] if self.time_from_index else []
