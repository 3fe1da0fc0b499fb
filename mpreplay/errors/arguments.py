"""Arguments of the public functions: their kinds, and how a wrong one is refused. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from . import Argument, ConfigError, HistoryError, Message, clipped, message

__all__ = [
    "CALLBACK",
    "CLEAN_TEXT",
    "FLAG",
    "OPTIONAL_PATH",
    "OPTIONAL_TEXT",
    "PAIR",
    "PATH",
    "SECONDS",
    "TEXT",
    "TEXTS_BY_TEXT",
    "Kind",
    "check_kinds",
    "kind_of",
    "labels_of",
    "one_of",
    "optional",
    "shown_briefly",
    "tuple_of",
    "without_credentials",
    "wrong",
]

LONGEST: Final = 60  # of a value in a message [characters]
_SURROGATE: Final = re.compile("[\ud800-\udfff]")  # half a character, which UTF-8 cannot carry
_CREDENTIALS: Final = re.compile(r"//.*@", re.DOTALL)
_PASSWORD: Final = re.compile(r"(?i)\b(\w*(?:password|passwd|pwd|secret|token)\w*\s*[=:]\s*)\S+")


class Kind(NamedTuple):
    """The kind of values that an argument takes: in words, and as a test."""

    words: str
    holds: Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_clean(value: Any) -> bool:
    return isinstance(value, str) and not _SURROGATE.search(value)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) or hasattr(type(value), "__fspath__")


def _is_pair_of_texts(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(map(_is_text, value))


def _maps_texts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(part, str) for pair in value.items() for part in pair
    )


TEXT: Final = Kind("a text", _is_text)
CLEAN_TEXT: Final = Kind("a text that UTF-8 can carry", _is_clean)
OPTIONAL_TEXT: Final = Kind("a text or None", lambda value: value is None or _is_text(value))
PATH: Final = Kind("a path: a text or a pathlib.Path", _is_path)
OPTIONAL_PATH: Final = Kind(
    "a path, a text or a pathlib.Path, or None", lambda value: value is None or _is_path(value)
)
SECONDS: Final = Kind(
    "a number of seconds, 0 to 10 million",
    lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e7
    ),
)
CALLBACK: Final = Kind("a function or None", lambda value: value is None or callable(value))
FLAG: Final = Kind("True or False", lambda value: isinstance(value, bool))
PAIR: Final = Kind("a pair of texts", _is_pair_of_texts)
TEXTS_BY_TEXT: Final = Kind("a dict of text to text", _maps_texts)


def optional(kind: type, words: str) -> Kind:
    """Return the kind of the instances of a type, and None."""
    return Kind(f"{words} or None", lambda value: value is None or isinstance(value, kind))


def one_of(*words: str | bool) -> Kind:
    """Return the kind of some words, or of a truth value among them."""
    told = [repr(word) for word in words]

    def holds(value: Any) -> bool:
        # A text equals no foreign object, and a foreign object may equal anything.
        return type(value) in (str, bool) and value in words

    return Kind(f"{', '.join(told[:-1])} or {told[-1]}", holds)


def tuple_of(kind: Kind, words: str) -> Kind:
    """Return the kind of a tuple whose members are all of a kind."""
    return Kind(words, lambda value: isinstance(value, tuple) and all(map(kind.holds, value)))


def check_kinds(
    given: Mapping[str, tuple[Any, Kind]],
    error: type[ConfigError | HistoryError] = ConfigError,
    *,
    caller: str = "",
) -> None:
    """Raise unless each argument is of its kind.

    Parameters
    ----------
    given : mapping of str to (object, Kind)
        Values of the arguments by name.
    error : type, optional
        Class of the error.
    caller : str, optional
        The public function, for the message.
    """
    for name, (value, kind) in given.items():
        if not kind.holds(value):
            raise wrong(name, value, kind.words, error, caller=caller)


def wrong(
    name: str,
    value: Any,
    expected: str | Message,
    error: type[ConfigError | HistoryError] = ConfigError,
    *,
    caller: str = "",
) -> ConfigError | HistoryError:
    """Return the error of an argument of the wrong kind.

    Examples
    --------
    >>> str(wrong("journal", 7, "a path", caller="replay"))
    'replay: journal= must be a path, got 7 (int)'
    """
    told = message(
        f"{caller}{': ' if caller else ''}",
        Argument(name),
        " must be ",
        expected,
        f", got {shown_briefly(value)}",
    )
    return error(told, argument=name, value=value)


def kind_of(value: Any) -> str:
    """Return the full name of the type of a value.

    Examples
    --------
    >>> import decimal
    >>> kind_of(decimal.Decimal(1)), kind_of([])
    ('decimal.Decimal', 'list')
    """
    kind = type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"


def shown_briefly(value: Any) -> str:
    """Return a value for a message: of a plain one the value and its type, else the type alone.

    A message has one line, and shows no password of a URI; the repr of a foreign object may have
    many lines, or fail.

    Examples
    --------
    >>> shown_briefly("mqtt://gw-1:secret@example.com/gateway")
    "'mqtt://***@example.com/gateway' (str)"
    >>> shown_briefly(None), shown_briefly({"a": 1})
    ('None', 'dict')
    """
    if value is None or isinstance(value, type):
        return "None" if value is None else f"the type {value.__module__}.{value.__qualname__}"
    if type(value) in (str, int, float, bool) or isinstance(value, dt.date) or _is_pair(value):
        return f"{_plain(value)} ({kind_of(value)})"
    return kind_of(value)


def without_credentials(text: str) -> str:
    """Return the text of another library's error without the passwords that may be in it.

    Examples
    --------
    >>> without_credentials("no route to db://reader:hush@host/plant password=hush port=1")
    'no route to db://***@host/plant password=*** port=1'
    """
    return clipped(_PASSWORD.sub(r"\1***", _CREDENTIALS.sub("//***@", text)))


def _is_pair(value: Any) -> bool:
    return type(value) is tuple and all(type(one) in (str, int, float) for one in value)


def _plain(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python writes
        return "a number of very many digits"
    return clipped(_CREDENTIALS.sub("//***@", text), LONGEST)


def labels_of(
    given: Any,
    error: type[ConfigError | HistoryError] = ConfigError,
    *,
    argument: str = "ignore",
) -> tuple[Any, ...]:
    """Return a list of names as a tuple; a text is one name.

    Raises
    ------
    ConfigError or HistoryError
        If it is no list of names.
    """
    if isinstance(given, str):
        return (given,)
    try:
        labels = tuple(given)
        set(labels)
    except TypeError as cause:
        raise wrong(argument, given, "a list of names", error) from cause
    return labels
