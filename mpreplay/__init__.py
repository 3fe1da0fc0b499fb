"""Backfill history into an EnOS IoT platform, with every value's fate on record.

The public names, loaded on first use: importing mpreplay costs nothing.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

TYPE_CHECKING = False  # type checkers take it for true by its name; typing takes 6 ms to import
if TYPE_CHECKING:
    from typing import Any

    from .audit.verifying import verify_audit
    from .errors import (
        ConfigError,
        ConnectError,
        ConnectionLost,
        HistoryError,
        InvalidHistory,
        JournalError,
        JournalMismatch,
        MpReplayError,
        PlatformError,
        ReplayFailed,
        ReplayWarning,
        TransportError,
    )
    from .history import History, read_history
    from .measurepoint import Measurepoint
    from .planning import Plan, plan
    from .replaying import Run, open_run, replay
    from .settings import Connection, Limits
    from .simulator import PlatformLimits, simulate
    from .thing_model import ThingModel
    from .validation import Validation, validate

_HOMES = {
    "audit.verifying": ("verify_audit",),
    "errors": (
        "ConfigError", "ConnectError", "ConnectionLost", "HistoryError", "ReplayWarning",
        "InvalidHistory", "JournalError", "JournalMismatch", "MpReplayError", "PlatformError",
        "ReplayFailed", "TransportError",
    ),
    "history": ("History", "read_history"),
    "measurepoint": ("Measurepoint",),
    "planning": ("Plan", "plan"),
    "replaying": ("Run", "open_run", "replay"),
    "settings": ("Connection", "Limits"),
    "simulator": ("PlatformLimits", "simulate"),
    "thing_model": ("ThingModel",),
    "validation": ("Validation", "validate"),
}  # fmt: skip
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "ConfigError",
    "ConnectError",
    "Connection",
    "ConnectionLost",
    "History",
    "HistoryError",
    "InvalidHistory",
    "JournalError",
    "JournalMismatch",
    "Limits",
    "Measurepoint",
    "MpReplayError",
    "Plan",
    "PlatformError",
    "PlatformLimits",
    "ReplayFailed",
    "ReplayWarning",
    "Run",
    "ThingModel",
    "TransportError",
    "Validation",
    "open_run",
    "plan",
    "read_history",
    "replay",
    "simulate",
    "validate",
    "verify_audit",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'mpreplay' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
