"""One measurement point: its type, range, length, members and quality.

Pure: the facts of the platform's type system, without reading or checking values. The facts about
the types themselves are in ``point_types``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import ConfigError
from .point_types import (
    ARRAY_ITEM_TYPES,
    FLOAT_RANGE,
    INT_RANGE,
    POINT_TYPES,
    TYPES,
    PointType,
    TypeFacts,
)
from .rules import range_text

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "ARRAY_ITEM_TYPES",
    "FLOAT_RANGE",
    "INT_RANGE",
    "TYPES",
    "Measurepoint",
    "PointType",
]

MAX_STRING_BYTES: Final = 1_024  # EnOS Device Connection 2.4.4, "Limitations"
MAX_ARRAY_ITEMS: Final = 1_024  # the same page
QUALITY_RANGE: Final = (0, 9)  # EnOS Device Connection 2.0.9, "Reporting Measurement Points"


@dataclass(frozen=True, slots=True)
class Measurepoint:
    """A measurement point of a thing model, or a member of a struct.

    Parameters
    ----------
    identifier : str
        Name on the wire.
    type : str
        INT, FLOAT, DOUBLE, BOOL, ENUM, STRING, DATE, TIMESTAMP, STRUCT, ARRAY or FILE; ANY
        for an identifier that a pass-through model does not list.
    minimum, maximum : float, optional
        Range of a number; with ``exclusive_*`` the bound itself is outside.
    max_length : int, optional
        Length limit of a text, encoded in UTF-8. [bytes]
    keys : tuple of int or of str
        Allowed values of an ENUM.
    item_type : str, optional
        Type of the items of an ARRAY: INT, FLOAT, DOUBLE or STRING.
    members : tuple of Measurepoint
        Members of a STRUCT; a member with ``required`` must be present.

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
        """Raise if no thing model can have such a point."""
        where = f"measurepoint {self.identifier!r}"
        if not self.identifier or not isinstance(self.identifier, str):
            raise ConfigError(f"a measurepoint needs an identifier, got {self.identifier!r}")
        if self.type not in TYPES:
            raise ConfigError(
                f"{where}: unknown type {self.type!r}; expected one of "
                f"{', '.join(sorted(TYPES - {'ANY'}))}"
            )
        if self.is_array and self.item_type not in ARRAY_ITEM_TYPES:
            *others, last = ARRAY_ITEM_TYPES
            raise ConfigError(
                f"{where}: an ARRAY needs an item type of {', '.join(others)} or {last}, "
                f"got {self.item_type!r}"
            )
        if self.is_struct:
            if not self.members:
                raise ConfigError(f"{where}: a STRUCT needs members")
            if nested := [m.identifier for m in self.members if not m.facts.may_be_member]:
                barred = [name for name, facts in POINT_TYPES.items() if not facts.may_be_member]
                raise ConfigError(
                    f"{where}: a member of a STRUCT may be neither {' nor '.join(barred)}, "
                    f"but {nested[0]!r} is"
                )
            names = [m.identifier for m in self.members]
            if doubled := [name for name in names if names.count(name) > 1]:
                raise ConfigError(f"{where}: its member {doubled[0]!r} occurs twice")
        if self.is_enum and len({type(key) for key in self.keys} & {int, str}) != 1:
            raise ConfigError(
                f"{where}: an ENUM needs keys, either all numbers or all texts, got {self.keys!r}"
            )
        if any(bound != bound for bound in (self.minimum, self.maximum)):  # noqa: PLR0124 - NaN
            raise ConfigError(f"{where}: its range has NaN as a bound")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ConfigError(
                f"{where}: its minimum {self.minimum:g} is above its maximum {self.maximum:g}"
            )

    @property
    def facts(self) -> TypeFacts:
        """The row of the point's type in the table of types."""
        return POINT_TYPES[self.type]

    @property
    def is_number(self) -> bool:
        """True if values have a range."""
        return self.facts.is_number

    @property
    def is_text(self) -> bool:
        """True if each value is a text in a rejects frame."""
        return self.facts.is_text or (self.is_enum and not self.has_int_keys)

    @property
    def is_bool(self) -> bool:
        """True if each value is a truth value."""
        return self.type == "BOOL"

    @property
    def is_date(self) -> bool:
        """True if each value is a time without a zone, held as a text."""
        return self.type == "DATE"

    @property
    def is_timestamp(self) -> bool:
        """True if each value is a time with a zone."""
        return self.type == "TIMESTAMP"

    @property
    def is_enum(self) -> bool:
        """True if each value is a key of the point."""
        return self.type == "ENUM"

    @property
    def is_struct(self) -> bool:
        """True if values have the members of the point."""
        return self.type == "STRUCT"

    @property
    def is_array(self) -> bool:
        """True if values have items."""
        return self.type == "ARRAY"

    @property
    def is_any(self) -> bool:
        """True if a pass-through model does not list the point: values are held as JSON."""
        return self.type == "ANY"

    @property
    def has_schema(self) -> bool:
        """True if the point has a column in the pandera schema of its model."""
        return self.facts.has_schema

    @property
    def travels(self) -> bool:
        """True if values can be sent over MQTT."""
        return self.facts.travels

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
        """The range in mathematical notation; the empty text without a range."""
        return range_text(
            self.minimum, self.maximum, self.exclusive_minimum, self.exclusive_maximum
        )

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The least and the largest value, from the model and from the type."""
        low, high = self.facts.bounds
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
        """True if the keys of an ENUM are numbers."""
        return bool(self.keys) and isinstance(self.keys[0], int)

    def arrow_type(self) -> pa.DataType:
        """Return the Arrow type in which mpreplay holds the values of this point."""
        import pyarrow as pa

        if self.facts.arrow is not None:
            return self.facts.arrow(pa)
        if self.is_struct:
            return pa.struct([(m.identifier, m.arrow_type()) for m in self.members])
        if self.is_array:
            return pa.list_(Measurepoint(self.identifier, str(self.item_type)).arrow_type())
        return pa.int64() if self.has_int_keys else pa.string()
