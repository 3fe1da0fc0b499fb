"""One session a gateway in a whole cluster, by a lock of Dask where its worker runs the replay.

A shell. Dask is not imported unless a worker of it runs this.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..settings import Connection

__all__ = ["cluster_lease"]


@contextmanager
def cluster_lease(connection: Connection) -> Iterator[None]:
    """Hold the cluster's lock of a gateway, besides the lease that the machine has."""
    if not _is_worker():
        yield
        return
    from distributed import Lock

    product_key, device_key = connection.device
    name = f"mpreplay/{connection.host}:{connection.port}/{product_key}/{device_key}"
    with Lock(name):  # type: ignore[no-untyped-call] # given back by itself some seconds after a worker has died
        yield


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
