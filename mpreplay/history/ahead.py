"""Making things ready before they are asked for. A shell: over threads of its own."""

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
    """Yield ``make(one)`` for each one, in order.

    One is read, and as many as there are workers are made, while the caller is busy. What is under
    way when the generator is closed is finished, and nothing more is begun. An error is raised in
    its turn, after all that was made before it.
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
    """Yield each one, and read the next meanwhile."""
    with ThreadPoolExecutor(1, thread_name_prefix="mpreplay-read") as pool:
        following = pool.submit(next, raw, _END)
        while (one := following.result()) is not _END:
            following = pool.submit(next, raw, _END)
            yield one
