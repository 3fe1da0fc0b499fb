"""Rejects that a caller allows: ``raise_for_rejects``. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pandas as pd

from ..errors import ConfigError, ReplayFailed
from ..errors.arguments import shown_briefly
from ..frames import REJECT_COLUMNS, typed

__all__ = ["checked_rejects"]


def checked_rejects(
    read: int,
    accepted: int,
    complete: bool,
    rejects: Callable[[], Iterator[pd.DataFrame]],
    *,
    allow: Iterable[str] = (),
    at_most: float = 0,
    told: Iterable[str] = (),
) -> None:
    """Raise ReplayFailed if there are more rejects than allowed, or not everything is settled."""
    checks = {allow} if isinstance(allow, str) else set(allow)
    if isinstance(at_most, bool) or not isinstance(at_most, int | float) or not at_most >= 0:
        raise ConfigError(
            f"at_most is a number of values, or a share below 1, got {shown_briefly(at_most)}",
            argument="at_most",
            value=at_most,
        )
    if complete and accepted == read:
        return
    frames = [frame[~frame["check"].isin(checks)] for frame in rejects()]
    counted = sum(map(len, frames))
    most = at_most if at_most >= 1 or isinstance(at_most, int) else at_most * read
    if complete and counted <= most:
        return
    parts = list(told)
    parts += [f"{counted:,} rejects are not allowed for"] if checks or at_most else []
    parts += [] if complete else ["the run is not complete"]
    raise ReplayFailed(
        f"of {read:,} values {accepted:,} were accepted; {', '.join(parts)}",
        pd.concat(frames, ignore_index=True) if frames else typed([], REJECT_COLUMNS),
    )
