"""What is said of a column: its arguments, and how two are compared."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from mpreplay import Column, ConfigError


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"values": {"A": 1}, "labels": True}, "values= and labels= exclude each other"),
        ({"values": {"A": 1}, "scale": 2}, "values= and scale= exclude each other"),
        ({"labels": True, "suffix": "m"}, "labels= and suffix= exclude each other"),
        ({"values": {}}, "values= must be a dict with a text at least"),
        ({"values": [("A", 1)]}, "values= must be a dict of text to value or None, got list"),
        ({"values": {1: 2}}, "whose keys are texts, as the cells are, got 1"),
        ({"values": {"A": None}}, r"belongs to absent=\('A',\)"),
        ({"values": {"A": [1]}}, "numbers, texts or truth values, got list"),
        ({"values": {"A": math.nan}}, "numbers, texts or truth values, got nan"),
        ({"values": {"-": 1}, "absent": ["-"]}, "'-' stands both in values= and in absent="),
        ({"scale": 0}, "scale= must be a finite number other than 0, got 0"),
        ({"scale": math.nan}, "a finite number other than 0, got nan"),
        ({"scale": 10**400}, "a finite number other than 0"),
        ({"scale": True}, "scale= must be a number or None, got True"),
        ({"decimal": ";"}, "decimal= must be '.' or ',', or None, got ';'"),
        ({"absent": "-"}, r"write absent=\('-',\)"),
        ({"labels": 1}, "labels= must be True or False"),
        ({"suffix": None}, "suffix= must be a text"),
        ({"point": ""}, "point= must be the identifier of a measurepoint"),
        ({"point": 7}, "point= must be a text"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_written(given: dict[str, Any], message: str) -> None:
    """A wrong argument would otherwise be found after the whole history was read."""
    with pytest.raises(ConfigError, match=message):
        Column(**{"point": "P", **given})


def test_a_column_shows_what_differs_from_the_default() -> None:
    """In a fingerprint and an audit it stands as it was written."""
    assert repr(Column("P", suffix=" kW ", scale=1000)) == "Column('P', scale=1000.0, suffix='kW')"


def test_equal_columns_are_one_whatever_the_order() -> None:
    """A run is continued by the same mapping, in which the user has moved a line."""
    one = Column("P", values={"ON": 1, "OFF": 0}, absent=("-", "Bad"))
    other = Column("P", values={"OFF": 0, "ON": np.int64(1)}, absent=("Bad", "-"))

    assert repr(one.canonical()) == repr(other.canonical())
    assert hash(one) == hash(other)


def test_a_mapping_is_a_copy() -> None:
    """What the caller changes later changes no history."""
    values = {"ON": 1}
    column = Column("P", values=values)
    values["ON"] = 2

    assert column.values == {"ON": 1}
