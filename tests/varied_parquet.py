"""A small folder of varied Parquet files, sound and damaged, for ``parquet_folder.py``.

python tests/varied_parquet.py FOLDER
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["FILES", "encrypted", "make"]

ROWS: Final = 40
BEGIN: Final = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


def _times(kind: pa.DataType) -> pa.Array:
    return pa.array([BEGIN + datetime.timedelta(days=n) for n in range(ROWS)]).cast(kind)


def _numbers() -> dict[str, Any]:
    return {
        "ts": _times(pa.timestamp("ms", "UTC")),
        "double": np.linspace(-1, 1, ROWS),
        "int": pa.array(range(ROWS), pa.int16()),
        "some": pa.array([None if n % 3 else n / 4 for n in range(ROWS)], pa.float32()),
        "bool": [n % 2 == 0 for n in range(ROWS)],
    }


def _texts() -> dict[str, Any]:
    texts = pa.array([f'"{n % 5}" ü\n' for n in range(ROWS)])
    return {
        "naive": _times(pa.timestamp("us")),
        "text": texts,
        "category": texts.dictionary_encode(),
        "large": texts.cast(pa.large_string()),
    }


def _nested() -> dict[str, Any]:
    return {
        "day": _times(pa.date32()),
        "struct": [{"a": n, "b": {"c": f"{n}"}} for n in range(ROWS)],
        "list": [[n, n + 1] for n in range(ROWS)],
        "lists": [[{"x": n}] * 2 for n in range(ROWS)],
    }


def _edges() -> dict[str, Any]:
    return {
        "seconds": pa.array(range(1_700_000_000, 1_700_000_000 + ROWS), pa.int64()),
        "float": [[1e308, -1e-308, 5e-324, float("inf"), float("nan")][n % 5] for n in range(ROWS)],
        "whole": pa.array([(-(2**63), 2**63 - 1, 0)[n % 3] for n in range(ROWS)], pa.int64()),
        "a.b": [1.5] * ROWS,
        "": [2.5] * ROWS,
    }


def _written(columns: dict[str, Any], **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue().to_pybytes()


def _altered(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new, 1)


def _miscounted() -> bytes:
    data = _written(_numbers(), store_schema=False)
    count = bytes([0x16, 2 * ROWS, 0x19])  # rows of the file, before the list of row groups
    return _altered(data, count, bytes([0x16, 2 * ROWS + 20, 0x19]))


def _miscalculated() -> bytes:
    options = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    columns = _numbers()
    return _altered(_written(columns, **options), columns["double"][20].tobytes(), b"\x01" * 8)


def encrypted(columns: dict[str, Any], *, plain_footer: bool) -> bytes:
    """Return a file in which the column "double" is encrypted, and the footer where asked."""
    import pyarrow.parquet.encryption as pe

    class Keys(pe.KmsClient):
        def __init__(self, _config: Any) -> None:
            super().__init__()

        def wrap_key(self, key_bytes: bytes, _name: str) -> bytes:
            return key_bytes.hex().encode()

        def unwrap_key(self, wrapped_key: bytes, _name: str) -> bytes:
            return bytes.fromhex(wrapped_key.decode())

    config = pe.EncryptionConfiguration("footer", column_keys={"column": ["double"]})
    config.plaintext_footer = plain_footer
    factory = pe.CryptoFactory(Keys)
    properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), config)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink, pa.table(columns).schema, encryption_properties=properties
    ) as writer:
        writer.write_table(pa.table(columns))
    return sink.getvalue().to_pybytes()


# File to its content, and the outcome of ``parquet_folder.py``.
FILES: Final[dict[str, tuple[Callable[[], bytes], str]]] = {
    "numbers.parquet": (lambda: _written(_numbers(), row_group_size=7), "ok"),
    "pages.PARQUET": (lambda: _written(_numbers(), data_page_size=64, version="1.0"), "ok"),
    "v2/brotli.parq": (
        lambda: _written(_numbers(), data_page_version="2.0", compression="brotli"),
        "ok",
    ),
    "day=1/texts.pq": (lambda: _written(_texts()), "ok"),
    "int96.parquet": (lambda: _written(_texts(), use_deprecated_int96_timestamps=True), "ok"),
    "nested.parquet": (lambda: _written(_nested()), "ok"),
    "edges.parquet": (lambda: _written(_edges()), "partly"),
    "no time.parquet": (lambda: _written({"text": ["a"] * ROWS}), "ok"),
    "no rows.parquet": (lambda: _written({"ts": _times(pa.timestamp("s"))[:0]}), "nothing"),
    "no values.parquet": (lambda: _written({"ts": [1, 2], "x": pa.nulls(2)}), "nothing"),
    "broken/empty.parquet": (lambda: b"", "refused"),
    "broken/short.parquet": (lambda: _written(_numbers())[:-50], "refused"),
    "broken/counts.parquet": (_miscounted, "refused"),
    "broken/checksum.parquet": (_miscalculated, "partly"),
    "broken/twice.parquet": (
        lambda: _altered(_written({"ts": [1], "a1": [1], "a2": [2]}), b"a2", b"a1"),
        "partly",
    ),
    "keys/columns.parquet": (lambda: encrypted(_numbers(), plain_footer=True), "refused"),
    "keys/all.parquet.encrypted": (lambda: encrypted(_numbers(), plain_footer=False), "refused"),
}


def make(folder: Path, only: str = "") -> None:
    """Write the files into a folder."""
    for name, (content, _) in FILES.items():
        if only in name:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content())


if __name__ == "__main__":
    make(Path(sys.argv[1]))
