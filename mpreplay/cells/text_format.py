"""The way in which texts of numbers, times and absent cells are written. Pure."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from ..errors import Argument, ConfigError, message
from ..errors.arguments import CLEAN_TEXT, FLAG, TEXT, check_kinds, one_of, wrong

__all__ = ["DECIMAL", "TextFormat", "told_fields", "words_of"]

DECIMAL: Final = one_of(".", ",")
_NO_DELIMITER: Final = frozenset('"\r\n\0')


def told_fields(given: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from their defaults."""
    held = {field.name: (getattr(given, field.name), field.default) for field in fields(given)}
    return {name: value for name, (value, default) in held.items() if value != default}


@dataclass(frozen=True, slots=True, repr=False)
class TextFormat:
    """The way to read texts: those of CSV files, and columns of text.

    Parameters
    ----------
    delimiter : str, optional
        Between the cells of a CSV file: one character. In a ``.tsv`` file the default is a tab.
    decimal : str, optional
        The decimal separator: "." or ",".
    encoding : str, optional
        The encoding of a CSV file.
    absent : sequence of str, optional
        Words that mean that there is no value. In a CSV file an empty cell without quotes is
        absent, whatever stands here.
    strip : bool, optional
        Whether blanks around texts are removed, also around the names of a CSV file's columns.

    Raises
    ------
    ConfigError
        If an argument cannot be.

    Examples
    --------
    >>> TextFormat(delimiter=";", decimal=",", absent=("-", "Bad"))
    TextFormat(delimiter=';', decimal=',', absent=('-', 'Bad'))
    """

    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    absent: tuple[str, ...] = ("",)
    strip: bool = False

    def __post_init__(self) -> None:
        check_kinds(
            {
                "delimiter": (self.delimiter, TEXT),
                "decimal": (self.decimal, DECIMAL),
                "encoding": (self.encoding, TEXT),
                "strip": (self.strip, FLAG),
            },
            caller="TextFormat",
        )
        object.__setattr__(self, "absent", words_of(self.absent, "TextFormat"))
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self._is_special():
            raise wrong(
                "delimiter",
                self.delimiter,
                "one ASCII character that ends no line and is no quote, such as ';' or a tab",
                caller="TextFormat",
            )
        _check_encoding(self.encoding)

    def _is_special(self) -> bool:
        return self.delimiter in _NO_DELIMITER

    def canonical(self) -> TextFormat:
        """Return the format with its words in their order, for a comparison by text."""
        return replace(self, absent=tuple(sorted(set(self.absent))))

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in told_fields(self).items())
        return f"TextFormat({given})"


def words_of(given: Any, caller: str) -> tuple[str, ...]:
    """Return the words that mean an absent value; a text alone would be its letters."""
    expected = "a list of texts"
    if isinstance(given, str):
        raise ConfigError(
            message(
                f"{caller}: ",
                Argument("absent"),
                f" must be {expected}, got {given!r}: write ",
                Argument("absent", (given,)),
            ),
            argument="absent",
            value=given,
        )
    try:
        words = tuple(given)
    except TypeError:
        raise wrong("absent", given, expected, caller=caller) from None
    for word in words:
        if not CLEAN_TEXT.holds(word):
            raise wrong("absent", word, expected, caller=caller)
    return words


def _check_encoding(name: str) -> None:
    try:
        known = codecs.lookup(name)
        "".encode(name)  # codecs such as zlib and hex make no text of bytes
    except (LookupError, ValueError):
        known = None
    if known is None:
        raise ConfigError(
            message(
                Argument("encoding", name),
                " is no encoding of texts that Python knows; expected 'utf-8', 'cp1252', 'utf-16' "
                "or another one",
            ),
            argument="encoding",
            value=name,
        )
