"""The points of a run in its journal: the thing models, and the values in requests by point.

A shell over the file that a reader reads.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING

from ..errors import ConfigError
from ..model.thing_model import ThingModel
from ..outcome.point_counts import counts_by_point
from .reader import OPEN_ENDED, of_journal

if TYPE_CHECKING:
    from ..outcome.point_counts import PointCounts
    from .reader import JournalReader

__all__ = ["models_of", "packed_model", "sent_by_point"]


def packed_model(model: ThingModel) -> bytes:
    """Return a thing model as a journal keeps it."""
    return zlib.compress(model.to_json().encode())


@of_journal
def models_of(reader: JournalReader) -> dict[str, ThingModel]:
    """Return the thing models of a run by product; of a single one for all, the product is empty.

    Raises
    ------
    JournalError
        If the journal is damaged.
    """
    rows = reader.select("SELECT product_key, model FROM models ORDER BY rowid")
    try:
        return {
            product_key: ThingModel.load(json.loads(zlib.decompress(model)))
            for product_key, model in rows
        }
    except (zlib.error, ConfigError) as error:
        raise ValueError("the record of a thing model is damaged") from error


@of_journal
def sent_by_point(reader: JournalReader) -> PointCounts:
    """Return the values in requests by point and outcome; those not settled are ``open``.

    Of declined requests, the rejects have every value.
    """
    skips = reader.facts().get("fingerprint", {}).get("skip_invalid_measurepoints", False)
    rows = reader.select(
        "SELECT coalesce(outcome, 'open'), touched FROM requests WHERE outcome IS NULL OR "
        f"outcome = 'accepted' OR outcome IN {OPEN_ENDED}"
    )
    return counts_by_point(rows, reader.names(), skips=bool(skips))
