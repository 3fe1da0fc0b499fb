"""Reasons why the texts of one column are not values, and the argument to give.

Pure, and bounded: words are counted up to a number of different ones.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..cells.column import Column
from ..cells.form import Form, check_words
from ..cells.text_format import TextFormat
from ..display.facts import Lack
from ..errors import Argument, ConfigError, HistoryError
from ..values.spellings import misspelt
from ..values.text_numbers import number_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..model.measurepoint import Measurepoint

__all__ = [
    "BARE",
    "FREQUENT",
    "PointTexts",
    "is_usual",
    "lacks_of",
    "may_be_absent",
    "note_labels",
    "note_numbers",
    "note_words",
    "shared_words",
    "text_format",
]

MAX_WORDS: Final = 256  # different words of one point that are counted
FACTORS: Final = (1_000.0, 0.001, 100.0, 0.01, 1e6, 1e-6)  # between usual units
SHOWN: Final = 8  # words that are named
MAX_LETTERS: Final = 60  # of a word in an argument that is proposed
FREQUENT: Final = 3  # cells of a word for an absent value; a word with fewer may be a slip
BARE: Final = Form()
# Words of historians, spreadsheets and programs for a value that is not there, in small letters.
_USUAL: Final = frozenset(
    """
    |-|--|---|–|—|.|..|...|*|**|***|/|?|??|???|n/a|n.a.|na|#n/a|#na|#nv|#wert!|#value!|#div/0!|#ref!
    |#name?|#null!|nan|null|none|nil|void|missing|bad|n.v.|k.a.|k.w.|<na>|<null>|(null)|no_data
    |nodata|no data|bad input|no value|not available
    """.replace("\n    ", "")
    .strip()
    .split("|")
)
# Texts that are no words: with digits, JSON, and the words for infinity.
_NO_WORD: Final = re.compile(r"\d|^\s*[\[{\"']|^\s*[+-]?inf(?:inity)?\s*$|[∞]", re.IGNORECASE)
# The words of a truth value: both are values.
_TRUTHS: Final = frozenset({"true", "false"})


@dataclass(slots=True)
class PointTexts:
    """The misfits among the texts of one point, or of one member."""

    identifier: str  # of the point, also for a member
    point: Measurepoint
    column: str = ""
    text: TextFormat | None = None
    given: Column | None = None
    is_long: bool = False  # so that points= cannot say anything of it
    are_rejects: bool = False  # whose values are mended where they stand
    lacks: Counter[tuple[tuple[str, ...], str]] = field(default_factory=Counter)
    examples: dict[tuple[tuple[str, ...], str], str] = field(default_factory=dict)
    words: Counter[str] = field(default_factory=Counter)
    n_words: int = 0
    has_more: bool = False
    n_outside: int = 0  # numbers outside their range
    outside: list[float] = field(default_factory=list)  # the least and the largest of them

    def note(self, needs: tuple[str, ...], suffix: str, n: int) -> None:
        """Note cells for what their form lacks."""
        self.lacks[needs, suffix] += n

    @property
    def has_labels(self) -> bool:
        """True if the point is an ENUM whose keys have labels."""
        return self.point.is_enum and any(self.point.labels)


def note_numbers(one: PointTexts, texts: pa.Array, form: Form, *, is_formed: bool) -> Any:
    """Note texts that are numbers in another form, and return a mask of them."""
    taken = np.zeros(len(texts), bool)
    if not is_formed:
        numbers = np.asarray(number_texts(texts, form).is_valid().to_numpy(zero_copy_only=False))
        one.note(("text",), "", int(numbers.sum()))
        taken |= numbers
    for mask, why in misspelt(texts, form, one.point.type):
        found = mask & ~taken
        if found.any():
            needs = why.facts[1:]
            one.note(needs[0], needs[1], int(found.sum()))
            one.examples.setdefault(needs, texts[int(found.argmax())].as_py())
        taken |= mask
    return taken


def note_words(one: PointTexts, texts: pa.Array) -> None:
    """Note texts that are no numbers."""
    if not len(texts):
        return
    words = texts.value_counts()
    for word, times in zip(words.field(0).to_pylist(), words.field(1).to_pylist(), strict=True):
        if word in one.words or len(one.words) < MAX_WORDS:
            one.words[word] += times
        else:
            one.has_more = True


def note_labels(one: PointTexts, texts: pa.Array) -> NDArray[np.bool_]:
    """Note texts that are labels of the point's keys, and return a mask of them."""
    labels = pa.array([label for label in one.point.labels if label], texts.type)
    found = pc.is_in(texts, value_set=labels).fill_null(False)
    mask = np.asarray(found.to_numpy(zero_copy_only=False), bool)
    one.note(("label",), "", int(mask.sum()))
    return mask


def lacks_of(one: PointTexts, n_cells: int, shared: frozenset[str]) -> Iterator[Lack]:
    """Yield what a column lacks, most of its cells first; ``shared`` are words of several."""
    lacks = +one.lacks
    for doubtful, sure in (("comma?", "comma"), ("point?", "point")):
        if any(sure in needs for needs, _ in lacks):  # the column says what its separator is
            lacks = Counter()
            for (needs, suffix), n in one.lacks.items():
                told = tuple(sure if need == doubtful else need for need in needs)
                lacks[told, suffix] += n
                if (needs, suffix) in one.examples:
                    one.examples.setdefault((told, suffix), one.examples[needs, suffix])
            one.lacks = lacks
    found = [
        Lack(n, needs, suffix, proposal=_proposal(one, needs, suffix))
        for (needs, suffix), n in lacks.most_common()
        if n
    ]
    if one.n_words:
        words = tuple(word for word, _ in one.words.most_common(SHOWN))
        more = one.has_more or len(one.words) > SHOWN
        proposal = _for_words(one, n_cells, shared, has_all=not more)
        found.append(Lack(one.n_words, (), "", words[:3] if more else words, more, proposal))
    if (scale := _factor(one, n_cells)) and (proposal := _of_column(one, scale=scale)):
        found.append(Lack(one.n_outside, ("scale",), f"{scale:,g}", proposal=proposal))
    yield from sorted(found, key=lambda lack: -lack.n)


def shared_words(points: Iterable[PointTexts]) -> frozenset[str]:
    """Return the words that stand in several columns."""
    counts = Counter(word for one in points for word in one.words)
    return frozenset(word for word, n in counts.items() if n > 1)


def _proposal(one: PointTexts, needs: tuple[str, ...], suffix: str) -> tuple[str | Argument, ...]:
    """Return the arguments that would read numbers."""
    if {"groups", "comma?", "point?"} & set(needs) or (one.is_long and suffix):
        return _rewritten(one, needs, suffix)
    if one.are_rejects:
        return _rewritten(one, needs, suffix)
    if needs == ("label",):
        return () if one.is_long else _of_column(one, labels=True)
    changes: dict[str, Any] = {}
    if "blanks" in needs:
        changes["strip"] = True
    own: dict[str, Any] = {}
    for need, mark in (("comma", ","), ("point", ".")):
        if need in needs:
            (own if one.given is not None and one.given.decimal else changes)["decimal"] = mark
    if suffix:
        own["suffix"] = suffix
    found = [text_format(changes)] if changes or needs == ("text",) else []
    columns = _of_column(one, **own) if own else ()
    return (*found, *columns) if columns or not own else ()


def _rewritten(one: PointTexts, needs: tuple[str, ...], suffix: str) -> tuple[str, ...]:
    """Return how a number in a file of rejects is written, which is mended where it stands."""
    text = one.examples.get((needs, suffix), "")
    decimal = "," if "comma" in needs else "."
    form = Form(decimal=decimal, suffix=suffix)
    bare = number_texts(pa.array([text.strip()], pa.string()), form)[0].as_py()
    if not one.are_rejects or bare is None:
        return ()
    return (f"write {bare} instead of {text!r}",)


def text_format(changes: dict[str, Any]) -> Argument:
    """Return the text format to give; of a default its own argument, which it does not show."""
    is_default = changes == {"decimal": "."}
    return Argument("decimal", ".") if is_default else Argument("text", TextFormat(**changes))


def _of_column(one: PointTexts, **own: Any) -> tuple[Argument, ...]:
    """Return what was said of a column, with an addition; nothing if the two exclude each other."""
    column = Column(one.point.identifier) if one.given is None else one.given
    try:
        made = replace(column, **own)
        check_words(one.text, {one.column: made})
    except (ConfigError, HistoryError):
        return ()
    return (Argument("points", {one.column or one.point.identifier: made}),)


def _factor(one: PointTexts, n_cells: int) -> float | None:
    """Return a factor between units that brings most numbers of a column into their range."""
    is_scaled = one.given is not None and one.given.scale is not None
    if one.n_outside * 2 <= n_cells or one.is_long or is_scaled:
        return None
    low, high = one.point.bounds
    for factor in FACTORS:
        least, most = (number * factor for number in one.outside)
        if (low is None or least >= low) and (high is None or most <= high):
            return factor
    return None


def is_usual(word: str) -> bool:
    """Return True for a word that people and programs use for a value that is not there."""
    return word.strip().casefold() in _USUAL and len(word) <= MAX_LETTERS


def may_be_absent(word: str) -> bool:
    """Return True for a word that may stand for no value: a number, or JSON, does not.

    Examples
    --------
    >>> [may_be_absent(word) for word in ("Bad", "Störung", "1_000", "inf", "[1, x]")]
    [True, True, False, False, False]
    """
    is_word = not _NO_WORD.search(word) and word.strip().casefold() not in _TRUTHS
    return is_usual(word) or (is_word and len(word) <= MAX_LETTERS)


def _for_words(
    one: PointTexts, n_cells: int, shared: frozenset[str], *, has_all: bool
) -> tuple[Argument, ...]:
    """Return what would read words: usual ones mean no value, others values where few are numbers.

    A word that stands once is more likely a slip of the pen: it is proposed nowhere.
    """
    if one.are_rejects:
        return ()
    words = [word for word, _ in one.words.most_common()]
    is_everywhere = shared.issuperset(words) and one.n_words * 2 <= n_cells
    states = () if is_everywhere or not has_all else _states(one, words, n_cells)
    gone = [
        word
        for word in words
        if word not in states and _is_absent(one, word, shared, is_everywhere=is_everywhere)
    ]
    found: list[Argument] = []
    if states:
        found += _of_column(one, values=_mapped(one, states))
    if gone:
        found.append(_absent(one, gone[:SHOWN], shared))
    return tuple(found)


def _is_absent(one: PointTexts, word: str, shared: frozenset[str], *, is_everywhere: bool) -> bool:
    """Return True if a word of a column means an absent value."""
    if is_usual(word) or not may_be_absent(word):
        return is_usual(word)
    has_states = one.point.is_bool or one.point.is_enum
    return is_everywhere or (not has_states and (word in shared or one.words[word] >= FREQUENT))


def _states(one: PointTexts, words: list[str], n_cells: int) -> tuple[str, ...]:
    """Return the words that stand for values."""
    given = one.given
    is_single = not one.point.is_struct and not one.point.is_array
    has_states = one.point.is_bool or one.n_words * 2 > n_cells
    is_known = given is not None and bool(given.values)
    # The labels are the model's.
    if one.is_long or not is_single or (given is not None and given.labels):
        return ()
    if not (is_known or has_states):
        return ()
    numbers = one.point.is_number  # a word with digits is one of these, spelt otherwise
    found = tuple(
        word
        for word in words
        if not is_usual(word) and len(word) <= MAX_LETTERS and (may_be_absent(word) or not numbers)
    )
    # A suffix, a scale or a separator of the column says that its values are numbers.
    return found if found and _of_column(one, values=_mapped(one, found)) else ()


def _mapped(one: PointTexts, states: Iterable[str]) -> dict[str, Any]:
    known = dict(one.given.values) if one.given is not None and one.given.values else {}
    return {**known, **dict.fromkeys(states, "?")}


def _absent(one: PointTexts, words: list[str], shared: frozenset[str]) -> Argument:
    """Return the words for absent: given, found here, and of other columns."""
    kept = () if one.text is None or one.text.absent == ("",) else one.text.absent
    others = sorted(filter(may_be_absent, shared)) if shared.intersection(words) else []
    return text_format({"absent": tuple(dict.fromkeys([*kept, *words, *others]))})
