"""A command of the command line: its words, its options, its function, its answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import argparse

    from .parsing import Parser
    from .speech import Speaker

__all__ = [
    "HEAVY",
    "INTERRUPTED",
    "NOT_COMPLETE",
    "NO_CONNECTION",
    "OK",
    "REJECTS",
    "WRONG_INPUT",
    "Answer",
    "Command",
]

# The exit statuses; ``options.STATUS`` is what the help says of them.
OK: Final = 0
REJECTS: Final = 1
WRONG_INPUT: Final = 2
NO_CONNECTION: Final = 3
NOT_COMPLETE: Final = 4
INTERRUPTED: Final = 5
# What takes longest to import, and is needed by every module of a command.
HEAVY: Final = ("numpy", "pyarrow", "pandas")


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a command.

    Parameters
    ----------
    status : int
        Exit status.
    facts : mapping of str to object
        Facts for the JSON document, by key; ``docs/command-line.md`` documents them.
    error : BaseException, optional
        An error, reported after everything else.
    is_whole : bool, optional
        True if the facts are the document, without the keys that all documents have.
    """

    status: int
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: BaseException | None = None
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A command.

    Parameters
    ----------
    name : str
        Its name.
    told : str
        Its purpose, in a line.
    add : callable
        Function that adds its options to a parser.
    run : callable
        Function that carries it out, given the options and a speaker for people.
    usage : str, optional
        The usage, without program and name.
    example : str, optional
        An example, likewise.
    modules : tuple of str, optional
        Modules that take long to import, and are needed by every call.
    """

    name: str
    told: str
    add: Callable[[Parser], None]
    run: Callable[[argparse.Namespace, Speaker], Answer]
    usage: str = ""
    example: str = ""
    modules: tuple[str, ...] = ()
