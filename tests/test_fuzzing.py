"""Bytes from outside, at every door: an answer or an error of ours, and nothing else."""

from __future__ import annotations

import pytest
from fuzzing import TARGETS, edited
from hypothesis import given, settings
from hypothesis import strategies as st

SCRIPTS = st.lists(st.binary(min_size=4, max_size=4), max_size=6).map(b"".join)
SLOW = {"journal": 25, "audit": 25, "rejects": 30}


@pytest.mark.parametrize("name", TARGETS)
def test_each_example_of_a_target_is_taken(name: str) -> None:
    """A fuzzer that begins with what is refused at once searches in the wrong place."""
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_comes_in_is_answered(name: str) -> None:
    """Half a file, a flipped bit, an attack: never an error that is not ours."""
    target = TARGETS[name]
    seeds = target.seeds()

    @settings(max_examples=SLOW.get(name, 150))
    @given(st.binary(max_size=64) | st.builds(edited, st.sampled_from(seeds), SCRIPTS))
    def search(data: bytes) -> None:
        target.run(data)

    search()
