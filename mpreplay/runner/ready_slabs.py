"""The slabs of a history made ready on threads of their own. A shell."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING

from ..history.ahead import ahead
from ..outcome.recording import Ready
from ..requests.succession import Succession

if TYPE_CHECKING:
    from ..history.slab import RawSlab
    from ..journal.writer import Unfinished
    from ..order import Order
    from ..requests.preparing import Preparer

__all__ = ["ready_slabs"]


def ready_slabs(
    order: Order, preparer: Preparer, earlier: Unfinished
) -> Generator[Ready, None, None]:
    """Yield the slabs whose requests have not all settled, each with its record.

    Settled slabs of an earlier run are read only if a rest of theirs is needed.
    """
    chosen = earlier.open_requests.keys()
    slabs = Succession(preparer, order.window, earlier.slabs, chosen=chosen)

    def make(one: RawSlab) -> Ready | None:
        prepared = slabs.prepare(one)
        return None if prepared is None else Ready.of(prepared)

    without = earlier.slabs.keys() - slabs.needed
    with closing(ahead(order.history.slabs(order.models.all(), without=without), make)) as made:
        yield from (one for one in made if one is not None)
