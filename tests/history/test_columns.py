"""Which column is what: names in, names out."""

from __future__ import annotations

from typing import Any

import pytest

from mpreplay import HistoryError, Measurepoint, ThingModel
from mpreplay.history.columns import Columns, Layout, point_named, resolve

STRUCT = Measurepoint("st", "STRUCT", members=(Measurepoint("x", "INT"), Measurepoint("y", "INT")))
MODEL = ThingModel(
    "M",
    {
        "P": Measurepoint("P", "INT"),
        "q": Measurepoint("q", "INT", has_quality=True),
        "st": STRUCT,
        "st.y": Measurepoint("st.y", "INT"),
        "doc": Measurepoint("doc", "FILE"),
    },
)
PASSES = ThingModel("M", MODEL.measurepoints, pass_through=True)


def laid_out(*names: Any, model: ThingModel = MODEL, **columns: Any) -> Layout:
    """Return the layout of a source with these columns."""
    return resolve(names, Columns(**columns), [model], source="x.parquet")


def test_each_column_is_a_point_a_member_or_a_quality() -> None:
    """An exact identifier wins over a member: identifiers may contain dots."""
    layout = laid_out(
        "t", "st.x", "st.y", "q.quality", "q.value", "mark", time="t", ignore=("mark",)
    )

    assert layout.points == {"st.y": "st.y", "q.value": "q"}
    assert layout.members == {"st": {"x": "st.x"}}
    assert layout.quality == {"q": "q.quality"}
    assert layout.needed == ["t", "st.x", "st.y", "q.quality", "q.value"]


def test_columns_may_be_called_otherwise_than_their_points() -> None:
    """Mapped names reach points, members and qualities alike."""
    layout = laid_out(
        "leistung", "a", "m", points={"leistung": "q", "a": "st.x"}, quality={"leistung": "m"}
    )

    assert layout.points == {"leistung": "q"}
    assert layout.members == {"st": {"x": "a"}}
    assert layout.quality == {"q": "m"}


def test_a_column_may_be_time_and_reading_at_once_if_both_are_said() -> None:
    """points= is explicit, so it is not ignored in silence."""
    assert laid_out("t", time="t", points={"t": "P"}).points == {"t": "P"}


@pytest.mark.parametrize(
    ("names", "columns", "message"),
    [
        (["p"], {}, r"'p' is not in the thing model \(nearest: P\)"),
        (["zzzz"], {}, r"\(known: P, doc, q, st, st\.y\)"),
        (["st.z"], {}, "'st.z' is not in the thing model"),
        (["doc"], {}, "HTTP channel only; leave it out with ignore=\\['doc'\\]"),
        (["P", "P"], {}, "'P' occurs twice"),
        ([("a", "b")], {}, "column names must be text"),
        (["P"], {"time": "T"}, "there is no column 'T'"),
        (["P"], {"points": {"x": "P"}}, "there is no column 'x'"),
        (["P"], {"points": {"P": "p"}}, r"points=\{'P': 'p'\}: 'p' is not in .* \(nearest: P\)"),
        (["P", "m"], {"quality": {"P": "m"}}, "P has no quality"),
        (["m", "q"], {"quality": {"m": "q"}}, "'m' is not in the thing model"),
        (["q", "m", "q.quality"], {"quality": {"q": "m"}}, "both hold q.quality"),
        (["q.quality"], {}, "no column has the values of q"),
        (["q", "q.value"], {}, "'q' and 'q.value' both hold q"),
        (["st", "st.x"], {}, "both hold st"),
        (["a", "b"], {"points": {"a": "st.x", "b": "st.x"}}, "both hold st.x"),
    ],
)
def test_what_cannot_be_placed_is_refused(
    names: list[Any], columns: dict[str, Any], message: str
) -> None:
    """An error at the call, with the name and the remedy, instead of a column lost."""
    with pytest.raises(HistoryError, match=message) as caught:
        laid_out(*names, **columns)
    assert "\n" not in str(caught.value)


def test_a_pass_through_model_takes_columns_it_does_not_list() -> None:
    """But what it lists keeps its type."""
    layout = laid_out("new", "P", model=PASSES)

    assert layout.points == {"new": "new", "P": "P"}
    assert point_named("new", PASSES) == Measurepoint("new", "ANY")
    assert point_named("new", MODEL) is None


def test_folders_are_left_out_unless_named_or_in_the_model() -> None:
    """year=2014 is how files are kept, not what was measured."""
    found = resolve(
        ["P", "year", "q"], Columns(), [MODEL], source="x", partitions=("year", "q")
    )  # fmt: skip
    assert found.needed == ["P", "q"]


def test_the_long_form_needs_its_columns_only() -> None:
    """Other columns are remarks there."""
    assert laid_out("t", "p", "v", "x", time="t", point="p", value="v").needed == ["t", "p", "v"]


def test_a_mapped_column_may_be_missing_where_another_source_has_it() -> None:
    """Parts of a history differ; a name that no part has is a typo."""
    columns = Columns(points={"old": "q"}, quality={"old": "m"})

    layout = resolve(["P"], columns, [MODEL], source="x", elsewhere={"old", "m"})

    assert (layout.points, layout.quality) == ({"P": "P"}, {})
    with pytest.raises(HistoryError, match="there is no column 't'"):
        resolve(["P"], Columns(time="t"), [MODEL], source="x", elsewhere={"t"})
