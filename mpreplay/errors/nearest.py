"""Known names most like an unknown one: a typo, or a letter that looks like another. Pure."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final

from . import clipped

__all__ = ["alike", "nearest", "plainly", "twins"]

SHOWN: Final = 8  # names, where none is near
LOOKED_AT: Final = 2_000  # names that are compared letter by letter
_LONGEST: Final = 60  # characters of a name
_SPELLED: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
_MARKS: Final = re.compile(r"[\W_]+")


def nearest(name: str, known: Iterable[str]) -> str:
    r"""Return the names most like a name, or else the first ones, in brackets.

    Examples
    --------
    >>> nearest("p_avg", ["Ws_avg", "P_avg"]), nearest("zzz", ["P", "Q"]), nearest("P", [])
    (' (nearest: P_avg)', ' (known: P, Q)', '')
    >>> nearest("Zeit", ["\ufeffZeit", "Wind"])
    " (nearest: '\\ufeffZeit')"
    """
    names = list(dict.fromkeys(known))
    near = alike(name, names) or _close(name, names)
    if near:
        return f" (nearest: {', '.join(map(plainly, near[:3]))})"
    shown = ", ".join(map(plainly, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")
    return f" (known: {shown})" if names else ""


def alike(name: str, known: Iterable[str]) -> list[str]:
    """Return the names that differ from a name in case, blanks, marks or umlauts alone.

    Examples
    --------
    >>> alike("leistung_kw", ["Leistung [kW]", "Leistung"])
    ['Leistung [kW]']
    """
    forms = _forms(name)
    return [one for one in known if one != name and forms & _forms(one)]


def twins(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return the known name of each name that differs in case, blanks, marks or umlauts only.

    Examples
    --------
    >>> twins(["p avg", "Ws"], ["P_avg", "Q"])
    {'p avg': 'P_avg'}
    """
    by_form: dict[str, str] = {}
    for one in sorted(known):
        for form in _forms(one):
            by_form.setdefault(form, one)
    found = {}
    for name in names:
        near = [by_form[form] for form in sorted(_forms(name)) if form in by_form]
        if near and near[0] != name:
            found[name] = near[0]
    return found


def plainly(name: str) -> str:
    """Return a name for a message: as it is, or in quotes if its letters look alike.

    Examples
    --------
    >>> plainly("P_avg"), plainly("P_avg ")
    ('P_avg', "'P_avg '")
    """
    shown = clipped(name, _LONGEST)
    if name != name.strip() or "  " in name or not name.isprintable() or not name:
        return repr(shown)
    return shown if unicodedata.is_normalized("NFC", name) else ascii(shown)


def _close(name: str, names: Sequence[str]) -> list[str]:
    """Return names with much the same letters in the same order."""
    by_form: dict[str, str] = {}
    for one in names[:LOOKED_AT]:
        by_form.setdefault(one.casefold(), one)
    near = difflib.get_close_matches(name.casefold(), by_form, n=3, cutoff=0.5)
    return [by_form[form] for form in near]


def _forms(name: str) -> set[str]:
    """Return a name without case, blanks and marks, umlauts once as vowels and once spelled out."""
    small = unicodedata.normalize("NFC", name).casefold()
    bare = unicodedata.normalize("NFKD", small)
    letters = "".join(letter for letter in bare if not unicodedata.combining(letter))
    forms = {_MARKS.sub("", letters), _MARKS.sub("", small.translate(_SPELLED))}
    return forms - {""}
