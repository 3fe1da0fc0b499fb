"""Making things ready on another thread: the same things, in the same order, and no thread left."""

from __future__ import annotations

import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.errors import ConfigError
from mpreplay.history.ahead import ahead, check_threads


@given(st.lists(st.integers()), st.integers(1, 3))
def test_what_is_made_ahead_comes_in_its_order(numbers: list[int], workers: int) -> None:
    """Requests depend on the history alone, never on which thread was quicker."""
    assert list(ahead(numbers, str, workers=workers)) == [str(number) for number in numbers]


def test_an_error_comes_in_its_turn() -> None:
    """What was made before it is sent and written down first."""

    def make(number: int) -> int:
        return 10 // number

    made = ahead([5, 2, 0, 1], make)
    assert [next(made), next(made)] == [2, 5]
    with pytest.raises(ZeroDivisionError):
        next(made)
    assert list(made) == []


def test_no_more_is_read_than_is_needed_ahead() -> None:
    """Memory holds what is under way, not the history."""
    read: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    made = ahead(numbers(), str, workers=1)
    next(made)
    made.close()
    assert len(read) <= 3  # one is used, one is made, and one is read


def test_closing_leaves_no_thread() -> None:
    """An interrupted run in a notebook must not go on in the background."""
    made = ahead(iter(range(100)), str)
    next(made)
    made.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("mpreplay-")]


def test_one_that_was_never_begun_can_be_closed() -> None:
    """A run may be refused before it reads anything."""
    made = ahead([1], str)
    made.close()
    assert list(made) == []


def test_threads_go_on_after_the_main_thread(tmp_path: Path) -> None:
    """A thread may replay while the main thread has nothing left to do."""
    code = """
import threading
from mpreplay.history.ahead import ahead
def work():
    threading.main_thread().join()
    print(list(ahead(range(5), str)))
threading.Thread(target=work).start()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    assert done.stdout == "['0', '1', '2', '3', '4']\n" or "thread.join()" in done.stderr


def test_a_system_without_threads_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Later Pythons start none once the main thread has ended, nor do systems at their limit."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    for call in (check_threads, lambda: list(ahead([1], str))):
        with pytest.raises(ConfigError, match=r"at interpreter shutdown.*thread\.join\(\)"):
            call()


def test_no_slab_is_held_longer_than_it_is_used() -> None:
    """A slab is tens of megabytes."""

    class Slab:
        pass

    made = ahead((Slab() for _ in range(10)), weakref.ref)
    kept = [next(made) for _ in range(8)]
    made.close()

    assert [ref() for ref in kept[:6]] == [None] * 6
