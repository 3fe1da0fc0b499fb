"""The text of a CSV file, unpacked and decoded piece by piece.

A shell: reads a file. The encoding is as stated and never guessed: a contradiction is an error
that names the byte and the line.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from ..cells.text_format import TextFormat
from ..errors import Argument, HistoryError, clipped, message
from .csv_quotes import QuoteWatch

__all__ = [
    "PACKINGS",
    "TABBED",
    "Utf8",
    "lines_of",
    "opened",
    "packing_of",
    "refuse_other",
    "unpacked",
]

# Ending of a packed file to pyarrow's name of the packing.
PACKINGS: Final = {".gz": "gzip", ".zst": "zstd"}
TABBED: Final = ".tsv"
# First bytes of a text to the encodings that they are the mark of, the longer marks first.
_MARKS: Final = {
    codecs.BOM_UTF8: ("utf-8", "utf-8-sig"),
    codecs.BOM_UTF32_LE: ("utf-32", "utf-32-le"),
    codecs.BOM_UTF32_BE: ("utf-32", "utf-32-be"),
    codecs.BOM_UTF16_LE: ("utf-16", "utf-16-le"),
    codecs.BOM_UTF16_BE: ("utf-16", "utf-16-be"),
}
# First bytes of files other than text, with the format and what to do.
_FORMATS: Final = {
    b"\x1f\x8b": ("gzip", "name it .csv.gz"),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", "name it .csv.zst"),
    b"PK\x03\x04": (
        "a ZIP archive, as sheets of Excel are",
        "unpack it, or save the sheet as CSV",
    ),
    b"PAR1": ("Parquet", "name it .parquet"),
}
_STRICT: Final = ("utf-8", "utf-8-sig", "ascii")  # encodings that few other texts keep
# Endings of tables that are not read, with the way out.
_OTHERS: Final = {
    (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"): "pass pandas.read_excel(…), or save it as CSV",
    (".bz2", ".xz", ".lz4", ".br", ".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz"): (
        "unpack it; CSV may be packed as .csv.gz or .csv.zst"
    ),
    (".json", ".jsonl", ".ndjson"): "pass pandas.read_json(…)",
    (".h5", ".hdf5", ".hdf", ".mat", ".nc"): "read it with its own library, and pass a DataFrame",
    (".orc", ".avro"): "read it with its own library, and pass the Arrow table",
    (".db", ".sqlite", ".duckdb"): "read it with its own library, and pass a DataFrame",
}
_USUAL: Final = "cp1252"  # of exports that are not UTF-8
_AROUND: Final = 30  # bytes around one that cannot be decoded
_PIECE: Final = 1_048_576  # read at once [bytes]


def packing_of(path: Path) -> str | None:
    """Return pyarrow's name of how a file is packed, by its ending."""
    return next((how for end, how in PACKINGS.items() if path.name.lower().endswith(end)), None)


def unpacked(path: Path, file: Any) -> Any:
    """Return the bytes of a file as they are before it is packed, as a file object."""
    packing = packing_of(path)
    return pa.CompressedInputStream(pa.PythonFile(file, "r"), packing) if packing else file


@contextmanager
def opened(
    path: Path, text: TextFormat, last: str = "", watch: QuoteWatch | None = None
) -> Iterator[Utf8]:
    """Open a file as UTF-8, with a line of ours behind its own."""
    with path.open("rb", buffering=0) as file:
        yield Utf8(path, unpacked(path, file), text, last, watch)


def lines_of(file: Utf8) -> Iterator[bytes]:
    """Yield the lines of a file, with their ends."""
    rest = b""
    while block := file.read():
        *lines, rest = (rest + block).splitlines(keepends=True)
        yield from lines
    yield rest


def refuse_other(path: Path) -> None:
    """Raise HistoryError for a file whose ending names another format, with the way out."""
    for endings, advice in _OTHERS.items():
        if path.name.lower().endswith(endings):
            raise HistoryError(
                f"{path}: a {Path(path.name).suffix} file is not read; {advice}", argument="source"
            )


class Utf8:
    """The text of a file as UTF-8, without the mark of its encoding and blank lines before it.

    A file object, as far as pyarrow needs one.

    Parameters
    ----------
    path : Path
        For messages.
    file : object
        Where the bytes are read.
    text : TextFormat
        Its encoding.
    last : str, optional
        Text behind that of the file.
    watch : QuoteWatch, optional
        What sees all bytes.
    """

    closed = False

    def __init__(
        self,
        path: Path,
        file: Any,
        text: TextFormat,
        last: str = "",
        watch: QuoteWatch | None = None,
    ) -> None:
        self._path, self._file, self._text, self._last = path, file, text, last
        self._watch = watch
        self._decoder = codecs.getincrementaldecoder(text.encoding)()
        self._n_bytes = 0  # given to the decoder
        self._lines = 1
        self._held = bytearray()
        self._has_begun = self._has_ended = False

    def read(self, size: int = _PIECE) -> bytes:
        """Return the next bytes, nearly as many as asked for unless the end is near, where none."""
        while len(self._held) < size and not self._has_ended:
            self._held += self._encoded(self._next())
        found = bytes(self._held[:size])
        if found.endswith(b"\r") and not (self._has_ended and len(self._held) <= size):
            # pyarrow drops a line feed that is parted from its carriage return, in quotes too.
            found = found.rstrip(b"\r") or found
        self._held = self._held[len(found) :]
        if self._watch is not None:
            self._watch.see(found)
        return found

    def _next(self) -> str:
        """Return the text of the next piece of the file, and behind the last piece our own."""
        piece = self._piece()
        if not self._n_bytes:
            self._check_mark(piece)
        self._has_ended = not piece
        try:
            told = self._decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            raise self._undecodable(piece, error) from error
        except UnicodeError as error:
            raise self._unmarked(piece, error) from error
        self._n_bytes += len(piece)
        self._lines += told.count("\n")
        if not self._has_begun:
            told = told.removeprefix("\ufeff").lstrip("\r\n")
            self._has_begun = bool(told)
        return told + self._last if self._has_ended else told

    def _encoded(self, told: str) -> bytes:
        try:
            return told.encode()
        except UnicodeEncodeError as error:
            raise HistoryError(
                f"{self._path}: holds half of a character as {self._text.encoding} "
                f"({error.reason}): the file has another encoding, or is damaged"
            ) from error

    def _piece(self) -> bytes:
        try:
            return bytes(self._file.read(_PIECE))
        except OSError as error:
            packing = packing_of(self._path)
            how = f"unpacked; expected a complete {packing} file" if packing else "read"
            told = str(error).splitlines()[0]
            raise HistoryError(f"{self._path}: cannot be {how} ({told})") from error

    def readable(self) -> bool:
        """Return True: it is read only."""
        return True

    def close(self) -> None:
        """Do nothing: who opened the file closes it."""

    def flush(self) -> None:
        """Do nothing: nothing is written."""

    def _check_mark(self, piece: bytes) -> None:
        """Raise if the first bytes say another encoding than the caller, or another format."""
        for start, (what, ending) in _FORMATS.items():
            if piece.startswith(start):
                raise HistoryError(f"{self._path}: is {what}: {ending}", argument="source")
        mark = next(filter(piece.startswith, _MARKS), None)
        given = self._text.encoding
        if mark is None or codecs.lookup(given).name in (known := _MARKS[mark]):
            return
        raise HistoryError(
            message(
                f"{self._path}: begins with the mark of {known[0].upper()}, and is read as "
                f"{given}: ",
                Argument("text", TextFormat(encoding=known[mark == codecs.BOM_UTF8])),
            ),
            argument="text",
        )

    def _unmarked(self, piece: bytes, error: UnicodeError) -> HistoryError:
        """Return the error of a text that its encoding does not begin, with a proposal."""
        encoding = self._text.encoding
        told = f"{self._path}: cannot be read as {encoding} ({' '.join(str(error).split())})"
        name = codecs.lookup(encoding).name
        width = {"utf-16": 2, "utf-32": 4}.get(name)
        zeros = None if width is None else [n for n, one in enumerate(piece[:width]) if one == 0]
        fitting = {
            (): "utf-8",
            (1,): "utf-16-le",
            (0,): "utf-16-be",
            (1, 2, 3): "utf-32-le",
            (0, 1, 2): "utf-32-be",
        }.get(tuple(zeros or ()) if zeros is not None else (4,))
        if fitting is None:
            return HistoryError(f"{told}: the file has another encoding, or is damaged")
        proposal = (
            Argument("encoding", fitting)
            if fitting == "utf-8"
            else Argument("text", TextFormat(encoding=fitting))
        )
        return HistoryError(message(f"{told}: ", proposal, "?"), argument="text")

    def _undecodable(self, piece: bytes, error: UnicodeDecodeError) -> HistoryError:
        """Return the error of a byte that cannot be decoded: its place, and a proposal."""
        encoding, held = self._text.encoding, bytes(error.object)
        at = self._n_bytes + len(piece) - len(held) + error.start
        line = self._lines + held[: error.start].count(b"\n")
        unpacked = " of the unpacked text" if packing_of(self._path) else ""
        told = f"{self._path}: line {line:,}: byte {at:,}{unpacked}"
        if not piece:  # what is left at the end
            told += f" begins a character of {encoding} that does not end"
            return HistoryError(f"{told}: the file was not written to its end")
        told += f" (0x{held[error.start]:02x}) is no {encoding}"
        if codecs.lookup(encoding).name not in _STRICT:
            return HistoryError(f"{told}: the file has another encoding, or is damaged")
        cell = _cell(held, error.start, self._text.delimiter)
        return HistoryError(
            message(
                f"{told}; as {_USUAL} it reads {clipped(cell, 2 * _AROUND)!r}: ",
                Argument("text", TextFormat(encoding=_USUAL)),
            ),
            argument="text",
        )


def _cell(held: bytes, at: int, delimiter: str) -> str:
    """Return the cell around a byte, for people."""
    before = held[max(0, at - _AROUND) : at].decode(_USUAL, "replace")
    after = held[at : at + _AROUND].decode(_USUAL, "replace")
    for end in (delimiter, "\r", "\n"):
        before = before.rpartition(end)[2]
        after = after.partition(end)[0]
    return (before + after).strip('"')
