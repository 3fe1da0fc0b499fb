"""Numbers that the rehearsal platform has stored, as it gives them back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mpreplay.simulator.frames import stored_frame
from mpreplay.simulator.holdings import Holdings
from mpreplay.simulator.limits import PlatformLimits
from mpreplay.simulator.rules import Record
from mpreplay.simulator.world import World

LONG = 2**70 + 1
WORLD = World({}, {}, "gateway", {}, frozenset(), PlatformLimits())


def stored(*texts: str) -> list[Any]:
    """Return what the platform gives back of values of these JSON texts."""
    points = ",".join(f'"x{n}":{text}' for n, text in enumerate(texts))
    payload = f'{{"params":[{{"measurepoints":{{{points}}},"time":7}}]}}'.encode()
    records = Holdings([Record(("p", "d"), 7, False, payload)]).select("p", "d", 0, 8)
    return list(stored_frame(records, WORLD).sort_values("measurepoint")["value"])


@pytest.mark.parametrize(
    "values",
    [[2**53 + 1], [2**60 + 1, 0.5], [2**64 - 1, -(2**63)], [LONG], [LONG, 1.5, "a"], [10**400],
     [-(2**63) - 1], [{"a": LONG}]],
    ids=str,
)  # fmt: skip
def test_integers_are_stored_with_all_their_digits(values: list[Any]) -> None:
    """A read-back compares them: beyond 2^53, a float is one number for two."""
    found = stored(*(json.dumps(value) for value in values))

    assert found == values
    assert [type(one) for one in found] == [type(value) for value in values]


def test_numbers_that_floats_hold_are_given_as_floats() -> None:
    """A column of numbers is easier to work with than one of objects."""
    assert [type(one) for one in stored("1", "0.5", str(2**53))] == [float] * 3
