"""Names with ``{start:%Y-%m-%d}`` and ``{key}`` in them, filled in for a run. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from string import Formatter
from typing import Any, Final
from urllib.parse import quote

from ..errors import ConfigError, clipped
from ..errors.nearest import nearest

__all__ = ["filled"]

_PLAIN: Final = "%Y-%m-%dT%H%M%SZ"  # without characters that a file system refuses
_SAFE: Final = " !#$&'()+,;=@[]^_`{}~"  # in a name, in addition to letters, digits and "-._~"
_REMEDIES: Final = {
    "start": "give the interval, --start TIME or replay(start=…)",
    "end": "give the interval, --end TIME or replay(end=…)",
    "key": "name it, key = … under [journal] or --run-key",
}


def filled(template: str, given: Mapping[str, Any], where: str) -> str:
    """Return a template with its fields filled in.

    Parameters
    ----------
    template : str
        ``{{`` and ``}}`` stand for braces.
    given : mapping of str to datetime, str or None
        The values by name; None for one that may be named, and has no value now.
    where : str
        The key of the template, for messages.

    Raises
    ------
    ConfigError
        If a field does not exist, or has no value.

    Examples
    --------
    >>> filled("day-{start:%d}-{job}", {"start": dt.datetime(2024, 3, 1), "job": "farm"}, "key")
    'day-01-farm'
    """
    parts = []
    for text, name, form in _fields(template, where):
        parts.append(text)
        if name is None:
            continue
        if name not in given:
            raise _wrong(template, where, f"there is no {{{name}}}{nearest(name, given)}")
        if given[name] is None:
            raise _wrong(template, where, f"{{{name}}} has no value; {_REMEDIES[name]}")
        parts.append(_text(given[name], form, template, where))
    return "".join(parts)


def _fields(template: str, where: str) -> Iterable[tuple[str, str | None, str]]:
    """Return texts, each with the name and the form of the field behind it, if any."""
    try:
        parts = [*Formatter().parse(template)]
    except ValueError as error:
        raise _wrong(template, where, f"{error}; {{{{ stands for a brace") from None
    if any(conversion for *_, conversion in parts):
        raise _wrong(template, where, "a field has no '!'")
    return [(text, name, form or "") for text, name, form, _ in parts]


def _text(value: Any, form: str, template: str, where: str) -> str:
    if isinstance(value, dt.datetime):
        try:
            return value.strftime(form or _PLAIN)
        except ValueError as error:
            raise _wrong(template, where, str(error)) from None
    if form:
        raise _wrong(template, where, f"{form!r} is a form of times, such as {{start:%Y-%m-%d}}")
    quoted = quote(str(value), safe=_SAFE, errors="surrogateescape")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


def _wrong(template: str, where: str, why: str) -> ConfigError:
    return ConfigError(f"{where} = {clipped(template, 80)!r}: {why}", argument=where)
