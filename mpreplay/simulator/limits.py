"""Limits of the rehearsal platform, settings of its strictness, and what counts against a limit.

Pure: the time is an argument.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..errors import ConfigError
from ..errors.arguments import check_kinds, one_of, shown_briefly
from ..protocol.messages import MAX_PUBLISH_BYTES

__all__ = ["BOOL_FORMS", "Allowance", "Attempts", "BoolForm", "PlatformLimits"]

BoolForm = Literal["both", "number", "boolean"]
BOOL_FORMS: Final = ("both", "number", "boolean")
_BOOLS: Final = ("range_violations", "sub_devices_connect")
_TIMES: Final = ("earliest", "latest")
_INT64: Final = (-(2**63), 2**63 - 1)
_MOST: Final = 2**53  # of any limit: beyond it, JSON and floats lose numbers


@dataclass(frozen=True, slots=True)
class PlatformLimits:
    """Limits of the rehearsal platform; None switches a limit off.

    Parameters
    ----------
    max_bytes : int, optional
        A publish of this size or more is answered with 1008. On a compressed connection the
        unpacked size counts, as in the vendor's Java client, which measures before it packs.
        [bytes]
    connects : int, optional
        More attempts than this within ``connect_period`` block the device.
    connect_period, block : float
        Period over which attempts are counted, and duration of a block. [s]
    min_keepalive, max_keepalive : float, optional
        A CONNECT with a keepalive outside this range, or without one, is refused with code 5; the
        documents give the range, but not the platform's reaction. [s]
    max_client_id : int, optional
        A CONNECT whose client id has more characters before ``{`` or ``|`` is refused with code 2.
    sub_devices_connect : bool
        True if a device in a gateway's topology may also connect by itself, as in the vendor's
        tests; otherwise the CONNECT is refused with code 5. The documents have 771 for it, but not
        its form in a CONNACK: it is a choice of the product.
    max_bytes_per_second : float, optional
        Rate of a session; a request above the rate is answered with 429. On a compressed
        connection the bytes as they travel count. Off by default, since the documents do not
        describe the platform's reaction. [bytes/s]
    max_values_per_second : float, optional
        Rate of the whole organisation; likewise answered with 429. [values/s]
    range_violations : bool
        True if a value outside the model's range is answered with 1204.
    bool_form : str
        Accepted forms of a BOOL: ``"number"`` (0 and 1), ``"boolean"`` (true and false) or
        ``"both"``.
    earliest, latest : int
        A value at a time outside this range is answered with 1206. The documents give no range;
        the default is the years 1 to 9999, the range of a platform that shows dates. [ms]

    Raises
    ------
    ConfigError
        If a limit is not positive, or a range is empty.

    References
    ----------
    .. [1] EnOS Device Connection 3.0, "Limitations": 512 KB a publish; more than 4 connects in 2
       minutes block a device for 5; a keepalive is 60 to 300 s.
    .. [2] EnOS Device Connection 3.0, "Connecting without an SDK": client ids up to 64 characters.

    Examples
    --------
    >>> PlatformLimits(connects=None).max_bytes
    524288
    """

    max_bytes: int | None = MAX_PUBLISH_BYTES
    connects: int | None = 4
    connect_period: float = 120.0
    block: float = 300.0
    min_keepalive: float | None = 60.0
    max_keepalive: float | None = 300.0
    max_client_id: int | None = 64
    sub_devices_connect: bool = True
    max_bytes_per_second: float | None = None
    max_values_per_second: float | None = None
    range_violations: bool = True
    bool_form: BoolForm = "both"
    earliest: int = -62_135_596_800_000
    latest: int = 253_402_300_799_999

    def __post_init__(self) -> None:
        """Raise if a limit is not valid."""
        check_kinds({"bool_form": (self.bool_form, one_of(*BOOL_FORMS))})
        for field in dataclasses.fields(self):
            self._check(field.name, getattr(self, field.name), str(field.type))
        for low, high in (("earliest", "latest"), ("min_keepalive", "max_keepalive")):
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least > most:
                raise ConfigError(f"{low} must not be above {high}, got {least!r} and {most!r}")

    def _check(self, name: str, value: Any, kind: str) -> None:
        if name == "bool_form":
            return
        if name in _BOOLS:
            if not isinstance(value, bool):
                raise ConfigError(f"{name} must be True or False, got {shown_briefly(value)}")
        elif name in _TIMES:
            if type(value) is not int or not _INT64[0] <= value <= _INT64[1]:
                raise ConfigError(
                    f"{name} must be a whole number of milliseconds in 64 bits, "
                    f"got {shown_briefly(value)}"
                )
        elif not (value is None and "None" in kind) and not _is_above_0(value):
            hint = "; None switches it off" if "None" in kind else ""
            raise ConfigError(f"{name} must be above 0, got {shown_briefly(value)}{hint}")

    def takes_keepalive(self, seconds: int) -> bool:
        """Return True if a keepalive is in the range; 0 is no keepalive."""
        least, most = self.min_keepalive or 0, self.max_keepalive or math.inf
        return least <= (seconds or math.inf) <= most

    def as_dict(self) -> dict[str, Any]:
        """Return the limits as plain values."""
        return dataclasses.asdict(self)


def _is_above_0(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 < value <= _MOST


class Allowance:
    """A rate with a burst of 1 s; a larger amount passes when the allowance is full."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._left = rate or 0.0
        self._at = 0

    def take(self, amount: int, now: int) -> bool:
        """Take an amount at a time in milliseconds; return False if it is above the rate."""
        if self._rate is None:
            return True
        self._left = min(self._rate, self._left + (now - self._at) / 1000 * self._rate)
        self._at = now
        if self._left < min(amount, self._rate):
            return False
        self._left -= min(amount, self._rate)
        return True


class Attempts:
    """The attempts of a device to connect, and its block."""

    def __init__(self, limits: PlatformLimits) -> None:
        self._limits = limits
        self._recent: list[int] = []
        self._blocked_until: int | None = None

    def are_too_many(self, now: int) -> bool:
        """Count an attempt, good or bad; return True if the device is blocked."""
        if self._limits.connects is None:
            return False
        if self._blocked_until is not None and now < self._blocked_until:
            return True
        period = self._limits.connect_period * 1000
        recent = [at for at in self._recent if now - at < period]
        self._recent = [*recent, now]
        if len(recent) < self._limits.connects:
            return False
        self._recent = []
        self._blocked_until = now + int(self._limits.block * 1000)
        return True
