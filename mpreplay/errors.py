"""Every exception that mpreplay raises on purpose.

::

    MpReplayError
    ├── ConfigError (ValueError)      an argument, thing model or file of settings cannot work
    ├── HistoryError (ValueError)     a history cannot be read, or lacks a required part
    │   └── InvalidHistory            values are invalid or contradict each other, and the caller
    │                                 asked to stop; ``.violations`` is the frame
    ├── TransportError
    │   ├── ConnectError              refused, or no answer; names the things to check
    │   └── ConnectionLost            lost, and not regained in time
    ├── PlatformError                 the platform broke the protocol: an undecodable reply
    ├── JournalError                  a journal cannot be used
    │   └── JournalMismatch           of a run with another history, model or limits; ``.differs``
    └── ReplayFailed                  from ``Run.raise_for_rejects()``; ``.rejects`` is the frame

The caller can correct the first three; ``TransportError`` comes from the network, ``PlatformError``
from the platform. A declined request is not an exception but a row of ``results``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ConfigError",
    "ConnectError",
    "ConnectionLost",
    "HistoryError",
    "InvalidHistory",
    "JournalError",
    "JournalMismatch",
    "MpReplayError",
    "PlatformError",
    "ReplayFailed",
    "ReplayWarning",
    "TransportError",
]


class MpReplayError(Exception):
    """The base of all errors that mpreplay raises on purpose."""


class ConfigError(MpReplayError, ValueError):
    """An argument, a thing model or a setting that cannot work."""


class HistoryError(MpReplayError, ValueError):
    """A history that cannot be read, or lacks a required part."""


class InvalidHistory(HistoryError):
    """The history holds invalid or contradicting values and the caller asked to stop.

    Attributes
    ----------
    violations : DataFrame
        One row a failed check on a value; the columns of ``Validation.violations``.
    """

    def __init__(self, message: str, violations: pd.DataFrame | None = None) -> None:
        super().__init__(message, violations)
        self.violations = violations

    def __str__(self) -> str:
        return str(self.args[0])


class TransportError(MpReplayError):
    """The network, or the way to the platform, failed."""


class ConnectError(TransportError):
    """No connection: refused, unknown host, closed port, or no answer in time.

    Attributes
    ----------
    is_final : bool
        True if a retry cannot help: the credentials are wrong, or another run holds the device.
    """

    def __init__(self, message: str, is_final: bool = False) -> None:
        super().__init__(message, is_final)
        self.is_final = is_final

    def __str__(self) -> str:
        return str(self.args[0])


class ConnectionLost(TransportError):
    """The connection was lost and could not be regained.

    Attributes
    ----------
    closed_by_peer : bool
        True if the platform closed the connection in order, as at a takeover.
    """

    def __init__(self, message: str, closed_by_peer: bool = False) -> None:
        super().__init__(message, closed_by_peer)
        self.closed_by_peer = closed_by_peer

    def __str__(self) -> str:
        return str(self.args[0])


class PlatformError(MpReplayError):
    """The platform broke the protocol.

    Attributes
    ----------
    payload : bytes
        Bytes of the message.
    """

    def __init__(self, message: str, payload: bytes = b"") -> None:
        super().__init__(message, payload)
        self.payload = payload

    def __str__(self) -> str:
        return str(self.args[0])


class JournalError(MpReplayError):
    """A journal that cannot be used."""


class JournalMismatch(JournalError):
    """The journal belongs to a run with another history, model, mapping or limits.

    Attributes
    ----------
    differs : tuple of str
        Names of the differing parts.
    """

    def __init__(self, message: str, differs: tuple[str, ...] = ()) -> None:
        super().__init__(message, differs)
        self.differs = differs

    def __str__(self) -> str:
        return str(self.args[0])


class ReplayFailed(MpReplayError):
    """Values that did not arrive, raised by ``Run.raise_for_rejects()``.

    Attributes
    ----------
    rejects : DataFrame
        Values that did not arrive, one row each.
    """

    def __init__(self, message: str, rejects: Any = None) -> None:
        super().__init__(message, rejects)
        self.rejects = rejects

    def __str__(self) -> str:
        return str(self.args[0])


class ReplayWarning(UserWarning):
    """A doubtful setting or circumstance; the replay goes on."""
