"""The slabs of a history made ready on threads of their own. A shell."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ..history.ahead import ahead
from ..outcome.recording import Ready
from ..requests.succession import Succession

if TYPE_CHECKING:
    from ..checks.nearby import Nearby
    from ..history.slab import RawSlab
    from ..journal.unfinished import Unfinished
    from ..order import Order
    from ..requests.preparing import Preparer

__all__ = ["ready_slabs"]

# Slabs after which Arrow gives back unused memory: otherwise it keeps a third more.
TIDIED: Final = 4


def ready_slabs(
    order: Order, preparer: Preparer, earlier: Unfinished, nearby: Nearby | None = None
) -> Generator[Ready, None, None]:
    """Yield the slabs whose requests have not all settled, each with its record.

    Settled slabs of an earlier run are read only if a rest of theirs is needed. With ``nearby``,
    the duplicates are found on the way.
    """
    chosen = earlier.open_requests.keys()
    slabs = Succession(preparer, order.window, earlier.slabs, chosen=chosen)

    def make(one: RawSlab) -> Ready | None:
        prepared = slabs.prepare(one)
        return None if prepared is None else Ready.of(prepared)

    def make_held(one: RawSlab | None) -> Ready | None:
        """Make the slab before, whose repeats are known once this one, if any, was read."""
        search: Any = nearby
        held = search.end() if one is None else search.take(one, preparer.judged(one, order.window))
        prepared = None if held is None else slabs.prepare(held.raw, held)
        return None if prepared is None else Ready.of(prepared)

    without = earlier.slabs.keys() - slabs.needed
    read = order.history.slabs(order.models.all(), without=without)
    ways = ahead(read, make) if nearby is None else ahead(chain(read, [None]), make_held)
    with closing(ways) as made:
        for number, one in enumerate(made):
            if number % TIDIED == 0:
                pa.default_memory_pool().release_unused()
            if one is not None:
                yield one
