"""Limits of the rehearsal platform, and settings of its strictness."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..errors import ConfigError
from ..protocol.messages import MAX_PUBLISH_BYTES

__all__ = ["BOOL_FORMS", "BoolForm", "PlatformLimits"]

BoolForm = Literal["both", "number", "boolean"]
BOOL_FORMS: Final = ("both", "number", "boolean")


@dataclass(frozen=True, slots=True)
class PlatformLimits:
    """Limits of the rehearsal platform; None switches a limit off.

    Parameters
    ----------
    max_bytes : int, optional
        A publish of this size or more is answered with 1008. [bytes]
    connects : int, optional
        More attempts than this within ``connect_period`` block the device.
    connect_period, block : float
        Period over which attempts are counted, and duration of a block. [s]
    max_bytes_per_second : float, optional
        Rate of a session; a request above the rate is answered with 429. Off by default, since
        the documents do not describe the platform's reaction. [bytes/s]
    max_values_per_second : float, optional
        Rate of the whole organisation; likewise answered with 429. [values/s]
    range_violations : bool
        True if a value outside the model's range is answered with 1204.
    bool_form : str
        Accepted forms of a BOOL: ``"number"`` (0 and 1), ``"boolean"`` (true and false) or
        ``"both"``.

    Raises
    ------
    ConfigError
        If a limit is not positive.

    References
    ----------
    .. [1] EnOS Device Connection 3.0, "Limitations": 512 KB a publish; more than 4 connects in 2
       minutes block a device for 5.

    Examples
    --------
    >>> PlatformLimits(connects=None).max_bytes
    524288
    """

    max_bytes: int | None = MAX_PUBLISH_BYTES
    connects: int | None = 4
    connect_period: float = 120.0
    block: float = 300.0
    max_bytes_per_second: float | None = None
    max_values_per_second: float | None = None
    range_violations: bool = True
    bool_form: BoolForm = "both"

    def __post_init__(self) -> None:
        """Raise if a limit is not valid."""
        if self.bool_form not in BOOL_FORMS:
            raise ConfigError(
                f"bool_form must be one of {', '.join(BOOL_FORMS)}, got {self.bool_form!r}"
            )
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in {"bool_form", "range_violations"}:
                continue
            if value is None and "None" in str(field.type):
                continue
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not math.isfinite(value)
                or value <= 0
            ):
                hint = "; None switches it off" if "None" in str(field.type) else ""
                raise ConfigError(f"{field.name} must be above 0, got {value!r}{hint}")

    def as_dict(self) -> dict[str, Any]:
        """Return the limits as plain values."""
        return dataclasses.asdict(self)
