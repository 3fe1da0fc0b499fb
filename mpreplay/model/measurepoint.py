"""One measurement point: its type, range, length, members and quality.

Pure: the facts of the platform's type system, without reading or checking values. The facts about
the types themselves are in ``point_types``.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import ConfigError, clipped
from ..errors.arguments import CLEAN_TEXT, FLAG, Kind, optional, shown_briefly, tuple_of
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
    "unplaced",
]

MAX_STRING_BYTES: Final = 1_024  # EnOS Device Connection 2.4.4, "Limitations"
MAX_ARRAY_ITEMS: Final = 1_024  # the same page
LARGEST: Final = 1.7976931348623157e308  # the largest 64-bit float
MOST: Final = 2**53  # of a length: JSON carries no larger number unchanged
QUALITY_RANGE: Final = (0, 9)  # EnOS Device Connection 2.0.9, "Reporting Measurement Points"


class _PointError(ConfigError):
    """A measurepoint that no thing model can have; ``fault`` is the message without its name."""

    def __init__(self, identifier: str, fault: str) -> None:
        super().__init__(f"measurepoint {clipped(identifier)!r}: {fault}")
        self.fault = fault


def unplaced(error: ConfigError) -> str:
    """Return the message of an error without the name of the measurepoint, where it has one."""
    return error.fault if isinstance(error, _PointError) else str(error)


def _is_key(value: object) -> bool:
    return CLEAN_TEXT.holds(value) or (type(value) is int and -(2**63) <= value < 2**63)


def _is_point(value: object) -> bool:
    return isinstance(value, Measurepoint)


# Fields of a measurepoint, numbers aside.
_KINDS: Final = {
    "name": CLEAN_TEXT,
    "unit": CLEAN_TEXT,
    "has_quality": FLAG,
    "exclusive_minimum": FLAG,
    "exclusive_maximum": FLAG,
    "required": FLAG,
    "item_type": optional(str, "a text"),
    "keys": tuple_of(Kind("", _is_key), "a tuple of texts, or of numbers of 64 bits"),
    "labels": tuple_of(CLEAN_TEXT, "a tuple of texts"),
    "members": tuple_of(Kind("", _is_point), "a tuple of Measurepoints"),
}


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
    labels : tuple of str, optional
        What each key means, in the order of the keys; empty if the model does not say.
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
    labels: tuple[str, ...] = dataclasses.field(default=(), compare=False)  # words about the point

    def __post_init__(self) -> None:
        """Raise if no thing model can have such a point."""
        name = self.identifier
        if not CLEAN_TEXT.holds(name) or not name:
            raise ConfigError(
                "a measurepoint needs an identifier that UTF-8 can carry, got "
                f"{shown_briefly(name)}"
            )
        for field in ("keys", "labels", "members"):  # a list does, and is kept as it was given
            if isinstance(getattr(self, field), list):
                object.__setattr__(self, field, tuple(getattr(self, field)))
        if fault := self._fault_of_kind() or self._fault_of_parts() or self._fault_of_range():
            raise _PointError(name, fault)

    def _fault_of_kind(self) -> str:
        """Return why a field is of the wrong kind; the empty text if none is."""
        if not isinstance(self.type, str) or self.type not in TYPES:
            return (
                f"unknown type {shown_briefly(self.type)}; expected one of "
                f"{', '.join(sorted(TYPES - {'ANY'}))}"
            )
        for field in ("minimum", "maximum", "max_length"):
            value = getattr(self, field)
            wanted = int if field == "max_length" else int | float
            if value is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
                return f"its {field} must be a number, got {shown_briefly(value)}"
        if self.max_length is not None and not 0 <= self.max_length <= MOST:
            return (
                f"its max_length must be between 0 and {MOST}, got {shown_briefly(self.max_length)}"
            )
        for field, kind in _KINDS.items():
            if not kind.holds(getattr(self, field)):
                return (
                    f"its {field} must be {kind.words}, got {shown_briefly(getattr(self, field))}"
                )
        return ""

    def _fault_of_parts(self) -> str:
        """Return why item type, members or keys are impossible; the empty text if they are not."""
        if self.is_array and self.item_type not in ARRAY_ITEM_TYPES:
            *others, last = ARRAY_ITEM_TYPES
            return (
                f"an ARRAY needs an item type of {', '.join(others)} or {last}, "
                f"got {shown_briefly(self.item_type)}"
            )
        if self.is_struct:
            return self._fault_of_members()
        return self._fault_of_keys() if self.is_enum else ""

    def _fault_of_keys(self) -> str:
        if len({type(key) for key in self.keys}) != 1 or type(self.keys[0]) not in {int, str}:
            return (
                "an ENUM needs keys, either all numbers or all texts, got "
                f"{clipped(repr(self.keys))}"
            )
        if self.labels and len(self.labels) != len(self.keys):
            return f"an ENUM has a label a key: {len(self.labels)} labels, {len(self.keys)} keys"
        return ""

    def _fault_of_members(self) -> str:
        if not self.members:
            return "a STRUCT needs members"
        if nested := [m.identifier for m in self.members if not m.facts.may_be_member]:
            barred = [name for name, facts in POINT_TYPES.items() if not facts.may_be_member]
            return (
                f"a member of a STRUCT may be neither {' nor '.join(barred)}, but {nested[0]!r} is"
            )
        names = [m.identifier for m in self.members]
        doubled = [name for name in names if names.count(name) > 1]
        return f"its member {doubled[0]!r} occurs twice" if doubled else ""

    def _fault_of_range(self) -> str:
        """Return why a range is impossible; the empty text if it is not."""
        for field in ("minimum", "maximum"):
            bound = getattr(self, field)
            if bound is not None and not -LARGEST <= bound <= LARGEST:  # NaN, too
                return (
                    f"its {field} must be a finite number of 64 bits, got {shown_briefly(bound)}; "
                    "leave it out for no bound"
                )
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            return f"its minimum {self.minimum:g} is above its maximum {self.maximum:g}"
        return ""

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
