"""The devices that ``devices=`` asks for: as given, and as a test of keys. Pure.

A device is asked for by its device key, or by product key and device key where several products use
one device key. Rows of other devices are not read, as if the source did not have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, permutations
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..errors import Argument, HistoryError, message
from ..errors.arguments import shown_briefly
from ..errors.nearest import nearest, plainly
from ..model.device import Device
from ..model.device_table import Devices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .roles import Columns

__all__ = [
    "Wanted",
    "check_devices",
    "check_folders",
    "check_found",
    "devices_in_words",
    "devices_of",
    "is_wanted",
    "keys_wanted",
    "may_be",
    "restricted",
]

# A device key, or a product key and a device key.
Wanted = str | tuple[str, str]
_SHOWN: Final = 3
_EXPECTED: Final = "device keys, or pairs of product key and device key"


def devices_of(given: Any) -> tuple[Wanted, ...] | None:
    """Return what ``devices=`` asks for, sorted, each device once; None for all devices.

    Raises
    ------
    HistoryError
        If it is not a list of devices, or an empty one.

    Examples
    --------
    >>> devices_of(["T2", ("wind", "T1"), 7, "T2"]), devices_of("T1")
    (('7', 'T2', ('wind', 'T1')), ('T1',))
    """
    if given is None:
        return None
    if isinstance(given, str | Device):
        given = [given]
    if isinstance(given, bytes | bytearray) or hasattr(given, "columns"):
        raise _wrong(given, f"a list of {_EXPECTED}")
    try:
        ones = list(given)
    except Exception as error:
        raise _wrong(given, f"a list of {_EXPECTED}") from error
    wanted = {_one_of(one, given) for one in ones}
    if not wanted:
        raise HistoryError(
            message(
                Argument("devices"),
                " names no device, so that nothing would be read; leave it out for all devices",
            ),
            argument="devices",
            value=given,
        )
    keys = {one for one in wanted if isinstance(one, str)}
    pairs = {one for one in wanted if not isinstance(one, str) and one[1] not in keys}
    return (*sorted(keys), *sorted(pairs))


def _one_of(one: Any, given: Any) -> Wanted:
    if isinstance(one, str) and one:
        return str(one)
    if isinstance(one, int | np.integer) and not isinstance(one, bool):
        try:
            return str(int(one))
        except ValueError:  # more digits than Python writes
            raise _wrong(given, f"a list of {_EXPECTED}") from None
    is_pair = isinstance(one, tuple | list) and len(one) == 2
    if is_pair and all(isinstance(key, str) and key for key in one):
        return (str(one[0]), str(one[1]))
    raise HistoryError(
        message(
            Argument("devices"),
            f" takes {_EXPECTED}, and has {shown_briefly(one)}",
        ),
        argument="devices",
        value=given,
    )


def _wrong(given: Any, expected: str) -> HistoryError:
    told = message(Argument("devices"), f" must be {expected}, got {shown_briefly(given)}")
    return HistoryError(told, argument="devices", value=given)


def check_devices(columns: Columns) -> None:
    """Raise if the roles of columns leave nothing to choose from."""
    if columns.devices is None or columns.device is not None:
        return
    why = (
        (Argument("device_key", columns.device_key), " is the device of all rows")
        if columns.device_key
        else ("without it, all rows are of the connection's own device",)
    )
    raise HistoryError(
        message(
            Argument("devices"),
            " chooses among the devices of a column, named in ",
            Argument("device_column"),
            "; ",
            *why,
        ),
        argument="devices",
        value=columns.devices,
    )


def is_wanted(devices: Sequence[Device], wanted: Iterable[Wanted]) -> NDArray[np.bool_]:
    """Return a mask of the devices that are asked for.

    Examples
    --------
    >>> is_wanted([Device("a", "T1"), Device("b", "T1")], ["T2", ("b", "T1")]).tolist()
    [False, True]
    """
    asked = set(wanted)
    return np.array([one.device_key in asked or tuple(one) in asked for one in devices], bool)


def keys_wanted(wanted: Iterable[Wanted]) -> frozenset[str]:
    """Return the device keys that may be of a device asked for."""
    return frozenset(one if isinstance(one, str) else one[1] for one in wanted)


def restricted(
    devices: Sequence[Device], device: NDArray[np.int64], wanted: Iterable[Wanted]
) -> tuple[Devices, NDArray[np.int64], NDArray[np.bool_]]:
    """Return the devices asked for, the device of each row as an index into them, and a mask.

    The mask is true for the rows of these devices.

    Examples
    --------
    >>> devices = [Device("p", "T1"), Device("p", "T2")]
    >>> kept, device, mask = restricted(devices, np.array([0, 1, -1, 1]), ["T2"])
    >>> kept[0].device_key, device.tolist(), mask.tolist()
    ('T2', [-1, 0, -1, 0], [False, True, False, True])
    """
    numbered, asked = Devices.of(devices), tuple(wanted)
    chosen = numbered.facts(("wanted", asked), lambda some: is_wanted(some, asked))
    place = np.append(np.where(chosen, np.cumsum(chosen) - 1, -1), -1)
    codes = place[device]
    return numbered.taken(np.flatnonzero(chosen)), codes, codes >= 0


def may_be(folders: Mapping[str, str | None], columns: Columns) -> bool:
    """Return False if the folders of a file name none of the wanted devices.

    A folder's text may stand for a number in the file: ``01`` for 1.
    """
    return columns.device not in folders or any(
        _is_of(folders, columns, one) for one in columns.devices or ()
    )


def _is_of(folders: Mapping[str, str | None], columns: Columns, wanted: Wanted) -> bool:
    """Return True if the folders of a file may stand for a device."""
    product, key = (None, wanted) if isinstance(wanted, str) else wanted
    if not _stands_for(folders[str(columns.device)], key):
        return False
    if product is None or columns.product not in folders:
        return True
    return _stands_for(folders[str(columns.product)], product)


def check_folders(files: Sequence[Mapping[str, str | None]], columns: Columns) -> None:
    """Raise if the folders of all files name their device, and one asked for is not among them."""
    if not files or not all(columns.device in folders for folders in files):
        return
    wanted = columns.devices or ()
    missing = [one for one in wanted if not any(_is_of(folders, columns, one) for folders in files)]
    found = {
        (
            folders.get(columns.product or "") or columns.product_key or "",
            folders[str(columns.device)] or "",
        )
        for folders in files
    }
    check_found(missing, found, columns.device)


def _stands_for(told: str | None, key: str) -> bool:
    if told is None:
        return False
    if told.strip() == key.strip():
        return True
    try:
        return float(told) == float(key)
    except ValueError:
        return False


def check_found(
    wanted: Iterable[Wanted], found: Iterable[tuple[str, str]], column: str | None
) -> None:
    """Raise if a device that is asked for occurs nowhere in a history.

    Parameters
    ----------
    wanted : iterable
        Devices that are asked for.
    found : iterable of (str, str)
        Product key and device key of every device of the history.
    column : str, optional
        Column of the device keys, for the message.
    """
    wanted, pairs = list(wanted), set(found)
    keys = {key for _, key in pairs}
    missing = [one for one in wanted if one not in (keys if isinstance(one, str) else pairs)]
    if not missing:
        return
    first = missing[0]
    known = keys if isinstance(first, str) else {"/".join(pair) for pair in pairs}
    name = first if isinstance(first, str) else "/".join(first)
    more = f", nor do {len(missing) - 1:,} more of them" if len(missing) > 1 else ""
    if pair := next((one for one in permutations(wanted[:9], 2) if one in pairs), None):
        more += f"; a device by both its keys is a pair in a list: [{pair!r}]"
    raise HistoryError(
        message(
            Argument("devices"),
            f" asks for {name!r}, which occurs nowhere in column {column!r}"
            f"{nearest(name, sorted(known))}{more}",
        ),
        argument="devices",
        value=first,
    )


def devices_in_words(wanted: Sequence[Wanted]) -> str:
    """Return the devices that are asked for, the first few.

    Examples
    --------
    >>> devices_in_words(["T1"]), devices_in_words(["T1", "T2", "T3", "T4", ("p", "T5")])
    ('device T1', 'devices T1, T2, T3 and 2 more')
    """
    shown = ", ".join(_shown(wanted))
    more = f" and {len(wanted) - _SHOWN:,} more" if len(wanted) > _SHOWN else ""
    return f"device{'s' * (len(wanted) > 1)} {shown}{more}"


def _shown(wanted: Sequence[Wanted]) -> Iterator[str]:
    for one in islice(wanted, _SHOWN):
        yield plainly(one if isinstance(one, str) else "/".join(one))
