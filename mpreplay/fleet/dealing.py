"""The dealing of a history: to each gateway the rows of its devices. A shell: reads key columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..display.amounts import count
from ..errors import Argument, HistoryError, message
from ..errors.arguments import Kind, check_kinds
from ..errors.nearest import nearest
from ..history.census import rows_by_device

if TYPE_CHECKING:
    from ..history.history import History
    from ..model.device import Device
    from .topology import Member

__all__ = ["Share", "check_rate", "dealt"]

# Sources noted for a gateway: of more, nearly all may have rows of all gateways.
MOST_SOURCES: Final = 64

_RATE: Final = Kind(
    "a number above 0, or None",
    lambda value: (
        value is None
        or (isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1e12)
    ),
)


def check_rate(values_per_second: Any) -> None:
    """Raise ConfigError unless the rate of an organisation is one, or none is given."""
    check_kinds({"values_per_second": (values_per_second, _RATE)})


@dataclass(frozen=True, slots=True)
class Share:
    """A gateway's part of a history.

    Parameters
    ----------
    member : Member
        The gateway.
    devices : tuple of (str, str)
        Those of its devices that have rows, sorted.
    n_rows : int
        Number of their rows.
    sources : frozenset of int or None
        Numbers of the history's sources that have such rows; None: too many to list.
    """

    member: Member
    devices: tuple[tuple[str, str], ...]
    n_rows: int
    sources: frozenset[int] | None = None


def dealt(history: History, members: Sequence[Member]) -> list[Share]:
    """Return each gateway's part of a history.

    Raises
    ------
    HistoryError
        If a device of the history has no gateway, or a row no device.
    """
    columns = history.columns
    if columns.device is None:
        raise HistoryError(
            message(
                "a fleet deals a history out by device: name the column of device keys with ",
                Argument("device_column"),
            )
        )
    owners = {device: one.name for one in members for device in one.gateway.devices}
    found: dict[Device, int] = {}
    holders: dict[str | None, set[int]] = {}
    n_without = 0
    for number, source in enumerate(history.sources):
        counts, n = rows_by_device([source], columns, (history.start, history.end))
        n_without += n
        for device, n_rows in counts.items():
            found[device] = found.get(device, 0) + n_rows
        for owner in {owners.get(device) for device in counts}:
            if len(held := holders.setdefault(owner, set())) <= MOST_SOURCES:
                held.add(number)
    if n_without:
        have = "has" if n_without == 1 else "have"
        raise HistoryError(
            f"{count(n_without, 'row')} {have} no device that can be read, so no gateway can send "
            "it; mend it, or restrict the history with devices="
        )
    _check_owned(found, members)
    return [_share(member, found, holders.get(member.name, set())) for member in members]


def _share(member: Member, found: Mapping[Device, int], held: set[int]) -> Share:
    own = [device for device in member.gateway.devices if device in found]
    devices = tuple(sorted((one[0], one[1]) for one in own))
    sources = frozenset(held) if len(held) <= MOST_SOURCES else None
    return Share(member, devices, sum(found[one] for one in own), sources)


def _check_owned(found: dict[Device, int], members: Sequence[Member]) -> None:
    owned = {device for member in members for device in member.gateway.devices}
    strangers = sorted(device for device in found if device not in owned)
    if not strangers:
        return
    first = "/".join(strangers[0])
    more = f" and {len(strangers) - 1:,} more" if len(strangers) > 1 else ""
    known = sorted("/".join(device) for device in owned)
    raise HistoryError(
        f"{first}{more}: no gateway of the topology has this device{nearest(first, known)}; add it "
        "to one, or restrict the history with devices="
    )
