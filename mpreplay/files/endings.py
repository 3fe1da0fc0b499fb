"""Formats of files of readings, recognised by the name's ending or by the first bytes.

Pure. A format that is added here is found in folders, patterns and remote stores; its reader is
named in ``doors.opening``.
"""

from __future__ import annotations

from typing import Final

__all__ = ["KINDS", "format_of_bytes", "format_of_name"]

# Format to its endings. In a folder that holds several formats, the files of the first are read:
# the others may hold the same rows.
KINDS: Final = {
    "parquet": (".parquet", ".parq", ".pq"),
    "ipc": (".arrow", ".arrows", ".ipc", ".feather"),
    "csv": (".csv", ".csv.gz", ".csv.zst", ".tsv", ".tsv.gz", ".tsv.zst"),
}
# First bytes to the format, the longer first; "PARE" is Parquet with an encrypted footer, "FEA1"
# the first version of Feather, and the last begins each message of an Arrow stream.
_FIRST_BYTES: Final = {
    b"ARROW1": "ipc",
    b"PAR1": "parquet",
    b"PARE": "parquet",
    b"FEA1": "ipc",
    b"\xff\xff\xff\xff": "ipc",
}


def format_of_name(name: str) -> str | None:
    """Return the format that a name tells, or None.

    Examples
    --------
    >>> format_of_name("2024.PARQUET"), format_of_name("x.feather"), format_of_name("x.txt")
    ('parquet', 'ipc', None)
    """
    lower = name.lower()
    return next((kind for kind, ends in KINDS.items() if lower.endswith(ends)), None)


def format_of_bytes(first: bytes) -> str | None:
    """Return the format of a file that begins with these bytes, or None."""
    return next((kind for mark, kind in _FIRST_BYTES.items() if first.startswith(mark)), None)
