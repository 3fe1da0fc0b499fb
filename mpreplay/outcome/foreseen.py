"""Rejects that can be foreseen: values to be withheld, and values that the platform will decline.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from ..protocol.codes import ACCEPTED, INVALID_VALUE
from .reject_table import joined
from .rejects import rejects_of_suspects
from .settled import Settled

if TYPE_CHECKING:
    from ..requests.chunk import Chunk

__all__ = ["declines_foreseen"]

_SKIPPED: Final = Settled("", "accepted", ACCEPTED, "", 1, None)
_DECLINED: Final = Settled("", "declined", INVALID_VALUE, "", 1, None)


def declines_foreseen(chunk: Chunk, *, is_skipping: bool) -> pa.Table:
    """Return one row per value of a request that fails the model check and is sent all the same.

    Parameters
    ----------
    chunk : Chunk
        The values of the request.
    is_skipping : bool
        True if the platform is to skip invalid values, and to accept the request.
    """
    settled = _SKIPPED if is_skipping else _DECLINED
    return joined(
        table
        for part, start, stop in chunk.spans
        for table in rejects_of_suspects(part, start, stop, settled)
    )
