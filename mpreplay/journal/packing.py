"""Tables of rejects as bytes with a checksum, for a journal.

Pure.
"""

from __future__ import annotations

import hashlib
from typing import Final

import pyarrow as pa

__all__ = ["packed", "unpacked"]

CHECKSUM: Final = 16  # bytes
# Compressed are tables from here on; for one row, that takes twenty times as long, and more space.
LARGE: Final = 8_192  # bytes
_PLAIN, _COMPRESSED = (pa.ipc.IpcWriteOptions(compression=kind) for kind in (None, "zstd"))


def packed(table: pa.Table) -> bytes:
    """Return rejects as bytes."""
    sink = pa.BufferOutputStream()
    options = _COMPRESSED if table.nbytes >= LARGE else _PLAIN
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return hashlib.blake2b(written, digest_size=CHECKSUM).digest() + written


def unpacked(blob: bytes) -> pa.Table:
    """Return a packed table, once its checksum is right.

    Arrow trusts its input, and a flipped bit can end the process.
    """
    checksum, packed = blob[:CHECKSUM], blob[CHECKSUM:]
    if hashlib.blake2b(packed, digest_size=CHECKSUM).digest() != checksum:
        raise ValueError("the record of a reject is damaged")
    with pa.ipc.open_stream(packed) as reader:
        return reader.read_all()
