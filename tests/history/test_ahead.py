"""Making things ready on another thread: the same things, in the same order, and no thread left."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay.history.ahead import ahead


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
    assert len(read) == 2


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
