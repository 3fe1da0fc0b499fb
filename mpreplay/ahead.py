"""Making things ready before they are asked for. A shell: over a thread of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ahead"]

Raw = TypeVar("Raw")
Made = TypeVar("Made")


def ahead(
    raw: Iterable[Raw], make: Callable[[Raw], Made], *, workers: int = 1
) -> Generator[Made, None, None]:
    """Yield ``make(one)`` for each one, in order; as many as there are workers are under way.

    What is under way when the generator is closed is finished, and nothing more is begun. An error
    is raised in its turn, after all that was made before it.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="mpreplay-ahead") as pool:
        pending: deque[Future[Made]] = deque()
        try:
            for one in raw:
                pending.append(pool.submit(make, one))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
