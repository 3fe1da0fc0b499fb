"""Processes of this machine that replay gateways. A shell over ``concurrent.futures``."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import sys
import types
import zlib
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigError
from .unit import Unit, UnitEnd, Work, run_unit

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from ..settings import Limits

__all__ = ["Pool", "at_a_time", "packed", "run_packed", "workers_worth"]

# What a gateway at its limit of bytes costs of a core, and what a worker takes of the memory.
CORE_SHARE: Final = 1 / 40  # cores a MB/s; measured 1/84, with room for isolation and retries
WORKER_BYTES: Final = 250_000_000
MOST: Final = 61  # as many as Windows can wait for
# Imported once, before processes are forked: a replay needs the last two as soon as it begins.
PRELOADED: Final = (
    "mpreplay.fleet.unit",
    "pandera.backends.pandas.builtin_checks",
    "pandera.backends.pandas.builtin_hypotheses",
)


def workers_worth(n_gateways: int, limits: Limits) -> int:
    """Return the number of processes that are worth having on this machine.

    A gateway limited to a rate leaves most of a core idle, so many gateways share a core; without
    a limit a process keeps a core busy. Memory bounds them, too.
    """
    cores = os.cpu_count() or 1
    rate = limits.bytes_per_second
    by_cores = cores if rate is None else max(cores, int(cores / (rate / 1e6 * CORE_SHARE)))
    return max(1, min(n_gateways, by_cores, _by_memory(), MOST))


def at_a_time(executor: Executor, n_gateways: int) -> int:
    """Return how many gateways an executor may run at a time; all, if it does not tell."""
    n_workers = getattr(executor, "_max_workers", None)
    client = getattr(executor, "_client", None)
    if n_workers is None and client is not None and hasattr(client, "nthreads"):
        n_workers = sum(client.nthreads().values()) or None
    return n_gateways if n_workers is None else max(1, min(n_gateways, int(n_workers)))


def _by_memory() -> int:
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # no such figure on this system
        return MOST
    return max(1, int(0.6 * free / WORKER_BYTES))


def packed(work: Work) -> bytes:
    """Return what all gateways share as bytes, made once.

    Raises
    ------
    ConfigError
        If a part of it cannot travel.
    """
    try:
        told = pickle.dumps(work)
        if b"__main__" not in told:  # whose names no other process has
            return zlib.compress(told, 1)
    except (AttributeError, TypeError, pickle.PicklingError):
        pass
    try:
        import cloudpickle  # type: ignore[import-untyped]
    except ImportError as error:
        raise ConfigError(
            "the checks of the model are defined in this script, and cannot travel to other "
            "processes: put them into a module of their own, or pip install 'mpreplay[dask]'"
        ) from error
    return zlib.compress(cloudpickle.dumps(work), 1)


def run_packed(told: bytes, unit: Unit, has_journal: bool) -> UnitEnd:
    """Run a unit that has travelled."""
    work: Work = pickle.loads(zlib.decompress(told))  # noqa: S301 - made by the fleet's own driver
    return run_unit(work, unit, has_journal=has_journal)


class Pool(Executor):
    """Processes of this machine, made as they are needed.

    They do not import the calling script: it needs no ``if __name__ == "__main__"``.
    """

    def __init__(self, n_workers: int) -> None:
        known = multiprocessing.get_all_start_methods()
        method = "forkserver" if "forkserver" in known else "spawn"
        self._context = multiprocessing.get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload(list(PRELOADED))
        self._pool = ProcessPoolExecutor(
            min(n_workers, MOST), mp_context=self._context, initializer=_quiet
        )
        self._left: list[BaseProcess] = []

    def submit(self, call: Any, /, *given: Any, **named: Any) -> Future[Any]:
        """Queue a call."""
        with _without_script():
            return self._pool.submit(call, *given, **named)

    def look(self) -> None:
        """Let the death of a process be noticed that died before the executor watched it.

        An executor watches a new process from its next event on, and that may never come.
        """
        processes = [*(self._pool._processes or {}).values()]
        if not all(process.is_alive() for process in processes):
            with suppress(RuntimeError):  # it is noticed already
                self._pool.submit(_nothing).cancel()  # an event

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes; without ``wait``, busy processes end after their task."""
        if not wait:
            self._left = [*(self._pool._processes or {}).values()]
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)

    def kill(self) -> None:
        """Kill what is left of a pool that was shut down without waiting.

        A pool with a lost process ends the others by SIGTERM, and they wait for work in vain; and
        the interpreter waits for them at its own end.
        """
        for process in self._left:
            with suppress(ValueError, OSError):  # it has ended, and was forgotten
                process.kill()


def _nothing() -> None:
    """Do nothing."""


def _quiet() -> None:
    """Keep a process from writing to the terminal, where its lines would name no gateway."""
    logging.getLogger("mpreplay").addHandler(logging.NullHandler())


@contextmanager
def _without_script() -> Iterator[None]:
    """Hide the script from processes that begin: they would run it."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script
