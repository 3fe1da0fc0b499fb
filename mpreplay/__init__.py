"""Backfill history into an EnOS IoT platform, with every value's fate on record.

The public names, loaded on first use: importing mpreplay costs nothing.
"""

from __future__ import annotations

import importlib

from .version import __version__ as __version__

TYPE_CHECKING = False  # type checkers take it for true by its name; typing takes 6 ms to import
if TYPE_CHECKING:
    from typing import Any

    from .audit.verifying import verify_audit
    from .checks.validation import Validation, validate
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
    from .history.history import History, read_history
    from .model.measurepoint import Measurepoint
    from .model.thing_model import ThingModel
    from .run import Run, open_run
    from .runner.planning import Plan, plan
    from .runner.replaying import replay
    from .settings import Connection, Limits
    from .simulator import PlatformLimits, simulate

_HOMES = {
    "audit.verifying": ("verify_audit",),
    "errors": (
        "ConfigError", "ConnectError", "ConnectionLost", "HistoryError", "ReplayWarning",
        "InvalidHistory", "JournalError", "JournalMismatch", "MpReplayError", "PlatformError",
        "ReplayFailed", "TransportError",
    ),
    "history.history": ("History", "read_history"),
    "model.measurepoint": ("Measurepoint",),
    "runner.planning": ("Plan", "plan"),
    "run": ("Run", "open_run"),
    "runner.replaying": ("replay",),
    "settings": ("Connection", "Limits"),
    "simulator": ("PlatformLimits", "simulate"),
    "model.thing_model": ("ThingModel",),
    "checks.validation": ("Validation", "validate"),
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
