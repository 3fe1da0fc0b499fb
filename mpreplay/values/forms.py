"""The forms of the columns of a source, and whether they suit the points of the models. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..cells.form import form_of
from ..errors import Argument, HistoryError, message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..cells.column import Column
    from ..cells.form import Form
    from ..cells.text_format import TextFormat
    from ..model.measurepoint import Measurepoint
    from ..model.thing_model import ThingModel

__all__ = ["check_forms", "forms_of"]


def forms_of(
    needed: Iterable[str],
    text: TextFormat | None,
    given: Mapping[str, Column] | None,
    *,
    is_text: bool,
) -> dict[str, Form]:
    """Return the form of each column with cells to interpret.

    Parameters
    ----------
    needed : iterable of str
        Columns that are read.
    text : TextFormat, optional
        How the texts of the history are written.
    given : mapping of str to Column, optional
        What is said of single columns.
    is_text : bool
        True if the source knows no types.
    """
    forms = {name: form_of(text, (given or {}).get(name), is_text=is_text) for name in needed}
    return {name: form for name, form in forms.items() if form is not None}


def check_forms(
    given: Mapping[str, Column] | None,
    points: Mapping[str, str],
    members: Mapping[str, Mapping[str, str]],
    models: Iterable[ThingModel],
    text: TextFormat | None = None,
) -> None:
    """Raise HistoryError if what is said of a column cannot be said of its point.

    Parameters
    ----------
    given : mapping of str to Column, optional
        What is said of single columns.
    points : mapping of str to str
        Column to the identifier of its point.
    members : mapping of str to mapping
        Identifier of a struct to its members and their columns.
    models : iterable of ThingModel
        What the points are, in each product.
    text : TextFormat, optional
        How the texts of the history are written.
    """
    if not given:
        return
    models = list(models)
    placed = {name: (identifier, "") for name, identifier in points.items()}
    for identifier, parts in members.items():
        placed |= {name: (identifier, member) for member, name in parts.items()}
    for name, form in given.items():
        if name not in placed:
            continue
        for model in models:
            point = model.measurepoints.get(placed[name][0])
            if point is not None and placed[name][1]:
                parts_of = (m for m in point.members if m.identifier == placed[name][1])
                point = next(parts_of, None)
            if point is not None:
                _check_form(name, form, point)
                _check_absent_labels(name, form, point, text)


def _check_form(name: str, form: Column, point: Measurepoint) -> None:
    """Raise if what is said of a column does not suit the type of its point."""
    if form.labels:
        _check_labels(name, point)
    if form.values is not None and (point.is_struct or point.is_array):
        raise _unsuited(name, "values", point, "a point whose values are single ones")
    for given in ("scale", "suffix"):
        if getattr(form, given) and not (
            point.is_number or point.has_int_keys * (given != "scale")
        ):
            raise _unsuited(name, given, point, "a number (INT, FLOAT or DOUBLE)")


def _check_labels(name: str, point: Measurepoint) -> None:
    if not point.is_enum:
        raise _unsuited(name, "labels", point, "an ENUM")
    labels = [label for label in point.labels if label]
    if not labels:
        raise HistoryError(
            message(
                f"column {name!r}: the thing model gives no labels to the keys of "
                f"{point.identifier}; name them with mp.Column({point.identifier!r}, ",
                Argument("values", {"text": point.keys[0]}),
                ")",
            ),
            argument="labels",
        )
    if doubled := [label for label, n in Counter(labels).items() if n > 1]:
        raise HistoryError(
            message(
                f"column {name!r}: two keys of {point.identifier} have the label {doubled[0]!r}; "
                f"name the key of each text with mp.Column({point.identifier!r}, ",
                Argument("values", {doubled[0]: point.keys[0]}),
                ")",
            ),
            argument="labels",
        )


def _check_absent_labels(
    name: str, column: Column, point: Measurepoint, text: TextFormat | None
) -> None:
    """Raise if a label of an ENUM is a word that means that there is no value."""
    form = form_of(text, column, is_text=True)
    absent = form.absent if column.labels and form is not None else ()
    if both := [label for label in point.labels if label and label in absent]:
        raise HistoryError(
            message(
                f"column {name!r}: {both[0]!r} is a label of {point.identifier}, and means that "
                "there is no value by ",
                Argument("absent"),
                "; leave it out there",
            ),
            argument="absent",
        )


def _unsuited(name: str, argument: str, point: Measurepoint, expected: str) -> HistoryError:
    return HistoryError(
        message(
            f"column {name!r}: ",
            Argument(argument, is_named=True),
            f" is said of {expected}, and {point.identifier} is of type {point.type}",
        ),
        argument=argument,
    )
