"""Lines of the help: options of one meaning share a line, so that a command fits a screen."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["Help", "add_line"]

SHORT: Final = {"verbose": ("-v",), "help": ("-h",)}


class Help(argparse.RawDescriptionHelpFormatter):
    """Help with each option and its meaning on a single line, to fit a screen."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=44, width=100)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        others: list[argparse.Action] = getattr(action, "in_its_line", [])
        told = [super(Help, self)._format_action_invocation(one) for one in (action, *others)]
        return ", ".join(told)


def add_line(
    to: Any, told: str, options: Mapping[str, str | Mapping[str, Any]], **more: Any
) -> None:
    """Add options to a parser or a group, in one line of its help.

    Parameters
    ----------
    to : parser or group
        Where the options belong.
    told : str
        The meaning.
    options : mapping of str to str
        Name to the word for its value, to nothing for a flag, or to arguments as argparse takes
        them; a name that ends in * may be given several times.
    **more
        Arguments of each option, as argparse takes them.
    """
    added: list[Any] = []
    for name, word in options.items():
        kind: dict[str, Any] = {"metavar": word} if isinstance(word, str) else dict(word)
        if not word:
            kind = {"action": "store_true", "default": None}
        if name.endswith("*"):
            kind.update(action="append", default=[])
        shown = argparse.SUPPRESS if added else told
        flags = [f"--{name.rstrip('*')}", *SHORT.get(name, ())]
        added.append(to.add_argument(*flags, **kind, **more, help=shown))
    added[0].in_its_line = added[1:]
