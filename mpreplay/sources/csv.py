"""A CSV file as a source of rows: every cell a text, read a block at a time.

A shell: never holds a whole file. Cells become values later, by the type of their measurement
point. A cell that is empty and has no quotes is absent.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from ..cells.text_format import TextFormat
from ..errors import Argument, HistoryError, Message, clipped, message
from ..files.file_mark import FileMark
from .csv_head import delimiter_of, other_delimiter, read_head
from .csv_quotes import QuoteWatch, first_broken
from .csv_text import lines_of, opened
from .source import FileFacts, columns_of, cut_spans, first_line
from .weights import SLAB_BYTES, light_spans, weights

if TYPE_CHECKING:
    from .source import Span, Window

__all__ = ["CsvSource"]

# Bytes that are parsed at once, whole rows; and where a row is longer.
BLOCK: Final = 1_048_576
LONG_BLOCK: Final = 16_777_216
_UNREADABLE: Final = (OSError, ValueError, pa.ArrowException)
_STRADDLING: Final = "straddling"  # pyarrow's word for a row that is longer than a block
# The first cell of a row behind the file's own, which is there if each quote is closed.
_LAST: Final = "(the end of the file)"
_SHOWN: Final = 60  # of a row in a message [characters]


@dataclass(frozen=True, slots=True)
class CsvSource:
    """A CSV file, whose rows were counted when it was opened."""

    path: Path
    name: str
    names: list[str]
    text: TextFormat
    partitions: Mapping[str, str | None]
    mark: FileMark
    block: int = BLOCK
    n_rows: int = 0
    fewest: int = 0  # rows of the block with the fewest: how long a row may be
    cuts: dict[tuple[Any, ...], list[Span]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def open(
        cls, path: Path, partitions: Mapping[str, str | None], text: TextFormat | None = None
    ) -> CsvSource:
        """Read the names of the columns, and count the rows.

        Raises
        ------
        HistoryError
            If the file cannot be read to its end, with the row and what to do.
        """
        given = replace(text or TextFormat(), delimiter=delimiter_of(path, text))
        try:
            mark = FileMark.of(path)
            names = read_head(path, given)
        except OSError as error:
            raise HistoryError(f"{path}: cannot be read ({_why(error)})") from error
        own = cls(path, str(path), names, given, partitions, mark)
        try:
            return own._counted()
        except _LongRow:
            return replace(own, block=LONG_BLOCK)._counted()

    @property
    def columns(self) -> list[str]:
        """Names of the columns, the file's before the folders'."""
        return self.names + [name for name in self.partitions if name not in self.names]

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Empty: a CSV file has none."""
        return {}

    @property
    def is_text(self) -> bool:
        """True: a number of a CSV file is a text like all of its cells."""
        return True

    @property
    def file(self) -> FileFacts:
        """Size of the file, and its SHA-256 if that was needed."""
        return FileFacts(self.mark.stamp.n_bytes, self.mark.sha256)

    def fingerprint(self, needed: list[str]) -> str:
        """Return the digest of the file's bytes, with the needed columns of its path."""
        folders = {
            name: self.partitions[name]
            for name in sorted(needed)
            if name in self.partitions and name not in self.names
        }
        path = f":{json.dumps(folders)}" if folders else ""
        return f"csv:{self.mark.identity()}{path}"

    def spans(
        self, n_rows: int, window: Window, time: str | None, weighty: Sequence[str] = ()
    ) -> list[Span]:
        """Return the rows of each slab."""
        del window, time  # rows are left out after their times are read
        asked = (n_rows, tuple(weighty))
        if asked not in self.cuts:
            spans = cut_spans(0, self.n_rows, n_rows)
            if n_rows * self.block > SLAB_BYTES * self.fewest:  # else they are light
                own = [name for name in weighty if name in self.names]
                with closing(self._tables(own, spans)) as tables:
                    spans = list(light_spans(spans, lambda _: weights(next(tables).columns)))
            self.cuts[asked] = spans
        return self.cuts[asked]

    def read(self, needed: list[str], spans: Sequence[Span]) -> Iterator[dict[str, Any]]:
        """Yield the columns of each span."""
        own = [name for name in needed if name in self.names]
        with closing(self._tables(own, spans)) as tables:
            for part in tables:
                columns = columns_of(part)
                for name in needed:
                    if name in self.partitions:
                        self._add_folder(columns, name, part.num_rows)
                yield columns

    def _counted(self) -> CsvSource:
        """Return the source with its number of rows, once all of the file could be read."""
        cells = [_LAST] * len(self.names)
        last, counts = None, [0]
        watch = QuoteWatch(self.text.delimiter)
        ending = f"\n{self.text.delimiter.join(cells)}\n"
        for batch in self._batches(self.names[:1], ending, watch):
            if batch.num_rows:
                counts.append(batch.num_rows)
                last = batch.column(0)[-1].as_py()
        n_rows = sum(counts) - 1
        if last != _LAST:
            raise HistoryError(
                f"{self.path}: row {n_rows:,} has a quote that is never closed: the rest of the "
                "file belongs to it. Close it, or write the file anew"
            )
        if watch.is_suspect:
            self._check_quotes()
        self.mark.check()
        # The last block is shorter than the others.
        return replace(self, n_rows=n_rows, fewest=min(counts[1:-1], default=counts[-1]))

    def _check_quotes(self) -> None:
        """Raise if a quoted cell goes on behind its last quote."""
        with opened(self.path, self.text) as file:
            row = first_broken(lines_of(file), self.text.delimiter)
        if row is not None:
            raise HistoryError(
                f"{self.path}: row {row:,} has a cell that goes on behind its quotes, such as "
                '"1"2: write a quote within quotes twice, or write the file anew'
            )

    def _tables(self, names: list[str], spans: Sequence[Span]) -> Generator[pa.Table, None, None]:
        """Yield the rows of each span, of the file's own columns."""
        self.mark.check()
        try:
            yield from _cut(self._batches(names), spans)
        except HistoryError:
            self.mark.check()  # a change of the file explains the error
            raise
        self.mark.check()

    def _batches(
        self, names: list[str], last: str = "", watch: QuoteWatch | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of each block, of columns by the numbers of which pyarrow knows them."""
        numbers = [str(n) for n in range(len(self.names))]
        wanted = {str(self.names.index(name)): name for name in names} or {"0": ""}
        odd: list[Any] = []

        def refused(row: Any) -> str:
            odd.append(row)
            return "error"

        n_rows = 0
        try:
            with (
                opened(self.path, self.text, last, watch) as file,
                arrow_csv.open_csv(
                    pa.PythonFile(file, "r"),
                    arrow_csv.ReadOptions(
                        use_threads=False,
                        block_size=self.block,
                        column_names=numbers,
                        skip_rows_after_names=1,
                    ),
                    arrow_csv.ParseOptions(
                        delimiter=self.text.delimiter,
                        newlines_in_values=True,
                        invalid_row_handler=refused,
                    ),
                    arrow_csv.ConvertOptions(
                        check_utf8=False,  # it was decoded
                        column_types=dict.fromkeys(wanted, pa.string()),
                        include_columns=list(wanted),
                        null_values=[""],
                        strings_can_be_null=True,
                        quoted_strings_can_be_null=False,
                    ),
                ) as reader,
            ):
                for batch in reader:
                    n_rows += batch.num_rows
                    yield batch.rename_columns(list(wanted.values()))
        except HistoryError:
            raise
        except _UNREADABLE as error:
            if odd:
                raise HistoryError(self._ragged(odd[0]), argument="text") from error
            if _STRADDLING in str(error):
                raise (_LongRow if self.block == BLOCK else HistoryError)(
                    f"{self.path}: row {n_rows:,} or one of the next has more than "
                    f"{self.block:,} bytes, as where a quote is never closed: close it, or write "
                    "the file anew"
                ) from error
            raise HistoryError(f"{self.path}: cannot be read as CSV ({_why(error)})") from error

    def _ragged(self, row: Any) -> Message:
        """Return the message of a row with more or fewer cells than there are names."""
        expected, found = row.expected_columns, row.actual_columns
        shown = clipped(row.text.strip("\0"), _SHOWN)
        told = f"{self.path}: row {row.number - 2:,} has {_cells(found)}"
        told += f", and the first line names {expected:,} columns: {shown!r}"
        if not row.text.strip("\0"):
            return message(f"{told}: it is zeros, as after a loss of power; cut them off")
        head = self.text.delimiter.join(self.names)
        if other := other_delimiter(head, self.text.delimiter):
            return message(f"{told}; ", Argument("text", TextFormat(delimiter=other)), "?")
        if found == expected + 1 and row.text.rstrip("\r\n").endswith(self.text.delimiter):
            return message(f"{told}; rows end with a delimiter, and the first line does not")
        if self.text.delimiter == "," and found > expected:
            told += "; is a comma within the cells a decimal comma, or that of a text? Quote the "
            return message(f"{told}cells, or write the file with another delimiter")
        if row.number == 2 and found > expected:
            return message(f"{told}; are there lines above the names of the columns? Remove them")
        return message(f"{told}; mend the row, or write the file anew if it was cut")

    def _add_folder(self, columns: dict[str, Any], name: str, n_rows: int) -> None:
        """Add the value of a folder, or compare it with the file's own column."""
        told = self.partitions[name]
        if name not in columns:
            columns[name] = pa.repeat(pa.scalar(told, pa.string()), n_rows)
            return
        for value in pc.unique(columns[name]).to_pylist():
            if value != told:
                raise HistoryError(
                    f"{self.path}: the folder says {name}={'null' if told is None else told}, "
                    f"and the file's own column {name!r} says {value!r}: one of them is wrong; "
                    "rename the folder, or write the file anew"
                )


class _LongRow(HistoryError):
    """A row that is longer than a block."""


def _cells(n: int) -> str:
    return f"{n:,} cell{'s' * (n != 1)}"


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or first_line(error)


def _cut(batches: Iterable[pa.RecordBatch], spans: Sequence[Span]) -> Iterator[pa.Table]:
    """Yield the rows of each span as a table; batches begin with the first row of the file."""
    source = iter(batches)
    rest, row = None, 0
    for first, stop in spans:
        parts: list[pa.RecordBatch] = []
        while row < stop and (rest is not None or (rest := next(source, None)) is not None):
            skipped = min(max(0, first - row), rest.num_rows)
            part = rest.slice(skipped, stop - max(row, first))
            parts.append(part)
            used = skipped + part.num_rows
            row, rest = row + used, rest.slice(used)
            rest = rest if rest.num_rows else None
        if not parts:  # the file has become shorter; the count of the rows will say so
            return
        yield pa.Table.from_batches(parts)
