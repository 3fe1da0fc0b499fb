"""What a measurement point may be, and what it refuses to be."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from mpreplay import ConfigError, Measurepoint


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"identifier": ""}, "needs an identifier"),
        ({"type": "int"}, "unknown type 'int'"),
        ({"type": "ARRAY"}, "item type of INT, FLOAT, DOUBLE or STRING, got None"),
        ({"type": "ARRAY", "item_type": "BOOL"}, "got 'BOOL'"),
        ({"type": "STRUCT"}, "needs members"),
        ({"type": "ENUM"}, "needs keys"),
        ({"type": "ENUM", "keys": (1, "a")}, "either all numbers or all texts"),
        ({"minimum": 2, "maximum": 1}, "minimum 2 is above its maximum 1"),
        ({"minimum": float("nan")}, "finite number of 64 bits, got nan"),
        (
            {"type": "STRUCT", "members": (Measurepoint("x", "INT"), Measurepoint("x", "INT"))},
            "member 'x' occurs twice",
        ),
        (
            {"type": "STRUCT", "members": (Measurepoint("x", "ARRAY", item_type="INT"),)},
            "neither STRUCT nor ARRAY, but 'x' is",
        ),
    ],
)
def test_what_no_thing_model_can_mean_is_refused(fields: dict[str, Any], message: str) -> None:
    """A model that contradicts itself would fault good values or pass bad ones."""
    with pytest.raises(ConfigError, match=message):
        Measurepoint(**{"identifier": "p", "type": "INT", **fields})


@pytest.mark.parametrize(
    ("point", "text"),
    [
        (Measurepoint("p", "INT"), ""),
        (Measurepoint("p", "INT", minimum=0), "[0, inf)"),
        (Measurepoint("p", "INT", maximum=1_234_567), "(-inf, 1234567]"),
        (
            Measurepoint(
                "p", "DOUBLE", minimum=-0.5, maximum=1.5, exclusive_minimum=True,
                exclusive_maximum=True,
            ),
            "(-0.5, 1.5)",
        ),
    ],
)  # fmt: skip
def test_a_range_is_written_with_all_its_digits(point: Measurepoint, text: str) -> None:
    """Rounded bounds make reasons that contradict the value they are about."""
    assert point.range_text == text


def test_bounds_are_the_narrower_of_the_models_and_the_types() -> None:
    """An INT cannot exceed 32 bits, whatever its model allows."""
    assert Measurepoint("p", "INT", minimum=0, maximum=10**10).bounds == (0, 2**31 - 1)
    assert Measurepoint("p", "DOUBLE", minimum=0).bounds == (0, None)
    assert Measurepoint("p", "STRING").max_bytes == 1_024


@pytest.mark.parametrize(
    ("point", "kind"),
    [
        (Measurepoint("p", "FLOAT"), pa.float32()),
        (Measurepoint("p", "ENUM", keys=("a",)), pa.string()),
        (Measurepoint("p", "ENUM", keys=(1,)), pa.int64()),
        (Measurepoint("p", "ARRAY", item_type="FLOAT"), pa.list_(pa.float32())),
        (
            Measurepoint("p", "STRUCT", members=(Measurepoint("x", "TIMESTAMP"),)),
            pa.struct([("x", pa.timestamp("ms", tz="UTC"))]),
        ),
    ],
)
def test_each_type_has_one_arrow_type(point: Measurepoint, kind: pa.DataType) -> None:
    """Checks and encoding rely on it."""
    assert point.arrow_type() == kind


def test_its_repr_tells_what_it_holds() -> None:
    """A notebook shows it."""
    point = Measurepoint("a", "ARRAY", item_type="INT", unit="kW", has_quality=True)
    assert repr(point) == "Measurepoint(a: ARRAY of INT kW with quality)"
