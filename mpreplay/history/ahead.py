"""Preparation of items ahead of their use. A shell: runs threads of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, Generic, TypeVar

from ..errors import ConfigError

__all__ = ["ahead", "check_threads"]

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
    with closing(_read_ahead(iter(raw))) as read, _Threads[Made]("mpreplay-make", workers) as pool:
        pending: deque[Future[Made]] = deque()
        try:
            for one in read:
                pending.append(pool.submit(partial(make, one)))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _read_ahead(raw: Iterator[Raw]) -> Generator[Raw, None, None]:
    """Yield each item, and read the next meanwhile."""
    with _Threads[Raw]("mpreplay-read") as pool:
        following = pool.submit(partial(next, raw, _END))
        while (one := following.result()) is not _END:
            following = pool.submit(partial(next, raw, _END))
            yield one


class _Threads(Generic[Made]):
    """A few threads that take turns at what they are given.

    An executor takes nothing more once the main thread has ended; these threads go on as long as
    the thread that uses them.
    """

    def __init__(self, name: str, n: int = 1) -> None:
        self._tasks: SimpleQueue[tuple[Future[Made], Callable[[], Made]] | None] = SimpleQueue()
        self._threads = [Thread(target=self._run, name=f"{name}-{number}") for number in range(n)]

    def __enter__(self) -> _Threads[Made]:
        for thread in self._threads:
            _start(thread)
        return self

    def __exit__(self, *_: object) -> None:
        for _thread in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def submit(self, work: Callable[[], Made]) -> Future[Made]:
        """Queue a piece of work, and return its future."""
        future: Future[Made] = Future()
        self._tasks.put((future, work))
        return future

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            _carry_out(*task)
            del task  # it holds a slab


def _carry_out(future: Future[Made], work: Callable[[], Made]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)


def check_threads() -> None:
    """Raise ConfigError unless a thread can be started: not at the end of the interpreter."""
    thread = Thread(target=int)
    _start(thread)
    thread.join()


def _start(thread: Thread) -> None:
    try:
        thread.start()
    except RuntimeError as error:
        raise ConfigError(
            f"a replay needs threads, and none can be started ({error}). Where the main thread has "
            "ended, let it wait for the thread of the replay: thread.join()"
        ) from error
