"""The advice about a value that did not arrive, as a key of the table of words.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..display.reasons import ADVICE_BY_CHECK
from ..protocol.codes import NO_SUB_DEVICE, return_code

if TYPE_CHECKING:
    from ..display.facts import Detail

__all__ = ["BLAMES", "advice_of", "blame_of"]

BLAMES: Final = ("", "alone", "refused", "implausible", "inexact", "misspelt")

# Reasons with an advice of their own, and the check of each.
_BLAMED: Final = {"implausible": "time", "inexact": "range", "misspelt": "type"}
_OUTER: Final = frozenset({"member", "item"})


def advice_of(
    check: str,
    code: int | None,
    outcome: str,
    *,
    blame: str = "",
    allows_offline: bool = False,
) -> str:
    """Return the key of the advice for a check, and for the platform's code if it decided.

    Parameters
    ----------
    check, code, outcome
        The check that failed, the platform's code, and the fate of the value.
    blame : {"", "alone", "refused", "implausible", "inexact", "misspelt"}, optional
        What the platform, or a check, is known to object to, from :func:`blame_of`.
    allows_offline : bool, optional
        True if offline devices were allowed in the run: then this cannot be the remedy.

    Examples
    --------
    >>> advice_of("platform", 1204, "declined", blame="alone"), advice_of("mine", None, "withheld")
    ('model alone', 'withheld')
    """
    row = return_code(code) if check == "platform" and code is not None else None
    if row is not None and row.advice:
        # The culprit is known: the only value, or for a code about devices the only device.
        if blame == "refused":
            return blame
        is_allowed = allows_offline and code == NO_SUB_DEVICE
        chosen = "topology" if is_allowed else row.advice
        return f"{chosen} alone" if blame == "alone" and row.about != "request" else chosen
    if _BLAMED.get(blame) == check:
        return blame
    if check in ADVICE_BY_CHECK:
        return check
    return "withheld" if outcome == "withheld" else "declined"


def blame_of(detail: Detail) -> str:
    """Return what the platform is known to object to, from the reason of a rejected value.

    Returns
    -------
    {"", "alone", "refused", "implausible", "inexact", "misspelt"}
        "alone" if it declined the value, or its device, by itself; "refused" if it refused the
        sign-in of the device before; "implausible" for a time outside the plausible ones;
        "inexact" for an integer of too many digits, "misspelt" for a number in another form.
    """
    one: Detail | None = detail
    while one is not None and one.kind == "copy":
        one = one.of
    if one is not None and one.kind in {"refused", "implausible"}:
        return one.kind
    inner = one
    while inner is not None and inner.of is not None and inner.kind in _OUTER:
        inner = inner.of
    if inner is not None and inner.kind in _BLAMED:
        return inner.kind
    is_alone = one is not None and one.kind == "platform" and bool(one.facts[2])
    return "alone" if is_alone else ""
