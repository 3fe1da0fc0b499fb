"""Thing models: the three shapes in which EnOS hands them out, and what is made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pandera
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mpreplay as mp
from mpreplay import ConfigError, Measurepoint, ThingModel
from mpreplay.model.model_set import ModelSet

EXPECTED = {
    "p": Measurepoint("p", "DOUBLE", name="Power", unit="kW", has_quality=True),
    "state": Measurepoint("state", "ENUM", keys=(0, 1)),
    "mode": Measurepoint("mode", "ENUM", keys=("auto", "hand")),
    "s": Measurepoint("s", "STRING", max_length=64),
    "st": Measurepoint(
        "st", "STRUCT", members=(Measurepoint("x", "INT", required=True), Measurepoint("y", "BOOL"))
    ),
    "a": Measurepoint("a", "ARRAY", item_type="FLOAT"),
    **{k: Measurepoint(k, k) for k in ("INT", "FLOAT", "BOOL", "DATE", "TIMESTAMP", "FILE")},
}
ITEMS = [
    {"identifier": "x", "dataType": "INT", "dataDefinition": None, "required": True},
    {"identifier": "y", "dataType": "BOOL", "dataDefinition": "{}", "required": False},
]
DEFINITIONS: dict[str, Any] = {
    "state": {"enumType": "INT", "enumDesc": {"0": {"defaultValue": "off"}, "1": {}}},
    "mode": {"enumType": "STRING", "enumDesc": {"auto": {}, "hand": {}}},
    "s": {"maxLength": 64},
    "st": {"items": ITEMS},
    "a": {"itemType": "FLOAT"},
}


def rest(wrap: bool = False) -> dict[str, Any]:
    """Return the model as the REST reply; of a search if wrapped."""
    points = {
        name: {
            "identifier": name,
            "name": {"defaultValue": point.name, "i18nValue": {}},
            "dataType": point.type,
            "dataDefinition": json.dumps(DEFINITIONS[name]) if name in DEFINITIONS else None,
            "hasQuality": point.has_quality,
            "unit": {"unitId": "W", "multiplier": "KILO"} if point.unit else None,
        }
        for name, point in EXPECTED.items()
    }
    data = {"modelId": "M", "name": {"defaultValue": "Meter"}, "measurepoints": points}
    return {"code": 0, "msg": "OK", "data": [data] if wrap else data}


def export() -> dict[str, Any]:
    """Return the model as the console exports it."""
    points = {}
    for name, point in EXPECTED.items():
        kind = f"com.example.dm.tsl.measurepoint.TSL{point.type.capitalize()}Measurepoint"
        points[name] = {
            "$class": kind,
            "identifier": name,
            "name": point.name,
            "unit": point.unit,
            "hasQuality": point.has_quality,
            "required": False,
        }
    points["state"] |= {"specsMap": {"0": "{}", "1": "{}"}, "valueType": True}
    points["mode"] |= {"specsMap": {"auto": "{}", "hand": "{}"}, "valueType": False}
    points["s"]["maxLength"] = "64"
    points["st"]["items"] = [
        {"identifier": "x", "$class": "a.b.TSLIntMeasurepoint", "required": True},
        {"identifier": "y", "$class": "a.b.TSLBoolMeasurepoint"},
    ]
    points["a"]["item"] = {"$class": "a.b.TSLFloatMeasurepoint"}
    return {"thingModelId": "M", "thingModelName": "Meter", "thingMeasurepointMap": points}


def elements() -> list[dict[str, Any]]:
    """Return the points as standard elements."""
    return [
        {
            "identifier": name,
            "name": point.name,
            "elementType": "MEASUREPOINT" if n % 2 else ["ATTRIBUTE", "MEASUREPOINT"],
            "dataType": point.type.lower(),
            "dataDefinition": DEFINITIONS.get(name, {}),
            "hasQuality": point.has_quality,
            "unit": point.unit,
        }
        for n, (name, point) in enumerate(EXPECTED.items())
    ]


@pytest.mark.parametrize(
    "document", [rest(), rest(wrap=True), rest()["data"], export(), elements()],
    ids=["get", "search", "bare", "export", "elements"],
)  # fmt: skip
@pytest.mark.parametrize("how", ["parsed", "text", "bytes", "bom", "file"])
def test_every_shape_gives_the_same_points_however_it_comes(
    document: Any, how: str, tmp_path: Path
) -> None:
    """Whoever has a model has it in one of these forms, and all mean the same."""
    text = json.dumps(document)
    path = tmp_path / "model.json"
    path.write_text(text, "utf-8-sig")
    source = {
        "parsed": document, "text": text, "bytes": text.encode(), "file": str(path),
        "bom": "\ufeff" + text,
    }[how]  # fmt: skip

    assert ThingModel.load(source).measurepoints == EXPECTED


def test_an_export_brings_ranges_and_whether_others_pass() -> None:
    """Only this shape has them."""
    document = export() | {"allowAdditionalMeasurepoint": True}
    document["thingMeasurepointMap"]["INT"] |= {
        "minimum": -5, "maximum": "7.5", "exclusiveMinimum": False, "exclusiveMaximum": True,
    }  # fmt: skip

    model = ThingModel.load(document)

    assert model.measurepoints["INT"].range_text == "[-5, 7.5)"
    assert model.pass_through
    assert "others pass through" in repr(model)


def test_names_and_types_of_the_newer_platform_are_understood() -> None:
    """EnOS 3 calls them integer, boolean and object."""
    document = [
        {"identifier": n, "elementType": ["measurepoint"], "dataType": n, "dataDefinition": d}
        for n, d in (
            ("integer", None),
            ("boolean", None),
            ("object", {"items": [{"identifier": "x", "dataType": "integer"}]}),
            ("array", {"itemType": "integer"}),
        )
    ]
    kinds = [p.type for p in ThingModel.load(document).measurepoints.values()]
    assert kinds == ["INT", "BOOL", "STRUCT", "ARRAY"]


def test_one_of_several_models_is_chosen_by_its_id() -> None:
    """A search reply holds all that matched."""
    other = {"modelId": "N", "measurepoints": {"n": {"dataType": "INT"}}}
    document = {"code": 0, "data": [rest()["data"], other]}

    assert [*ThingModel.load(document, model_id="N").measurepoints] == ["n"]
    with pytest.raises(ConfigError, match=r"the models 'M', 'N'; name one with model_id="):
        ThingModel.load(document)
    with pytest.raises(ConfigError, match="holds the model 'M', not 'X'"):
        ThingModel.load(rest(), model_id="X")


def element(**fields: Any) -> dict[str, Any]:
    """Return a standard element."""
    return {"identifier": "p", "elementType": "MEASUREPOINT", "dataType": "INT", **fields}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{", "cannot be read as JSON"),
        (b"\xff\xfe{}", "cannot be read as JSON"),
        ("{}", "no thing model in it; expected the key 'measurepoints'"),
        ("[]", "none of the standard elements"),
        ("[1]", "none of the standard elements"),
        ({"code": 99, "msg": "no right"}, "no thing model"),
        ({"code": 99, "msg": "no right", "data": None}, "code 99: no right"),
        ({"data": None}, "holds no 'measurepoints'"),
        ({"data": []}, "the models none"),
        ({"data": {"measurepoints": []}}, "'measurepoints' must be an object of points"),
        ({"measurepoints": {"p": 5}}, "measurepoint 'p': expected an object"),
        ({"measurepoints": {"p": {"identifier": "q", "dataType": "INT"}}}, "calls itself 'q'"),
        ({"thingMeasurepointMap": []}, "must be an object of points by identifier"),
        ({"thingMeasurepointMap": {"p": {}}}, "neither 'dataType' nor"),
        (element(dataType="MAP"), "unknown type 'MAP'"),
        (element(elementType="EVENT"), "none of the standard elements"),
        ([element(), element()], "'p' occurs twice"),
        (element(identifier=None), "None is no identifier"),
        (element(dataDefinition="{"), "measurepoint 'p'"),
        (element(dataDefinition="[1]"), "measurepoint 'p'"),
        (element(dataType="ENUM"), "needs keys"),
        (element(dataType="ENUM", enumType="INT", enumDesc={"on": {}}), "measurepoint 'p'"),
        (element(dataType="ARRAY"), "needs an item type"),
        (element(dataType="STRUCT", items=[1]), "measurepoint 'p'"),
        (element(dataType="STRING", maxLength="long"), "measurepoint 'p'"),
        (element(minimum=5, maximum=1), "above its maximum"),
        (
            element(dataType="ENUM", enumDesc=5),
            "'enumDesc' must be an object of keys, got a number",
        ),
        (element(dataType="STRUCT", items=7), "'items' must be a list, got a number: 7"),
        (element(minimum=[1]), "'minimum' must be a number, got a list"),
        (element(minimum="5 kW"), "'minimum' must be a number, got '5 kW'"),
        (element(minimum=float("inf")), "its minimum must be a finite number"),
        (element(minimum=-(10**400)), "its minimum must be a finite number"),
        (element(dataType="STRING", maxLength=1.5), "'maxLength' must be a whole number"),
        (element(name={"i18nValue": 5}), "the 'i18nValue' of 'name' must be an object"),
        (element(dataType="ENUM", enumType="INT", enumDesc={str(2**63): {}}), "numbers of 64 bits"),
        (
            element(dataType="ENUM", enumType="STRING", enumDesc={"a\ud800": {}}),
            "keys must be a tuple of texts",
        ),
        (element(unit=[1]), "'unit' must be a text, got a list"),
        (element(identifier=["p"]), "is no identifier"),
        (element(elementType=5), "none of the standard elements"),
        ({"measurepoints": {"a\ud800": {"dataType": "INT"}}}, "that UTF-8 can carry"),
        ('{"measurepoints": {"p": {"dataType": "INT", "dataType": "FLOAT"}}}', "'dataType' occurs"),
        ('{"measurepoints": {"p": {"dataType": "INT", "minimum": 1e999}}}', "1e999 is beyond 64"),
        ('{"measurepoints": {"p": {"dataType": "INT", "minimum": NaN}}}', "NaN is no JSON number"),
        ("[" * 100_000, "nested too deep"),
        ('{"a":' * 100_000, "nested too deep"),
        (5, "not int"),
        ("nowhere/model.json", "cannot read the thing model"),
        ("a\0b", "cannot read the thing model"),
        ("", "cannot read the thing model"),
    ],
)
def test_a_malformed_model_is_refused_in_one_line(source: Any, message: str) -> None:
    """The line names the point and the cause; a traceback of ours would name neither."""
    with pytest.raises(ConfigError, match=message) as caught:
        ThingModel.load(source)
    assert "\n" not in str(caught.value)


def test_the_name_of_a_point_stands_once_in_its_error() -> None:
    """A doubled prefix looks like two points."""
    with pytest.raises(ConfigError) as caught:
        ThingModel.load(element(dataType="ARRAY"))
    assert str(caught.value).count("measurepoint 'p'") == 1
    inner = {"identifier": "x", "dataType": "ARRAY", "itemType": "INT"}
    with pytest.raises(ConfigError, match="measurepoint 'p': a member of a STRUCT") as caught:
        ThingModel.load(element(dataType="STRUCT", items=[inner]))
    with pytest.raises(ConfigError, match="measurepoint 'p': member 'x': unknown type 'MAP'"):
        ThingModel.load(element(dataType="STRUCT", items=[{**inner, "dataType": "MAP"}]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = (
    "identifier", "name", "dataType", "dataDefinition", "minimum", "maximum", "maxLength", "unit",
    "enumDesc", "specsMap", "enumType", "valueType", "itemType", "item", "items", "hasQuality",
    "required", "elementType", "$class", "exclusiveMinimum",
)  # fmt: skip
TYPED = st.sampled_from(["INT", "ENUM", "STRING", "STRUCT", "ARRAY", "DOUBLE"])
MEMBER = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(FIELDS, JSON), "dataType": TYPED | JSON}
)
POINT = st.fixed_dictionaries(
    {}, optional={**dict.fromkeys(FIELDS, JSON), "dataType": TYPED | JSON,
                  "items": st.lists(MEMBER, max_size=2) | JSON},
)  # fmt: skip
SHAPES = ("measurepoints", "thingMeasurepointMap", "data", "code", "elementType", "modelId")


@given(JSON | POINT | st.lists(POINT, max_size=2) | st.dictionaries(
    st.sampled_from(SHAPES), JSON | st.dictionaries(st.text(max_size=3), POINT | JSON, max_size=2)
))  # fmt: skip
def test_whatever_is_given_as_a_model_is_one_or_an_error_of_ours(document: Any) -> None:
    """A file of another tool, or half a file, must not end in an error of Python's own."""
    try:
        model = ThingModel.load(json.dumps(document) if isinstance(document, str) else document)
    except ConfigError as error:
        assert "\n" not in str(error)
    else:
        assert ThingModel.load(model.to_json()) == model


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
BOUNDS = st.none() | st.integers(-(10**6), 0) | st.floats(-1e300, 0)


@st.composite
def points(draw: st.DrawFn, nested: bool = True) -> Measurepoint:
    """Return any measurement point."""
    kinds = ["INT", "FLOAT", "DOUBLE", "BOOL", "ENUM", "STRING", "DATE", "TIMESTAMP", "FILE"]
    kind = draw(st.sampled_from([*kinds, "STRUCT", "ARRAY"] if nested else kinds))
    fields: dict[str, Any] = {}
    if kind in {"INT", "FLOAT", "DOUBLE"}:
        low = draw(BOUNDS)
        fields = {
            "minimum": low, "maximum": None if low is None else -low,
            "exclusive_minimum": draw(st.booleans()), "exclusive_maximum": draw(st.booleans()),
        }  # fmt: skip
    elif kind == "ENUM":
        keys: Any = st.integers(-9, 99) | st.nothing() if draw(st.booleans()) else NAMES
        fields = {"keys": tuple(draw(st.lists(keys, min_size=1, unique=True)))}
    elif kind == "STRING":
        fields = {"max_length": draw(st.none() | st.integers(0, 1024))}
    elif kind == "ARRAY":
        fields = {"item_type": draw(st.sampled_from(["INT", "FLOAT", "DOUBLE", "STRING"]))}
    elif kind == "STRUCT":
        members = st.lists(
            points(nested=False), min_size=1, max_size=4, unique_by=lambda p: p.identifier
        )
        fields = {"members": tuple(draw(members))}
    return Measurepoint(
        draw(NAMES), kind, name=draw(NAMES | st.just("")), unit=draw(NAMES | st.just("")),
        has_quality=draw(st.booleans()), required=draw(st.booleans()), **fields,
    )  # fmt: skip


@given(st.lists(points(), max_size=6, unique_by=lambda p: p.identifier), st.booleans(), NAMES)
def test_a_model_written_as_json_is_read_back_the_same(
    listed: list[Measurepoint], passes: bool, name: str
) -> None:
    """The journal and the rehearsal platform get their model this way."""
    model = ThingModel("M", {p.identifier: p for p in listed}, name, pass_through=passes)

    again = ThingModel.load(model.to_json())

    assert again.measurepoints == model.measurepoints
    assert (again, again.digest, hash(again)) == (model, model.digest, hash(model))


def test_the_order_of_points_does_not_count_in_the_digest() -> None:
    """A model fetched again may list them otherwise."""
    turned = dict(reversed(EXPECTED.items()))
    assert ThingModel("M", EXPECTED).digest == ThingModel("M", turned).digest


def test_a_schema_may_be_extended_and_is_still_known_as_the_models() -> None:
    """Users add checks of their own; what they add decides too."""
    model = ThingModel("M", {"P": Measurepoint("P", "DOUBLE"), "T": Measurepoint("T", "DOUBLE")})
    frame = pd.DataFrame(
        {"P": [1.0, 2.0], "T": [3.0, None]}, index=pd.date_range("2024", periods=2, tz="UTC")
    )
    whole = pandera.Check(lambda s: s > 1.5, name="mine")
    updated = model.schema().update_column("P", checks=[whole])
    kind = model.schema().columns["T"].dtype
    added = model.schema().add_columns(
        {"T": pandera.Column(kind, whole, nullable=True, required=False)}
    )

    found = mp.validate(mp.read_history(frame, plausible=None), updated).violations

    assert found[["row", "measurepoint", "check"]].values.tolist() == [[0, "P", "mine"]]
    assert mp.validate(mp.read_history(frame, plausible=None), added).ok
    with pytest.raises(ConfigError, match=r"begin with model\.schema\(\)"):
        mp.validate(mp.read_history(frame, plausible=None), pandera.DataFrameSchema({}))


def test_a_draft_from_a_frame_says_that_it_is_one() -> None:
    """Its types are guesses, and the platform's own model counts."""
    frame = pd.DataFrame(
        {
            "t": pd.date_range("2024", periods=2, tz="UTC"), "i": [1, 2], "f": [1.5, None],
            "b": [True, False], "s": ["a", None], "l": [[1.5], None], "d": [{"x": 1}, None],
            "c": pd.Categorical(["a", "b"]), "none": [None, None], "remark": ["x", "y"],
        }
    )  # fmt: skip

    model = ThingModel.from_frame(frame, ignore=("remark",))

    assert model.draft
    assert {n: p.type for n, p in model.measurepoints.items()} == {
        "i": "INT", "f": "DOUBLE", "b": "BOOL", "s": "STRING", "l": "ARRAY", "d": "STRUCT",
        "c": "STRING",
    }  # fmt: skip
    assert "a draft from data" in repr(model)
    assert ThingModel.load(model.to_json()).draft
    with pytest.raises(ConfigError, match="several kinds"):
        ThingModel.from_frame(pd.DataFrame({"m": pd.Series([1, "a", [2]], dtype=object)}))


@pytest.mark.parametrize("given_", [{}, {5: ThingModel("M", {})}, "model.json", None, {"p": {}}])
def test_what_is_no_model_is_refused_where_one_is_needed(given_: Any) -> None:
    """The message says how to get one."""
    with pytest.raises(ConfigError):
        ModelSet.of(given_)


def test_a_notebook_sees_the_points_escaped() -> None:
    """Names come from people, and may hold markup."""
    model = ThingModel("<M>", {"<p>": Measurepoint("<p>", "INT", unit="&")})
    shown = model._repr_html_()
    assert "&lt;p&gt;" in shown
    assert "<p>&lt;" not in shown or "<M>" not in shown
