"""Words about the texts of a column: their lacks, and the arguments to give.

Pure: facts in, clauses and sentences out.
"""

from __future__ import annotations

from typing import Final

from ..errors import Argument, Message, clipped, message
from .amounts import count
from .facts import BlankKeys, ColumnLacks, Lack, Marks

__all__ = ["column_in_words", "keys_in_words", "quality_in_words"]

MAX_WORD: Final = 40  # characters
# What texts have that their form does not allow for.
_LACKS: Final = {
    "comma": "with a decimal comma",
    "comma?": "with a comma before three digits",
    "point": "with a decimal point",
    "point?": "with a point before three digits",
    "groups": "with separators of thousands",
    "blanks": "with blanks around",
}

# What follows from these, where nothing can be given for them.
_DOUBT: Final = "it is a decimal one, or one of thousands, which are not read"
_NOTES: Final = {
    "comma?": _DOUBT,
    "point?": _DOUBT,
    "groups": "these are not read: write the numbers without",
}


def column_in_words(found: ColumnLacks) -> Message:
    """Return the lacks of a column's cells, and the arguments that would read the cells.

    Examples
    --------
    >>> from mpreplay.errors import Argument
    >>> lack = Lack(9, words=("-", "Bad"), proposal=(Argument("absent", ("-", "Bad")),))
    >>> print(column_in_words(ColumnLacks("P", "", 300, (lack,))))
    P: 9 of 300 cells are '-' or 'Bad': absent=('-', 'Bad')
    """
    name = clipped(found.point, MAX_WORD)
    if found.column not in {"", found.point}:
        name = f"{name} (column {clipped(found.column, MAX_WORD)!r})"
    parts: list[str | Argument] = []
    for number, lack in enumerate(found.lacks):
        are = "is" if lack.n == 1 else "are"
        of = f"{lack.n:,}" if number else f"{lack.n:,} of {count(found.n_cells, 'cell')}"
        parts.append(f"{'; ' if number else f'{name}: '}{of} {are} {_are(lack)}")
        for place, argument in enumerate(lack.proposal):
            parts += [", " if place else ": ", argument]
    return message(*parts)


def _are(lack: Lack) -> str:
    """Return what cells are, after their number."""
    if lack.needs == ("label",):
        return "labels of the enumeration" if lack.n > 1 else "a label of the enumeration"
    if not lack.needs:
        return _words(lack)
    if lack.needs == ("scale",):
        within = "lie within it" if lack.n > 1 else "lies within it"
        return f"outside the range, and times {lack.suffix} {within}"
    numbers = "numbers" if lack.n > 1 else "a number"
    if lack.needs == ("text",):
        return f"{numbers} in {'texts' if lack.n > 1 else 'a text'}"
    told = [f"followed by {lack.suffix!r}" if n == "suffix" else _LACKS[n] for n in lack.needs]
    more = [_NOTES[need] for need in lack.needs if need in _NOTES and not lack.proposal]
    return f"{numbers} {_listed(told, 'and')}{''.join(f'; {one}' for one in more)}"


def _words(lack: Lack) -> str:
    """Return words in quotes; of very many, examples."""
    words = [repr(clipped(word, MAX_WORD)) for word in lack.words]
    if not words:
        return "no values of their point" if lack.n > 1 else "no value of its point"
    if lack.has_more:
        return f"{'other texts' if lack.n > 1 else 'another text'}, such as {', '.join(words)}"
    return _listed(words, "or")


def _listed(parts: list[str], last: str) -> str:
    return f" {last} ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def quality_in_words(found: Marks, n_cells: int) -> Message:
    """Return the faults of a point's qualities, and what to do.

    Examples
    --------
    >>> str(quality_in_words(Marks("P", "q", n_wrong=9), 9)).partition(":")[0]
    'P'
    """
    name = clipped(found.point, MAX_WORD)
    column = f" (column {clipped(found.column, MAX_WORD)!r})" if found.column else ""
    parts = []
    if found.n_wrong:
        have = "has" if found.n_wrong == 1 else "have"
        parts.append(
            f"{found.n_wrong:,} of {count(n_cells, 'value')} {have} a quality{column} that is no "
            "integer from 0 to 9: translate it, as 192 of OPC into 0, or leave it out"
        )
    if found.n_lone:
        stand = "quality stands" if found.n_lone == 1 else "qualities stand"
        parts.append(
            f"{found.n_lone:,} {stand} without a value{'' if parts else column}: remove them, or "
            "leave the quality out"
        )
    return message(f"{name}: {'; '.join(parts)}")


def keys_in_words(found: BlankKeys) -> Message:
    """Return the finding of keys with blanks around them, unknown to a platform.

    Examples
    --------
    >>> strip = Argument("strip", True)
    >>> print(keys_in_words(BlankKeys("device key", 1, "T1 ", "T1", strip)))
    1 device key has blanks around it, such as 'T1 ' (beside 'T1'): strip=True
    """
    have = "has blanks around it" if found.n == 1 else "have blanks around them"
    beside = f" (beside {clipped(found.twin, MAX_WORD)!r})" if found.twin else ""
    return message(
        f"{count(found.n, found.kind)} {have}, such as {clipped(found.example, MAX_WORD)!r}"
        f"{beside}: ",
        found.proposal,
    )
