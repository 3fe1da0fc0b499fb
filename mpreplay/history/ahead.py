"""Preparation of items ahead of their use. A shell: runs threads of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, Final, TypeVar

__all__ = ["ahead"]

Raw = TypeVar("Raw")
Made = TypeVar("Made")
_END: Final[Any] = object()


def ahead(
    raw: Iterable[Raw], make: Callable[[Raw], Made], *, workers: int = 1
) -> Generator[Made, None, None]:
    """Yield ``make(item)`` for each raw item, in order.

    While the caller is busy, the next item is read, and as many items are made as there are
    workers. Once the generator is closed, items under way are finished and no more are begun. An
    error is raised in its turn, after all items made before.
    """
    with (
        closing(_read_ahead(iter(raw))) as read,
        ThreadPoolExecutor(workers, thread_name_prefix="mpreplay-make") as pool,
    ):
        pending: deque[Future[Made]] = deque()
        try:
            for one in read:
                pending.append(pool.submit(make, one))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _read_ahead(raw: Iterator[Raw]) -> Generator[Raw, None, None]:
    """Yield each item, and read the next meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="mpreplay-read") as pool:
        following = pool.submit(next, raw, _END)
        while (one := following.result()) is not _END:
            following = pool.submit(next, raw, _END)
            yield one
