"""Facts that only a cluster of Dask can tell: one session a gateway in all of it, and when to stop.

A shell. Dask is not imported unless a worker of it runs this.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ..settings import Connection

__all__ = ["client_of", "cluster_lease", "is_stopped", "mark_stopped"]

LOOK: Final = 1.0  # whether the fleet is to stop, every so often [s]


@contextmanager
def cluster_lease(connection: Connection, stop: Event) -> Iterator[bool]:
    """Hold the cluster's lock of a gateway, in addition to the machine's lease.

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


def client_of(executor: Executor | None) -> Any:
    """Return the client of Dask behind an executor; None if it is another."""
    client = getattr(executor, "_client", None)
    return client if "distributed" in sys.modules and hasattr(client, "scheduler") else None


def mark_stopped(client: Any, token: str, *, is_stopped: bool) -> None:
    """Tell the workers of a cluster that a fleet is to stop, or no longer is."""
    from distributed import Event as Mark

    mark = Mark(_mark(token), client=client)  # type: ignore[no-untyped-call]
    (mark.set if is_stopped else mark.clear)()  # type: ignore[no-untyped-call]


def is_stopped(token: str) -> bool:
    """Return True if a fleet is to stop; asked by a worker that cannot see the fleet's folder."""
    if not _is_worker():
        return False
    from distributed import Event as Mark

    return bool(Mark(_mark(token)).is_set())  # type: ignore[no-untyped-call]


def _mark(token: str) -> str:
    return f"mpreplay-stop/{token}"


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
