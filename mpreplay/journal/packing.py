"""Tables of rejects as bytes with a checksum, for a journal.

Pure.
"""

from __future__ import annotations

import hashlib
import io
from typing import Final

import pyarrow as pa

__all__ = ["packed", "unpacked"]

CHECKSUM: Final = 16  # bytes
_COMPRESSED: Final = pa.ipc.IpcWriteOptions(compression="zstd")


def packed(table: pa.Table) -> bytes:
    """Return rejects as bytes."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=_COMPRESSED) as writer:
        writer.write_table(table)
    written = sink.getvalue()
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
