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
    ├── Interrupted                   a signal, or ``stop=``, has ended a replay; ``.run``
    └── ReplayFailed                  from ``Run.raise_for_rejects()``; ``.rejects`` is the frame

The caller can correct the first three; ``TransportError`` comes from the network, ``PlatformError``
from the platform. A declined request is not an exception but a row of ``results``.

``error.message`` is a text or a :class:`Message`, in which each argument of the library is a part
of its own; so the command line can write its options there. ``ConfigError`` and ``HistoryError``
have the offending argument as ``.argument`` and ``.value`` where there is a single one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

__all__ = [
    "MAX_TEXT",
    "Argument",
    "ConfigError",
    "ConnectError",
    "ConnectionLost",
    "HistoryError",
    "Interrupted",
    "InvalidHistory",
    "JournalError",
    "JournalMismatch",
    "Message",
    "MpReplayError",
    "PlatformError",
    "ReplayFailed",
    "ReplayWarning",
    "TransportError",
    "clipped",
    "message",
]


MAX_TEXT: Final = 300  # characters of a text or value from outside within a message


def clipped(text: str, most: int | None = MAX_TEXT) -> str:
    """Return a text of at most so many characters, the last of them an ellipsis if it was longer.

    Examples
    --------
    >>> clipped("abcdef", 4), clipped("abcd", 4)
    ('abc…', 'abcd')
    """
    return text if most is None or len(text) <= most else f"{text[: most - 1]}…"


class Argument(NamedTuple):
    """An argument of the library in a message, with the value to give, if any.

    Parameters
    ----------
    name : str
        Its name.
    value : object, optional
        The value to give.
    is_named : bool, optional
        True if the sentence is about the argument, and does not ask for it.

    Examples
    --------
    >>> print(Argument("tz"), Argument("tz", "Europe/Paris"), Argument("tz", is_named=True))
    tz= tz='Europe/Paris' tz
    """

    name: str
    value: Any = None
    is_named: bool = False

    def __str__(self) -> str:
        if self.is_named:
            return self.name
        return f"{self.name}=" if self.value is None else f"{self.name}={self.value!r}"


class Message(tuple[str | Argument, ...]):
    """A message in parts: texts and arguments. Made by :func:`message`."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.spelled(str)

    def spelled(self, spell: Callable[[Argument], str]) -> str:
        """Return the message with ``spell(argument)`` for each argument."""
        return "".join(spell(part) if isinstance(part, Argument) else part for part in self)


def message(*parts: str | Argument | Message) -> Message:
    """Return a message of texts, arguments and the parts of other messages.

    Examples
    --------
    >>> hint = message("give ", Argument("tz", "Europe/Paris"))
    >>> print(message("a.parquet: ", hint))
    a.parquet: give tz='Europe/Paris'
    >>> hint.spelled(lambda argument: f"--{argument.name} {argument.value}")
    'give --tz Europe/Paris'
    """
    flat: list[str | Argument] = []
    for part in parts:
        flat.extend(part if isinstance(part, Message) else [part])
    return Message(flat)


class MpReplayError(Exception):
    """The base of all errors that mpreplay raises on purpose.

    Attributes
    ----------
    message : str or Message
        The message; ``args[0]`` and ``str()`` give it as text.
    """

    def __init__(self, message: str | Message = "", *details: Any) -> None:
        super().__init__(str(message), *details)
        self.message = message

    def __str__(self) -> str:
        return str(self.message)


class _WrongInput(MpReplayError, ValueError):
    """The base of the errors that an argument may have caused."""

    def __init__(
        self,
        message: str | Message = "",
        *details: Any,
        argument: str | None = None,
        value: Any = None,
    ) -> None:
        super().__init__(message, *details)
        self.argument = argument
        self.value = value


class ConfigError(_WrongInput):
    """An argument, a thing model or a setting that cannot work.

    Attributes
    ----------
    argument : str, optional
        Name of the offending argument, where there is a single one.
    value : object, optional
        Value of this argument, as given.
    """


class HistoryError(_WrongInput):
    """A history that cannot be read, or lacks a required part.

    Attributes
    ----------
    argument : str, optional
        Name of the offending argument, where there is a single one.
    value : object, optional
        Value of this argument, as given; None if it is missing.
    """


class InvalidHistory(HistoryError):
    """The history holds invalid or contradicting values and the caller asked to stop.

    Attributes
    ----------
    violations : DataFrame
        One row a failed check on a value; the columns of ``Validation.violations``.
    """

    def __init__(self, message: str | Message, violations: pd.DataFrame | None = None) -> None:
        super().__init__(message, violations)
        self.violations = violations


class TransportError(MpReplayError):
    """The network, or the way to the platform, failed."""


class ConnectError(TransportError):
    """No connection: refused, unknown host, closed port, or no answer in time.

    Attributes
    ----------
    is_final : bool
        True if a retry cannot help as things are: the platform refuses credentials, client id or
        protocol, its certificate is not trusted here or ours not there, the host name is none, this
        process can start no thread, or another run holds the device.
    """

    def __init__(self, message: str | Message, is_final: bool = False) -> None:
        super().__init__(message, is_final)
        self.is_final = is_final


class ConnectionLost(TransportError):
    """The connection was lost and could not be regained.

    Attributes
    ----------
    closed_by_peer : bool
        True if the platform closed the connection in order, as at a takeover.
    """

    def __init__(self, message: str | Message, closed_by_peer: bool = False) -> None:
        super().__init__(message, closed_by_peer)
        self.closed_by_peer = closed_by_peer


class PlatformError(MpReplayError):
    """The platform broke the protocol.

    Attributes
    ----------
    payload : bytes
        Bytes of the message.
    """

    def __init__(self, message: str | Message, payload: bytes = b"") -> None:
        super().__init__(message, payload)
        self.payload = payload


class JournalError(MpReplayError):
    """A journal that cannot be used."""


class JournalMismatch(JournalError):
    """The journal belongs to a run with another history, model, mapping or limits.

    Attributes
    ----------
    differs : tuple of str
        Names of the differing parts.
    """

    def __init__(self, message: str | Message, differs: tuple[str, ...] = ()) -> None:
        super().__init__(message, differs)
        self.differs = differs


class Interrupted(MpReplayError):
    """A replay that a signal or ``stop=`` has ended before its last value.

    Attributes
    ----------
    run : Run or None
        The partial run; None if the run had not begun, and in another process.
    """

    def __init__(self, message: str | Message, run: Any = None) -> None:
        super().__init__(message, run)
        self.run = run

    def __reduce__(self) -> tuple[Any, ...]:
        # A run stays where its journal is; the message names the journal.
        return type(self), (self.message,)


class ReplayFailed(MpReplayError):
    """Values that did not arrive, raised by ``Run.raise_for_rejects()``.

    Attributes
    ----------
    rejects : DataFrame
        Values that did not arrive, one row each.
    """

    def __init__(self, message: str | Message, rejects: Any = None) -> None:
        super().__init__(message, rejects)
        self.rejects = rejects


class ReplayWarning(UserWarning):
    """A doubtful setting or circumstance; the replay goes on.

    Attributes
    ----------
    message : str or Message
        The message; ``args[0]`` and ``str()`` give it as text.
    """

    def __init__(self, message: str | Message = "") -> None:
        super().__init__(str(message))
        self.message = message
