"""Faults of a thing model's JSON: each is told with its line or its key, and what to write."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpreplay import ConfigError, ThingModel
from mpreplay.model.json_fields import read_json

POINT = '{"dataType": "DOUBLE", "minimum": 0}'
MODEL = f'{{"measurepoints": {{\n "P": {POINT},\n "Q": {POINT}\n}}}}'


def refused(source: Any) -> str:
    """Return the message with which a source is refused, in one line."""
    with pytest.raises(ConfigError) as caught:
        ThingModel.load(source)
    told = str(caught.value)
    assert "\n" not in told
    return told


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("}\n}", "},\n}", """line 3, '"Q": {"dataType": "DOUBLE", "minimum": 0},': noth"""),
        ("0},", "0,},", 'line 2, \'"P": {"dataType": "DOUBLE", "minimum": 0,},\': nothing'),
        (' "Q"', ' // Q\n "Q"', "line 3, '// Q': JSON has no comments; remove it"),
        (' "Q"', ' # Q\n "Q"', "line 3, '# Q': JSON has no comments; remove it"),
        (' "Q"', ' /* Q */ "Q"', "JSON has no comments; remove it"),
        ('"Q"', "'Q'", 'texts and names stand in double quotes, "like this", not in \''),
        ('"DOUBLE"', "'DOUBLE'", 'texts and names stand in double quotes, "like this"'),
        ('"DOUBLE"', "“DOUBLE”", 'stand in double quotes, "like this", not in “'),
        (
            '"DOUBLE"',
            "DOUBLE",
            'DOUBLE stands without quotes; a name or a text is written "DOUBLE"',
        ),
        ('"dataType"', "dataType", "dataType stands without quotes"),
        (": 0", ": None", "None stands without quotes; JSON writes null"),
        (": 0", ": True", "True stands without quotes; JSON writes true"),
        (": 0", ": NaN", '"minimum": NaN},\': NaN is no JSON number'),
        (": 0", ": -Infinity", "-Infinity is no JSON number; leave the key out for no bound"),
        (": 0", ": nan", "nan stands without quotes"),
        (": 0", ": 1e999", "the number 1e999 is beyond 64 bits"),
        (": 0", ": 0,5", "a number has a decimal point, not a comma: 0.5…"),
        (": 0", ": 007", "a number does not begin with a 0 before other digits"),
        (": 0", ": .5", "a number begins with a digit or a minus sign, not with '.'"),
        (": 0", ": +5", "a number begins with a digit or a minus sign, not with '+'"),
        (": 0", ":", "a value is missing before '}'"),
        (": 0", " 0", "a colon is missing between a name and its value, before '0'"),
        ('"DOUBLE",', '"DOUBLE"', "a comma is missing before '\"'"),
        ('"DOUBLE",', '"DOUBLE";', "a comma is missing before ';'"),
        ('"DOUBLE"', '"DOUBLE', "a comma, a colon or a quote is missing before minimum"),
        (": 0}\n}}", ': "0}}}', 'the text that begins here has no closing "'),
        ('"DOUBLE"', '"DOU\nBLE"', '{"dataType": "DOU\': a text goes on beyond its line'),
        ('"DOUBLE"', '"DOU\\BLE"', 'a backslash in a text is written twice, as in "C:\\\\data"'),
        ("}}", "}", "the text ends before its brackets are closed; the file is cut off"),
        ("}}", "}}\n{}", "line 5, '{}': the document ends before this; give one document"),
        ('"minimum"', '"dataType"', "'dataType' occurs twice in one object, with 'DOUBLE' and 0"),
    ],
)
def test_a_text_that_is_no_json_is_told_with_its_line_and_what_to_write(
    old: str, new: str, told: str
) -> None:
    """A thing model is often written by hand, and a model has thousands of lines."""
    assert old in MODEL
    last = old in {"}\n}", "}}", ": 0}\n}}"}
    text = new.join(MODEL.rsplit(old, 1)) if last else MODEL.replace(old, new, 1)

    assert told in refused(text)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (b" \n\t", "it is empty"),
        (
            b"measurepoints:\n  P:\n    dataType: DOUBLE\n",
            "as YAML is written; write it as JSON, such",
        ),
        (b"---\nP: 1\n", "its first line is '---', as YAML is written"),
        (
            b"<!DOCTYPE html><html></html>",
            "as HTML and XML do; perhaps it is the page of a sign-in",
        ),
        (b"PAR1\x15\x04", "it is a Parquet file: readings, of which mpreplay model --draft makes"),
        (b"\x1f\x8b\x08", "compressed with gzip"),
        (b'{"name": "T\xfcr"}', "line 1: the byte 0xfc is not UTF-8; save the file as UTF-8"),
        (b"identifier,dataType\nP,DOUBLE\n", "identifier stands without quotes"),
    ],
)
def test_a_file_that_is_no_json_is_told_for_what_it_is(
    tmp_path: Path, content: bytes, told: str
) -> None:
    """Whoever gives a Parquet file for the model has exchanged two arguments."""
    path = tmp_path / "model.json"
    path.write_bytes(content)
    assert told in refused(path)
    assert told in refused(content)


def test_workbooks_and_parquet_files_are_told(tmp_path: Path) -> None:
    """The console exports Excel as well."""
    with zipfile.ZipFile(tmp_path / "model.xlsx", "w") as book:
        book.writestr("xl/workbook.xml", "<x/>")
    assert "Excel workbook" in refused(tmp_path / "model.xlsx")
    pd.DataFrame({"P": [1.5]}).to_parquet(tmp_path / "x.parquet")
    assert "a Parquet file" in refused(tmp_path / "x.parquet")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_model_is_read_in_every_encoding_that_marks_itself(encoding: str) -> None:
    """A text editor of Windows writes UTF-16 under the name Unicode."""
    text = '{"measurepoints": {"Tür": {"dataType": "INT"}}}'
    assert [*ThingModel.load(text.encode(encoding)).measurepoints] == ["Tür"]


def element(**fields: Any) -> dict[str, Any]:
    """Return a model of one point."""
    return {"measurepoints": {"p": {"dataType": "DOUBLE", **fields}}}


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("min", "minimum"), ("Min", "minimum"), ("minValue", "minimum"), ("minimun", "minimum"),
        ("lower_bound", "minimum"), ("range", "minimum"), ("max", "maximum"),
        ("maximim", "maximum"), ("upperLimit", "maximum"), ("Maximum", "maximum"),
        ("exclusive_minimum", "exclusiveMinimum"), ("exclusiveMin", "exclusiveMinimum"),
        ("maxlength", "maxLength"), ("max_length", "maxLength"), ("length", "maxLength"),
        ("hasquality", "hasQuality"), ("has_quality", "hasQuality"), ("quality", "hasQuality"),
        ("units", "unit"), ("Unit", "unit"), ("require", "required"), ("enumtype", "enumType"),
        ("enumDescr", "enumDesc"), ("datadefinition", "dataDefinition"), ("item_type", "itemType"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("inside", [False, True, None])
def test_a_key_that_is_nearly_known_is_an_error_with_an_example(
    key: str, meant: str, inside: bool | None
) -> None:
    """Its value would be lost in silence: a model without its ranges allows everything."""
    fields: dict[str, Any] = {key: 5}
    if inside is not None and meant != "dataDefinition":
        fields = {"dataDefinition": json.dumps(fields) if inside else fields}

    told = refused(element(**fields))

    assert f"measurepoint 'p': unknown key {key!r}, so that its value would be lost" in told
    assert f'write {meant!r}, as in "{meant}": ' in told


def test_the_keys_of_the_platforms_documents_are_passed_over() -> None:
    """Documents have keys that are of no concern here, and new ones with each version."""
    keys = (
        "desc", "i18nDesc", "tags", "tagMap", "createTime", "priority", "accessMode", "signalType",
        "isStdElement", "stdElementId", "category", "version", "deprecated", "defaultValue",
        "boolDesc", "minLength", "i18nName", "extraInfo", "ou", "tag", "ext", "id", "alias",
        "precision", "scale", "readOnly", "updateTime", "createdBy", "description", "dimension",
    )  # fmt: skip
    model = element(**dict.fromkeys(keys, 1))
    model |= dict.fromkeys(
        ("requestId", "msg", "submsg", "modelIdPath", "orgId", "attributes", "services", "events",
         "thingModelDesc", "thingModelCatagory", "allowAdditionalAttribute", "inheritedModelIds",
         "thingAttributeMap", "thingServiceMap", "thingEventMap", "thingModelName", "desc"), 1,
    )  # fmt: skip

    assert repr(ThingModel.load(model).measurepoints["p"]) == "Measurepoint(p: DOUBLE)"
    tagged = element(tags={"min": "1"}, ext={"max": 5})
    assert ThingModel.load(tagged).measurepoints["p"].range_text == ""
    # Where the meant key stands beside it, nothing is lost.
    assert ThingModel.load(element(min=5, minimum=1)).measurepoints["p"].minimum == 1
    assert ThingModel.load(element(min=None)).measurepoints["p"].minimum is None


EXAMPLE = '{"measurepoints": {"P": {"dataType": "DOUBLE", "minimum": 0}}}'
STATE = 'as in "enumType": "INT", "enumDesc": {"0": "off", "1": "on"}'


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"measurepoints": {}}, "'measurepoints' is empty"),
        ({"data": {"measurepoints": {}}}, "'measurepoints' is empty"),
        ({"thingMeasurepointMap": {}}, "'thingMeasurepointMap' is empty"),
        ({"measurepoints": None}, "must be an object of points by identifier"),
        (
            {"measurepoints": [{"identifier": "P"}]},
            'such as {"P": {"dataType": "DOUBLE"}}, got a list',
        ),
        ({"data": {"modelId": "M"}}, f"expected an object of them, such as {EXAMPLE}"),
        ({"measurePoints": {}}, "unknown key 'measurePoints', so that its value would be lost"),
        ({"data": {"points": {}}}, "unknown key 'points', so that its value would be lost"),
        ({"thingMeasurePointMap": {}}, "write 'thingMeasurepointMap'"),
        (
            {"model": {"measurepoints": {}}},
            "('measurepoints' stands within 'model', and belongs at the top",
        ),
        (
            {"data": {"x": {"measurepoints": {}}}},
            "stands within 'data' > 'x', and belongs at the top",
        ),
        (
            {"measurepoints": {"p": {"dataType": "INT"}}, "allowAdditionalMeasurePoint": True},
            "write 'allowAdditionalMeasurepoint'",
        ),
        (
            {"measurepoints": {"p": "DOUBLE"}},
            'expected an object, such as {"dataType": "DOUBLE"}, got a text',
        ),
        ({"measurepoints": {"p": {"unit": "kW"}}}, 'names its type, as in "dataType": "DOUBLE"'),
        (
            element(dataType="FLAOT"),
            "unknown type 'FLAOT' (nearest: FLOAT); expected one of ARRAY, BOOL",
        ),
        (element(dataType="number"), "unknown type 'number' (nearest: DOUBLE)"),
        (element(dataType="text"), "unknown type 'text' (nearest: STRING)"),
        (element(dataType="datetime"), "unknown type 'datetime' (nearest: TIMESTAMP)"),
        (element(dataType="ENUM"), f"an ENUM needs keys, and has none; {STATE}"),
        (
            element(dataType="ENUM", enumDesc={"0": "off"}),
            "an ENUM needs 'enumType', which says if its keys",
        ),
        (element(dataType="ENUM", enumDesc={"on": "x"}), STATE),
        (
            element(dataType="ENUM", enumDesc={"0": "off"}, enumType="NUMBER"),
            f"must be INT or STRING, got 'NUMBER'; {STATE}",
        ),
        (
            element(dataType="ENUM", enumDesc="off"),
            f"must be an object of keys, got a text; {STATE}",
        ),
        (
            element(dataType="ENUM", enumDesc=[{"key": "0"}], enumType="INT"),
            f"must be an object of keys, got a list; {STATE}",
        ),
        (
            element(dataType="STRUCT", items={"x": {"dataType": "INT"}}),
            'a list, got an object; as in "items": [{"identifier": "x", "dataType": "INT"}]',
        ),
        (
            element(limits={"min": 0, "max": 5}),
            "unknown key 'limits', so that 'min' within it would be lost; 'minimum' stands beside",
        ),
        (element(specs={"maximum": 5}), "'maximum' stands beside 'dataType', or within"),
        (element(definition={"maxLength": 5}), "write 'dataDefinition'"),
        (element(hasQuality="no"), "'hasQuality' must be true or false, got 'no'"),
        (element(exclusiveMinimum=5), "'exclusiveMinimum' must be true or false, got 5"),
        (element(required=1), "'required' must be true or false, got 1"),
        ([{"measurepoints": {}}], f"an object, such as {EXAMPLE}"),
        (5.5, "a thing model comes as a path"),
        ("[1]", "expected a list of elements, such as"),
        ('"model"\n', "a thing model is a JSON object, such as"),
    ],
)
def test_a_model_of_a_wrong_form_is_told_with_the_right_one(source: Any, told: str) -> None:
    """A message without an example sends its reader to documents that are hard to find."""
    assert told in refused(source)


def test_a_truth_value_may_come_as_a_text() -> None:
    """Python takes any text for true, and "false" above all."""
    model = ThingModel.load(element(hasQuality="false", exclusiveMinimum="true", minimum="0"))
    assert repr(model.measurepoints["p"]) == "Measurepoint(p: DOUBLE (0, inf))"


def test_a_model_without_points_may_pass_all_of_them_through() -> None:
    """Such a product exists: the platform takes whatever comes."""
    model = ThingModel.load({"measurepoints": {}, "allowAdditionalMeasurepoint": True})
    assert model.pass_through
    assert not ThingModel.load(ThingModel("M", {}).to_json()).measurepoints


@given(
    st.integers(0, len(MODEL) - 1),
    st.sampled_from(
        ["", ",", "'", '"', "}", "]", "//", "#", "NaN", "\n", "\\", "0", ":", "“", " a "]
    ),
    st.integers(0, 2),
)
def test_any_slip_is_told_in_a_line_or_is_none(at: int, slip: str, gone: int) -> None:
    """The message is found by rules, none of which may fail itself."""
    text = MODEL[:at] + slip + MODEL[at + gone :]
    try:
        read_json(text)
    except ValueError as error:
        assert "\n" not in str(error)
        assert str(error).startswith("line ") or "occurs twice" in str(error)
