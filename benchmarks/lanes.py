"""The two lanes of mpreplay: the general path, and the compiled pass where that is at hand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module

GENERAL, COMPILED = "without", "with"
SWITCH = "MPREPLAY_FAST"


def current() -> str:
    """Return the lane of this process."""
    return at_hand()[-1]


def at_hand() -> list[str]:
    """Return the lanes that this process can take, the general one first."""
    if os.environ.get(SWITCH) == "0" or not _is_built():
        return [GENERAL]
    return [GENERAL, COMPILED]


def environment(lane: str | None) -> Mapping[str, str]:
    """Return what a process needs in its environment to take a lane."""
    return {SWITCH: "0"} if lane == GENERAL else {}


def _is_built() -> bool:
    try:
        return import_module("mpreplay.fast.library").found().library is not None
    except ModuleNotFoundError:  # of a version before there was one
        return False
