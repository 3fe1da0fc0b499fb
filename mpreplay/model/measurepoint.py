"""What one measurement point may hold: its type, range, length, members and quality.

Pure: the facts of the platform's type system and nothing that reads or checks values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from ..errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ARRAY_ITEM_TYPES", "TYPES", "Measurepoint", "PointType", "range_text"]

PointType = Literal[
    "INT", "FLOAT", "DOUBLE", "BOOL", "ENUM", "STRING", "DATE", "TIMESTAMP", "STRUCT", "ARRAY",
    "FILE", "ANY",
]  # fmt: skip

# "ANY" is ours: an identifier that a pass-through model does not list.
TYPES: Final[frozenset[str]] = frozenset(
    {
        "INT", "FLOAT", "DOUBLE", "BOOL", "ENUM", "STRING", "DATE", "TIMESTAMP", "STRUCT", "ARRAY",
        "FILE", "ANY",
    }
)  # fmt: skip
# EnOS REST API 2.1, "Get Thing Model": itemType of an ARRAY.
ARRAY_ITEM_TYPES: Final = frozenset({"INT", "FLOAT", "DOUBLE", "STRING"})

# Ranges as they stand in console exports of models (EnOS 2.x).
INT_RANGE: Final = (-(2**31), 2**31 - 1)
FLOAT_RANGE: Final = (-3.4028234663852886e38, 3.4028234663852886e38)
MAX_STRING_BYTES: Final = 1_024  # EnOS Device Connection 2.4.4, "Limitations"
MAX_ARRAY_ITEMS: Final = 1_024  # the same page
QUALITY_RANGE: Final = (0, 9)  # EnOS Device Connection 2.0.9, "Reporting Measurement Points"


@dataclass(frozen=True, slots=True)
class Measurepoint:
    """One measurement point of a thing model, or one member of a struct.

    Parameters
    ----------
    identifier : str
        Its name on the wire.
    type : str
        INT, FLOAT, DOUBLE, BOOL, ENUM, STRING, DATE, TIMESTAMP, STRUCT, ARRAY or FILE; ANY
        for an identifier that a pass-through model does not list.
    minimum, maximum : float, optional
        The range of a number; with ``exclusive_*`` the bound itself is outside.
    max_length : int, optional
        The longest text, encoded in UTF-8. [bytes]
    keys : tuple of int or of str
        What an ENUM may be.
    item_type : str, optional
        The type of the items of an ARRAY: INT, FLOAT, DOUBLE or STRING.
    members : tuple of Measurepoint
        The members of a STRUCT; ``required`` tells which must be there.

    Raises
    ------
    ConfigError
        If the parts contradict each other.

    Examples
    --------
    >>> Measurepoint("Ot_avg", "FLOAT", unit="degC", minimum=-60, maximum=60)
    Measurepoint(Ot_avg: FLOAT [-60, 60] degC)
    """

    identifier: str
    type: str
    name: str = ""
    unit: str = ""
    has_quality: bool = False
    minimum: float | None = None
    maximum: float | None = None
    exclusive_minimum: bool = False
    exclusive_maximum: bool = False
    max_length: int | None = None
    keys: tuple[int, ...] | tuple[str, ...] = ()
    item_type: str | None = None
    members: tuple[Measurepoint, ...] = ()
    required: bool = False

    def __post_init__(self) -> None:
        """Refuse what no thing model can mean."""
        where = f"measurepoint {self.identifier!r}"
        if not self.identifier or not isinstance(self.identifier, str):
            raise ConfigError(f"a measurepoint needs an identifier, got {self.identifier!r}")
        if self.type not in TYPES:
            raise ConfigError(
                f"{where}: unknown type {self.type!r}; expected one of "
                f"{', '.join(sorted(TYPES - {'ANY'}))}"
            )
        if self.type == "ARRAY" and self.item_type not in ARRAY_ITEM_TYPES:
            raise ConfigError(
                f"{where}: an ARRAY needs an item type of INT, FLOAT, DOUBLE or STRING, "
                f"got {self.item_type!r}"
            )
        if self.type == "STRUCT":
            if not self.members:
                raise ConfigError(f"{where}: a STRUCT needs members")
            if nested := [m.identifier for m in self.members if m.type in {"STRUCT", "ARRAY"}]:
                raise ConfigError(
                    f"{where}: a member of a STRUCT may be neither STRUCT nor ARRAY, "
                    f"but {nested[0]!r} is"
                )
            names = [m.identifier for m in self.members]
            if doubled := [name for name in names if names.count(name) > 1]:
                raise ConfigError(f"{where}: its member {doubled[0]!r} occurs twice")
        if self.type == "ENUM" and len({type(key) for key in self.keys} & {int, str}) != 1:
            raise ConfigError(
                f"{where}: an ENUM needs keys, either all numbers or all texts, got {self.keys!r}"
            )
        if any(bound != bound for bound in (self.minimum, self.maximum)):  # noqa: PLR0124 - NaN
            raise ConfigError(f"{where}: its range has NaN as a bound")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ConfigError(
                f"{where}: its minimum {self.minimum:g} is above its maximum {self.maximum:g}"
            )

    def __repr__(self) -> str:
        parts = [f"{self.identifier}: {self.type}"]
        if self.item_type:
            parts[0] += f" of {self.item_type}"
        if self.members:
            parts[0] += f" of {', '.join(m.identifier for m in self.members)}"
        if text := self.range_text:
            parts.append(text)
        if self.unit:
            parts.append(self.unit)
        if self.has_quality:
            parts.append("with quality")
        return f"Measurepoint({' '.join(parts)})"

    @property
    def range_text(self) -> str:
        """The range as mathematicians write it, or the empty text without one."""
        return range_text(
            self.minimum, self.maximum, self.exclusive_minimum, self.exclusive_maximum
        )

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The least and the largest value, from the model and from the type."""
        low, high = {"INT": INT_RANGE, "FLOAT": FLOAT_RANGE}.get(self.type, (None, None))
        if self.minimum is not None:
            low = self.minimum if low is None else max(low, self.minimum)
        if self.maximum is not None:
            high = self.maximum if high is None else min(high, self.maximum)
        return low, high

    @property
    def max_bytes(self) -> int:
        """The longest text the point may hold, in bytes."""
        return MAX_STRING_BYTES if self.max_length is None else self.max_length

    @property
    def has_int_keys(self) -> bool:
        """Whether the keys of an ENUM are numbers."""
        return bool(self.keys) and isinstance(self.keys[0], int)

    def arrow_type(self) -> pa.DataType:
        """Return the Arrow type in which mpreplay holds the values of this point."""
        import pyarrow as pa

        if self.type == "STRUCT":
            return pa.struct([(m.identifier, m.arrow_type()) for m in self.members])
        if self.type == "ARRAY":
            return pa.list_(_ARROW[str(self.item_type)](pa))
        if self.type == "ENUM":
            return pa.int64() if self.has_int_keys else pa.string()
        return _ARROW[self.type](pa)


def range_text(low: float | None, high: float | None, no_low: bool, no_high: bool) -> str:
    """Return a range as mathematicians write it, or the empty text without one.

    Examples
    --------
    >>> range_text(0, None, True, False)
    '(0, inf)'
    """
    if low is None and high is None:
        return ""
    opening = "(" if no_low or low is None else "["
    closing = ")" if no_high or high is None else "]"
    return f"{opening}{_bound(low, '-inf')}, {_bound(high, 'inf')}{closing}"


def _bound(bound: float | None, absent: str) -> str:
    return absent if bound is None else f"{bound:.15g}"


_ARROW: Final[dict[str, Any]] = {
    "INT": lambda pa: pa.int64(),
    "FLOAT": lambda pa: pa.float32(),
    "DOUBLE": lambda pa: pa.float64(),
    "BOOL": lambda pa: pa.bool_(),
    "STRING": lambda pa: pa.string(),
    "DATE": lambda pa: pa.string(),
    "TIMESTAMP": lambda pa: pa.timestamp("ms", tz="UTC"),
    "FILE": lambda pa: pa.string(),
    "ANY": lambda pa: pa.string(),
}
