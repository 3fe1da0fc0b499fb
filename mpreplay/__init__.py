"""Backfill history into an EnOS IoT platform, with every value's fate on record.

The public names, loaded on first use: importing mpreplay costs nothing.
"""

from __future__ import annotations

import importlib

from .version import __version__ as __version__

TYPE_CHECKING = False  # type checkers assume True for this name; typing takes 6 ms to import
if TYPE_CHECKING:
    from typing import Any

    from .audit.heads import verify_audit
    from .cells.column import Column
    from .cells.text_format import TextFormat
    from .checks.validation import Validation, validate
    from .doors.opening import read_history
    from .errors import (
        ConfigError,
        ConnectError,
        ConnectionLost,
        HistoryError,
        Interrupted,
        InvalidHistory,
        JournalError,
        JournalMismatch,
        MpReplayError,
        PlatformError,
        ReplayFailed,
        ReplayWarning,
        TransportError,
    )
    from .fleet.fleet_plan import FleetPlan, plan_fleet
    from .fleet.fleet_run import FleetRun, open_fleet
    from .fleet.fleeting import replay_fleet
    from .fleet.topology import Gateway
    from .history.history import History
    from .jobs.job import Job, load_job
    from .model.measurepoint import Measurepoint
    from .model.thing_model import ThingModel
    from .run import Run, open_run
    from .runner.planning import Plan, plan
    from .runner.preflight import Preflight, check
    from .runner.replaying import replay
    from .secret import Secret
    from .settings import Connection, Limits
    from .simulator import PlatformLimits, simulate

_HOMES = {
    "Column": "cells.column",
    "ConfigError": "errors",
    "ConnectError": "errors",
    "Connection": "settings",
    "ConnectionLost": "errors",
    "FleetPlan": "fleet.fleet_plan",
    "FleetRun": "fleet.fleet_run",
    "Gateway": "fleet.topology",
    "History": "history.history",
    "HistoryError": "errors",
    "Interrupted": "errors",
    "InvalidHistory": "errors",
    "Job": "jobs.job",
    "JournalError": "errors",
    "JournalMismatch": "errors",
    "Limits": "settings",
    "Measurepoint": "model.measurepoint",
    "MpReplayError": "errors",
    "Plan": "runner.planning",
    "PlatformError": "errors",
    "PlatformLimits": "simulator",
    "Preflight": "runner.preflight",
    "ReplayFailed": "errors",
    "ReplayWarning": "errors",
    "Run": "run",
    "Secret": "secret",
    "TextFormat": "cells.text_format",
    "ThingModel": "model.thing_model",
    "TransportError": "errors",
    "Validation": "checks.validation",
    "check": "runner.preflight",
    "load_job": "jobs.job",
    "open_fleet": "fleet.fleet_run",
    "open_run": "run",
    "plan": "runner.planning",
    "plan_fleet": "fleet.fleet_plan",
    "read_history": "doors.opening",
    "replay": "runner.replaying",
    "replay_fleet": "fleet.fleeting",
    "simulate": "simulator",
    "validate": "checks.validation",
    "verify_audit": "audit.heads",
}

__all__ = [
    "Column",
    "ConfigError",
    "ConnectError",
    "Connection",
    "ConnectionLost",
    "FleetPlan",
    "FleetRun",
    "Gateway",
    "History",
    "HistoryError",
    "Interrupted",
    "InvalidHistory",
    "Job",
    "JournalError",
    "JournalMismatch",
    "Limits",
    "Measurepoint",
    "MpReplayError",
    "Plan",
    "PlatformError",
    "PlatformLimits",
    "Preflight",
    "ReplayFailed",
    "ReplayWarning",
    "Run",
    "Secret",
    "TextFormat",
    "ThingModel",
    "TransportError",
    "Validation",
    "check",
    "load_job",
    "open_fleet",
    "open_run",
    "plan",
    "plan_fleet",
    "read_history",
    "replay",
    "replay_fleet",
    "simulate",
    "validate",
    "verify_audit",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mpreplay' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
