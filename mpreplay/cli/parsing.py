"""A parser that helps: nearest names for a typo, no option given twice, help without arguments."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from .help_lines import Help

__all__ = ["Parser", "Usage"]

_GIVEN: Final = "_given"  # names of options that were given, while a line is parsed


class Usage(Exception):
    """A line that cannot be parsed."""

    def __init__(self, message: str, parser: Parser) -> None:
        super().__init__(message)
        self.parser = parser


class _Once(argparse.Action):
    """An option that takes one value; given twice it would silently take the last."""

    def __call__(
        self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        given = vars(namespace).setdefault(_GIVEN, set())
        if option_string is not None and self.dest in given:
            raise argparse.ArgumentError(self, "given twice; it takes one value")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """The parser of the command line or of one command.

    Attributes
    ----------
    general : group
        The group of the options that stand first in the help.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(add_help=False, formatter_class=Help, **options)
        for name in (None, "store"):
            self.register("action", name, _Once)
        self.general = self.add_argument_group("options")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a line.

        Raises
        ------
        Usage
            If it cannot be parsed.
        """
        options, left = self.parse_known_args(args, namespace)
        if left:
            parser = self.commands.get(getattr(options, "command", ""), self)
            raise Usage(f"one argument too many: {_shown(left[0])}", parser)
        options.given = frozenset(vars(options).pop(_GIVEN, ()))
        return options

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a line as far as it is known; an unknown option is an error at once."""
        words = list(args)
        if not words and self._needed():
            raise Usage("", self)
        for word in self._options_in(words):
            if not self._knows(word):
                from ..errors.nearest import nearest

                known = [name for name in self._option_string_actions if name.startswith("--")]
                self.error(f"there is no option {word}{nearest(word, known)}")
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise Usage."""
        raise Usage(message, self)

    @property
    def commands(self) -> dict[str, Parser]:
        """The parsers of the commands, by name; those of the program alone."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return dict(action.choices)
        return {}

    def _needed(self) -> bool:
        is_one_needed = any(group.required for group in self._mutually_exclusive_groups)
        return is_one_needed or any(one.required and one.nargs != "*" for one in self._actions)

    def _options_in(self, words: Sequence[str]) -> list[str]:
        """Return the long options of a line; in that of the program, only those of its own."""
        found = []
        is_program = self._subparsers is not None
        for word in words:
            if word == "--" or (is_program and not word.startswith("-")):
                break
            if word.startswith("--") and " " not in word.partition("=")[0]:
                found.append(word.partition("=")[0])
        return found

    def _knows(self, word: str) -> bool:
        return any(name.startswith(word) for name in self._option_string_actions)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = action.choices
        if choices is None or value in choices:
            return
        from ..errors.nearest import nearest

        known = list(choices)
        what = "there is no command" if isinstance(choices, dict) else "there is no"
        told = f"{what} {value!r}{nearest(str(value), known)}"
        if isinstance(choices, dict):
            self.error(told)
        raise argparse.ArgumentError(action, f"{told}; expected {', '.join(map(str, known))}")


def _shown(word: str) -> str:
    """Return a word of the line for a message; a URI may hold a secret."""
    head, mark, _ = word.partition("://")
    return f"{head}://…" if mark else repr(word)
