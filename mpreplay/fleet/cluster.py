"""One session a gateway in a whole cluster, by a lock of Dask where its worker runs the replay.

A shell. Dask is not imported unless a worker of it runs this.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..settings import Connection

__all__ = ["cluster_lease"]

LOOK: Final = 1.0  # whether the fleet is to stop, every so often [s]


@contextmanager
def cluster_lease(connection: Connection, stop: Event) -> Iterator[bool]:
    """Hold the cluster's lock of a gateway, besides the lease that the machine has.

    Yields False if the fleet was stopped while another had the lock.
    """
    if not _is_worker():
        yield True
        return
    from distributed import Lock

    product_key, device_key = connection.device
    name = f"mpreplay/{connection.host}:{connection.port}/{product_key}/{device_key}"
    lock = Lock(name)  # type: ignore[no-untyped-call] # given back some seconds after a worker dies
    while not (is_held := lock.acquire(timeout=LOOK)):  # type: ignore[no-untyped-call]
        if stop.is_set():
            break
    try:
        yield is_held
    finally:
        if is_held:
            lock.release()  # type: ignore[no-untyped-call]


def _is_worker() -> bool:
    """Return True if a worker of Dask runs this."""
    if "distributed" not in sys.modules:
        return False
    from distributed import get_worker

    try:
        get_worker()
    except ValueError:  # no worker runs this
        return False
    return True
