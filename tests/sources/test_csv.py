"""CSV files: read right to the last cell, or refused with the row and what to do."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mpreplay as mp
from mpreplay.errors import HistoryError
from mpreplay.sources import csv as csv_module
from mpreplay.sources.csv import CsvSource
from mpreplay.sources.csv_quotes import QuoteWatch

OPEN = (None, None)


def opened(path: Path, data: bytes, **text: Any) -> CsvSource:
    """Return the source of a file with some bytes."""
    path.write_bytes(data)
    return CsvSource.open(path, {}, mp.TextFormat(**text) if text else None)


def cells(source: CsvSource, n_rows: int = 3) -> list[list[str | None]]:
    """Return the rows of a source, read in slabs of a few rows."""
    names = source.columns
    spans = source.spans(n_rows, OPEN, None, names)
    assert [row for span in spans for row in range(*span)] == list(range(source.n_rows))
    rows: list[list[str | None]] = []
    for part in source.read(names, spans):
        rows += map(list, zip(*(part[name].to_pylist() for name in names), strict=True))
    return rows


READ: dict[str, tuple[bytes, dict[str, Any], list[list[str | None]]]] = {
    "plain": (b"a,b\n1,2\n3,4\n", {}, [["1", "2"], ["3", "4"]]),
    "no end of line": (b"a,b\n1,2", {}, [["1", "2"]]),
    "CRLF": (b"a,b\r\n1,2\r\n3,4\r\n", {}, [["1", "2"], ["3", "4"]]),
    "CR": (b"a,b\r1,2\r3,4\r", {}, [["1", "2"], ["3", "4"]]),
    "blank lines": (b"\r\na,b\n\n1,2\n\n\n3,4\n\n", {}, [["1", "2"], ["3", "4"]]),
    "newlines in quotes": (b'a,b\n1,"x\ny"\n3,"\r\n"\n', {}, [["1", "x\ny"], ["3", "\r\n"]]),
    "a quote in quotes": (
        b'a,b\n1,"5"" pipe"\n2,5" pipe\n',
        {},
        [["1", '5" pipe'], ["2", '5" pipe']],
    ),
    "quotes of many kinds": (
        b'a,b\n"x,""y"" z","{""a"":1,""b"":2}"\n5"x,"1" \n""," "\n"""q""",1"2"3\n',
        {},
        [['x,"y" z', '{"a":1,"b":2}'], ['5"x', "1 "], ["", " "], ['"q"', '1"2"3']],
    ),
    "absent and empty": (b'a,b\n1,\n2,""\n', {}, [["1", None], ["2", ""]]),
    "blanks": (b"a,b\n1, 2 \n", {}, [["1", " 2 "]]),
    "a zero": (b"a,b\n1,2\0\n", {}, [["1", "2\0"]]),
    "words that others take as absent": (
        b"a,b\nNA,nan\n#N/A,NULL\n",
        {},
        [["NA", "nan"], ["#N/A", "NULL"]],
    ),
    "leading zeros": (b"a,b\n007,1e5\n", {}, [["007", "1e5"]]),
    "the mark of UTF-8": ("\ufeffa,b\nä,2\n".encode(), {}, [["ä", "2"]]),
    "cp1252": (
        "a;b\nä€;2\n".encode("cp1252"),
        {"encoding": "cp1252", "delimiter": ";"},
        [["ä€", "2"]],
    ),
    "UTF-16": ("a,b\nä,2\n".encode("utf-16"), {"encoding": "utf-16"}, [["ä", "2"]]),
    "UTF-16 without a mark": (
        "a,b\nä,2\n".encode("utf-16-be"),
        {"encoding": "utf-16-be"},
        [["ä", "2"]],
    ),
    "Shift JIS": ("a,b\n温度,2\n".encode("shift_jis"), {"encoding": "shift_jis"}, [["温度", "2"]]),
    "names in quotes": (b'"a","b"\n1,2\n', {}, [["1", "2"]]),
    "names with blanks": (b" a , b \n1,2\n", {"strip": True}, [["1", "2"]]),
    "names alone": (b"a,b", {}, []),
}


@pytest.mark.parametrize("data, text, rows", READ.values(), ids=READ)
def test_a_file_is_read_to_its_last_cell(
    tmp_path: Path, data: bytes, text: dict[str, Any], rows: list[list[str | None]]
) -> None:
    """What the file says is what comes in: nothing is turned into a number or an absence."""
    source = opened(tmp_path / "a.csv", data, **text)

    assert source.columns == ["a", "b"]
    assert source.n_rows == len(rows)
    assert cells(source) == rows


REFUSED: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "nothing": (b"", {}, "the file is empty"),
    "blank lines": (b"\n\r\n", {}, "the file is empty"),
    "another delimiter": (
        b"a;b;c\n1;2;3\n",
        {},
        r"one column, 'a;b;c'.*text=TextFormat\(delimiter=';'\)",
    ),
    "tabs": (b"a\tb\n1\t2\n", {}, r"text=TextFormat\(delimiter='\\t'\)"),
    "another delimiter, and commas": (
        b"a;b, c;d\n1;2;3\n",
        {},
        r"row 0 .*text=TextFormat\(delimiter=';'\)",
    ),
    "one column": (b"a\n1\n", {}, "one column, 'a'; expected .* a time and a reading"),
    "a longer row": (
        b"a,b\n1,2\n\n3,4,5\n",
        {},
        "row 1 has 3 cells, and the first line names 2 columns: '3,4,5'",
    ),
    "a shorter row": (b"a,b\n1,2\n3\n", {}, "row 1 has 1 cell,.*: '3'; mend the row"),
    "decimal commas": (b"a,b\n1,2,5\n", {}, "row 0 .*decimal comma"),
    "delimiters at the ends": (b"a;b\n1;2;\n", {"delimiter": ";"}, "rows end with a delimiter"),
    "a title": (b"Plant 7;\na;b;c\n1;2;3\n", {"delimiter": ";"}, "row 0 .*lines above the names"),
    "zeros behind": (b"a,b\n1,2\n" + b"\0" * 9, {}, "row 1 .*zeros, as after a loss of power"),
    "an open quote": (b'a,b\n1,2\n3,"x\n4,5\n', {}, "row 1 has a quote that is never closed"),
    "an open quote at the end": (b'a,b\n1,2\n3,"x', {}, "row 1 has a quote that is never closed"),
    "an open quote above": (b'a,"b\n1,2\n', {}, "names of the columns cannot be read"),
    "cp1252": (
        "a,b\n1,grün\n".encode("cp1252"),
        {},
        r"line 2: byte 8 \(0xfc\) is no utf-8; as cp1252 it reads 'grün': "
        r"text=TextFormat\(encoding='cp1252'\)",
    ),
    "no cp1252": (
        b"a,b\n1,\x81\n",
        {"encoding": "cp1252"},
        r"line 2: byte 6 \(0x81\) is no cp1252",
    ),
    "a cut character": ("a,b\n1,ü".encode()[:-1], {}, "not written to its end"),
    "UTF-16": (
        "a,b\n".encode("utf-16"),
        {},
        r"mark of UTF-16.*text=TextFormat\(encoding='utf-16'\)",
    ),
    "UTF-16 without a mark": (
        "a,b\n".encode("utf-16-le"),
        {},
        r"text=TextFormat\(encoding='utf-16-le'\)",
    ),
    "the mark of UTF-8": ("\ufeffa,b\n".encode(), {"encoding": "cp1252"}, r"encoding='utf-8-sig'"),
    "UTF-16 that needs a mark": ("a,b\n".encode("utf-16-le"), {"encoding": "utf-16"}, "-16-le'"),
    "UTF-16 of the other order": ("a,b\n".encode("utf-16-be"), {"encoding": "utf-16"}, "-16-be'"),
    "UTF-32 that needs a mark": ("a,b\n".encode("utf-32-le"), {"encoding": "utf-32"}, "-32-le'"),
    "UTF-8 as UTF-16": (b"a,b\n1,2\n", {"encoding": "utf-16"}, "encoding='utf-8'"),
    "an encoding of names": (b"a,b-\n1,9-99\n", {"encoding": "punycode"}, "as punycode"),
    "half a character": (b"a,b\n\\ud800,1\n", {"encoding": "unicode_escape"}, "half of a char"),
    "gzip": (gzip.compress(b"a,b\n1,2\n"), {}, r"is gzip: name it \.csv\.gz"),
    "zstd": (pa.compress(b"a,b\n", codec="zstd", asbytes=True), {}, r"name it \.csv\.zst"),
    "ZIP": (b"PK\x03\x04abc", {}, "is a ZIP archive"),
    "a note for Excel": (b"sep=;\na;b\n1;2\n", {}, r"delimiter=';'"),
    "a note for Excel that is followed": (b"sep=;\na;b\n", {"delimiter": ";"}, "remove the line"),
    "a cell that goes on": (b'a,b\n1,2\n3,"1"2\n', {}, "row 1 has a cell that goes on"),
    "a cell that goes on from nothing": (b'a,b\n1,""5\n', {}, "row 0 has a cell that goes on"),
    "a quote too many": (b'a;b\n\n1;"x""y"""z"\n', {"delimiter": ";"}, "row 0 has a cell"),
}


@pytest.mark.parametrize("data, text, told", REFUSED.values(), ids=REFUSED)
def test_a_file_that_cannot_be_read_says_where_and_what_to_do(
    tmp_path: Path, data: bytes, text: dict[str, Any], told: str
) -> None:
    """One sentence with file and row, at the opening, before anything is sent."""
    with pytest.raises(HistoryError, match=rf"a\.csv: .*{told}") as caught:
        opened(tmp_path / "a.csv", data, **text)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["csv.gz", "CSV.GZ", "csv.zst", "tsv", "tsv.gz"])
def test_packed_files_and_files_with_tabs_are_read_alike(tmp_path: Path, ending: str) -> None:
    """The ending states packing and tab; a second part, as of pigz, is no end."""
    delimiter = b"\t" if "tsv" in ending else b","
    parts = [b"a,b\n1,2\n".replace(b",", delimiter), b"3,4\n".replace(b",", delimiter)]
    if ending.lower().endswith("gz"):
        parts = [*map(gzip.compress, parts)]
    elif ending.endswith("zst"):
        parts = [pa.compress(part, codec="zstd", asbytes=True) for part in parts]
    path = tmp_path / f"a.{ending}"

    source = opened(path, b"".join(parts))

    assert cells(source) == [["1", "2"], ["3", "4"]]
    assert source.fingerprint(["a"]) == f"csv:file:{path.stat().st_size}:" + (
        hashlib.sha256(path.read_bytes()).hexdigest()
    )
    assert cells(opened(tmp_path / "a.tsv", b"a,b;c\n1;2,5\n", delimiter=";"))
    if "tsv" not in ending:
        for damaged in (b"".join(parts)[:-3], b"a,b\n1,2\n"):
            with pytest.raises(HistoryError, match="cannot be unpacked; expected a complete"):
                opened(path, damaged)


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    """Half of the old file and half of the new one is a history that never was."""
    path = tmp_path / "a.csv"
    source = opened(path, b"a,b\n1,2\n3,4\n")
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(HistoryError, match=r"a\.csv: the file changed while it was read"):
        cells(source)

    source = opened(path, b"a,b\n" + b"1,2\n" * 600_000)
    parts = source.read(["a"], source.spans(1_000, OPEN, None))
    next(parts)
    os.truncate(path, 2_000_000)
    with pytest.raises(HistoryError, match=r"a\.csv: the file changed while it was read"):
        list(parts)


def test_long_rows_make_short_slabs_and_no_row_is_too_long(tmp_path: Path) -> None:
    """Memory is bounded by bytes, too: a text may be longer than a block."""
    rows = [["1", "x" * 700_000], ["2", "y" * 3_000_000]] * 6
    data = "a,b\n" + "".join(f"{a},{b}\n" for a, b in rows)
    source = opened(tmp_path / "a.csv", data.encode())

    spans = source.spans(16_384, OPEN, None, ["b"])

    assert len(spans) > 2
    assert source.spans(16_384, OPEN, None, ["a"]) == [(0, 12)]
    assert cells(source, 16_384) == rows
    with pytest.raises(
        HistoryError, match="row 262,145 or one of the next has more than 16,777,216"
    ):
        opened(tmp_path / "a.csv", b"a,b\n" + b"1,2\n" * 262_145 + b'3,"' + b"x\n" * 20_000_000)


def test_slabs_are_read_alone_and_in_part(tmp_path: Path) -> None:
    """A run that is continued reads what has not settled, and only the columns it needs."""
    rows = [[str(n), f"T{n % 3}", "x"] for n in range(100_000)]
    data = "a,b,c\n" + "".join(",".join(row) + "\n" for row in rows)
    source = opened(tmp_path / "a.csv", data.encode())
    spans = [(5, 10), (10, 11), (70_000, 70_002), (99_999, 100_000)]

    found = list(source.read(["b", "a"], spans))

    assert [sorted(part) for part in found] == [["a", "b"]] * 4
    assert [n for part in found for n in part["a"].to_pylist()] == [
        str(n) for span in spans for n in range(*span)
    ]


def test_a_folder_of_the_path_is_a_column(tmp_path: Path) -> None:
    """As of Parquet; a column that contradicts its folder is refused."""
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    source = CsvSource.open(path, {"plant": "p7", "b": "2"})
    assert source.columns == ["a", "b", "plant"]
    (part,) = source.read(["a", "b", "plant"], [(0, 1)])
    assert part["plant"].to_pylist() == ["p7"]
    assert source.fingerprint(["a", "plant"]) != source.fingerprint(["a"])
    with pytest.raises(HistoryError, match="the folder says b=3, and the file's own column 'b'"):
        list(CsvSource.open(path, {"b": "3"}).read(["b"], [(0, 1)]))


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(max_examples=80, deadline=None)
@given(
    rows=st.lists(st.lists(TEXTS, min_size=3, max_size=3), max_size=12),
    delimiter=st.sampled_from(";,\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    n_rows=st.integers(1, 5),
)
def test_what_a_writer_quotes_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]], delimiter: str, end: str, n_rows: int,
) -> None:  # fmt: skip
    """Any text survives: delimiters, quotes and ends of lines within a cell."""
    told = io.StringIO(newline="")
    writer = csv.writer(told, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([["a", "b", "c"], *rows])
    path = tmp_path_factory.mktemp("csv") / "a.csv"

    source = opened(path, told.getvalue().encode(), delimiter=delimiter)

    assert cells(source, n_rows) == rows


def test_the_size_of_a_block_is_no_part_of_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that lies on the end of a block is whole."""
    told = "ä,b\n" + "".join(f'{n},"x\n{n}ö"\n' for n in range(500))
    whole = opened(tmp_path / "a.csv", told.encode())
    expected = [[str(n), f"x\n{n}ö"] for n in range(500)]
    for block in (64, 257, 4_096):
        monkeypatch.setattr(csv_module, "BLOCK", block)
        source = CsvSource(
            whole.path, whole.name, whole.names, whole.text, {}, whole.mark, block
        )._counted()
        assert source.n_rows == 500
        assert cells(source, 7) == expected


@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n"])
def test_the_end_of_a_block_parts_no_end_of_a_line(tmp_path: Path, end: bytes) -> None:
    """Within quotes both characters are the text's own, wherever a block ends."""
    block = csv_module.BLOCK
    head = b"a,b" + end
    for shift in range(3):
        cell = b"x" * (block - len(head) - 4 + shift) + b"\r\r\ny"
        source = opened(tmp_path / "a.csv", head + b'1,"' + cell + b'"' + end + b"2,z" + end)

        assert cells(source) == [["1", cell.decode()], ["2", "z"]]


@given(st.text('",\na ', max_size=12))
def test_a_file_is_read_as_the_strict_rules_read_it(
    tmp_path_factory: pytest.TempPathFactory, told: str
) -> None:
    """However quotes stand: what the rules of CSV do not say has no meaning."""
    path = tmp_path_factory.getbasetemp() / "strict.csv"
    data = f"a,b\n{told},x\n"
    padded = re.sub('" +(?=[,\n]|$)', '"', told) != told
    try:
        rows = [row for row in csv.reader(io.StringIO(data, newline=""), strict=True) if row]
    except csv.Error:
        rows = []
    try:
        found = cells(opened(path, data.encode()))
    except HistoryError:
        assert padded or not rows or any(len(row) != 2 for row in rows)
    else:
        assert padded or [[cell or "" for cell in row] for row in found] == rows[1:]


@given(st.text('",\na', max_size=12), st.integers(1, 5))
def test_a_quote_is_seen_however_a_file_is_cut(told: str, size: int) -> None:
    """Its neighbours may lie in other blocks."""
    data = told.encode() + b"\n"
    whole, cut = QuoteWatch(","), QuoteWatch(",")
    whole.see(data)
    for at in range(0, len(data), size):
        cut.see(data[at : at + size])
    assert cut.is_suspect == whole.is_suspect
